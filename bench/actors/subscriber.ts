import { sql } from "kysely"
import { sync } from "../../node/subscribe.ts"
import { serveActor } from "../actor.ts"
import { type Spent, spentOn } from "../measure.ts"
import { type BenchMember, know, makeMember } from "../member.ts"

/** A recipient: reads feeds over loopback HTTP, through all eight steps. */

let member: BenchMember

export const subscriberHandlers = {
  async found(state: string): Promise<Uint8Array> {
    member = await makeMember(state)
    return member.card
  },

  know({ card, url }: { card: Uint8Array; url: string }): Promise<string> {
    return know(member.context, card, url)
  },

  /** An index that takes everything and keeps nothing: what is left is the catch-up without one. */
  async dropIndex(): Promise<void> {
    const { db } = member.context
    await sql`DROP TABLE search`.execute(db)
    await sql`CREATE TABLE search (title TEXT, body TEXT)`.execute(db)
    await sql`CREATE TRIGGER search_ignored BEFORE INSERT ON search
      BEGIN SELECT RAISE(IGNORE); END`.execute(db)
  },

  async sync(): Promise<Spent & { received: number; peakMB: number }> {
    let received = 0
    const spent = await spentOn(async () => {
      const { peers } = await sync(member.context)
      for (const peer of peers) {
        if (peer.code !== undefined || peer.refused > 0 || peer.failed > 0)
          throw new Error(`not received whole: ${peer.code ?? "refused"}`)
        received += peer.received
      }
    })
    return { ...spent, received, peakMB: process.resourceUsage().maxRSS / 1024 }
  },
}

serveActor(subscriberHandlers)
