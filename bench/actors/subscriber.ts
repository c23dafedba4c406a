import { channel } from "node:diagnostics_channel"
import type { IncomingMessage } from "node:http"
import { sql } from "kysely"
import { follow, sync } from "../../node/exchange/subscribe.ts"
import { search } from "../../node/reading/records.ts"
import { serve } from "../../node/serve.ts"
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

  /** Answers others too: as a witness. */
  async serve(): Promise<string> {
    const { context, home } = member
    return (await serve(context, { home, host: "127.0.0.1", port: 0 })).url
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

  /** The same, but a record has arrived when the cosignatures that its order asks for are here too. */
  async followProven(): Promise<void> {
    const { context } = member
    const never = new AbortController().signal
    void (async () => {
      for await (const _ of follow(context, originator, never));
    })()
    void (async () => {
      for (;;) {
        const rung = context.bell.next(never)
        const proven = await provenOrders(context)
        while (arrivals.length < proven) arrivals.push(sharedNow())
        wakeWaiting?.()
        await rung
      }
    })()
  },

  /** When record `number` of those followed had arrived here. */
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

/** Of one record each, as they are followed live. */
async function provenOrders({ db }: BenchMember["context"]): Promise<number> {
  const { count } = await db
    .selectFrom("logged_order")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("proof", "is not", null)
    .executeTakeFirstOrThrow()
  return count
}

serveActor(subscriberHandlers)
