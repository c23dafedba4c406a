import { createReadStream, createWriteStream } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { type FeedPosition, feedFrames } from "../../node/deliver.ts"
import { findPeer } from "../../node/peers.ts"
import { publish } from "../../node/sequencer.ts"
import { serve } from "../../node/serve.ts"
import { framesHeader } from "../../protocol/exchange/frames.ts"
import { serveActor } from "../actor.ts"
import { type Spent, spentOn } from "../measure.ts"
import {
  addDrafts,
  type BenchMember,
  know,
  makeMember,
  makeStranger,
  signedOrder,
} from "../member.ts"

/** The originator: makes orders, publishes them, seals what is served, serves it. */

let member: BenchMember
const recipients: string[] = []
const orders: string[] = []
const positions = new Map<string, FeedPosition>()
let records = 0

const nobodyYet: FeedPosition = { feed: null, after: 0, epoch: 1, size: 0, pending: null }

export const publisherHandlers = {
  async found(state: string): Promise<Uint8Array> {
    member = await makeMember(state)
    return member.card
  },

  async know(card: Uint8Array): Promise<string> {
    const name = await know(member.context, card)
    recipients.push(name)
    return name
  },

  /** Recipients that are members like any other, and never ask. */
  async fillUp(count: number): Promise<void> {
    for (let i = recipients.length; i < count; i++)
      recipients.push(await know(member.context, await makeStranger("XZ")))
  },

  /** Signed orders, ready to be published. */
  async prepare(wanted: { records: number; perOrder: number }): Promise<void> {
    for (let at = 0; at < wanted.records; at += wanted.perOrder) {
      const ids = await addDrafts(member.context, records, records + wanted.perOrder)
      records += wanted.perOrder
      orders.push(await signedOrder(member, ids, recipients))
    }
  },

  /** Publishes what was prepared, `together` orders at a time, and seals it for every recipient. */
  async publish({ together }: { together: number }): Promise<Spent> {
    const { context } = member
    const ids = await Promise.all(
      recipients.map(async (name) => (await findPeer(context, name)).member),
    )
    return spentOn(async () => {
      while (orders.length > 0) {
        await Promise.all(orders.splice(0, together).map((order) => publish(context, order)))
        for (const id of ids) await readFeed(id)
      }
    })
  },

  async serve(): Promise<string> {
    const { context, home } = member
    return (await serve(context, { home, host: "127.0.0.1", port: 0 })).url
  },

  /** The same frames again from a bare server, with the secret that opens them: for the floor. */
  async serveRaw({ card, name }: { card?: Uint8Array; name: string }) {
    void card
    const { context, home } = member
    const { member: peer } = await findPeer(context, name)
    const path = join(home, "frames")
    const file = createWriteStream(path)
    file.write(framesHeader())
    for await (const frame of feedFrames(context, peer, nobodyYet))
      if (!file.write(frame)) await new Promise<void>((resolve) => file.once("drain", resolve))
    await new Promise<void>((resolve) => file.end(resolve))
    const server = createServer((_request, response) => {
      void pipeline(createReadStream(path, { highWaterMark: 1 << 18 }), response)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    return {
      url: `http://127.0.0.1:${port}`,
      secret: context.epochs.sending.get(peer)!.epoch.secret,
    }
  },
}

async function readFeed(peer: string): Promise<void> {
  const frames = feedFrames(member.context, peer, positions.get(peer) ?? nobodyYet)
  for (;;) {
    const next = await frames.next()
    if (next.done) {
      positions.set(peer, next.value)
      return
    }
  }
}

serveActor(publisherHandlers)
