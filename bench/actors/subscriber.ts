import { channel } from "node:diagnostics_channel"
import type { IncomingMessage } from "node:http"
import { sql } from "kysely"
import { follow, sync } from "../../node/exchange/subscribe.ts"
import { search } from "../../node/reading/records.ts"
import { serveActor } from "../actor.ts"
import { type Spent, sharedNow, spentOn } from "../measure.ts"
import { type BenchMember, know, makeMember } from "../member.ts"

/** A recipient: reads feeds over loopback HTTP, through all eight steps. */

let member: BenchMember
let originator: string
const arrivals: number[] = []
let wakeWaiting: (() => void) | undefined
const bytesBefore = new WeakMap<object, number>()

export const subscriberHandlers = {
  async found(state: string): Promise<Uint8Array> {
    member = await makeMember(state)
    return member.card
  },

  async know({ card, url }: { card: Uint8Array; url: string }): Promise<void> {
    originator = await know(member.context, card, url)
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

  /** Follows the originator from now on. */
  async follow(): Promise<void> {
    void (async () => {
      for await (const { received } of follow(
        member.context,
        originator,
        new AbortController().signal,
      )) {
        for (let i = 0; i < received; i++) arrivals.push(sharedNow())
        wakeWaiting?.()
      }
    })()
  },

  /** When record `number` of those followed was stored here. */
  async arrival(number: number): Promise<number> {
    while (arrivals.length <= number)
      await new Promise<void>((resolve) => {
        wakeWaiting = resolve
      })
    return arrivals[number]!
  },

  /** Polls that find nothing new. @returns of each, milliseconds and bytes of the answer, its head included */
  async poll(count: number): Promise<readonly { ms: number; bytes: number }[]> {
    let bytes = 0
    const finished = channel("http.client.response.finish")
    const listen = (message: unknown) => {
      const { socket } = (message as { response: IncomingMessage }).response
      bytes += socket.bytesRead - (bytesBefore.get(socket) ?? 0)
      bytesBefore.set(socket, socket.bytesRead)
    }
    finished.subscribe(listen)
    const polls: { ms: number; bytes: number }[] = []
    for (let i = 0; i < count; i++) {
      bytes = 0
      const start = performance.now()
      await sync(member.context, originator)
      polls.push({ ms: performance.now() - start, bytes })
    }
    finished.unsubscribe(listen)
    return polls
  },

  async search(queries: readonly string[]): Promise<readonly number[]> {
    const times: number[] = []
    for (const query of queries) {
      const start = performance.now()
      await search(member.context, query)
      times.push(performance.now() - start)
    }
    return times
  },
}

serveActor(subscriberHandlers)
