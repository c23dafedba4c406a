import { publishRoot } from "../../node/authority/amend.ts"
import { readProposal, signProposal } from "../../node/authority/ceremony.ts"
import { proposeWitnesses } from "../../node/authority/name-witnesses.ts"
import { findPeer } from "../../node/authority/peers.ts"
import { type FeedPosition, feedFrames } from "../../node/exchange/deliver.ts"
import { publish } from "../../node/log/sequencer.ts"
import { requestRelease } from "../../node/order/release.ts"
import { serve } from "../../node/serve.ts"
import { serveActor } from "../actor.ts"
import { type Spent, sharedNow, spentOn } from "../measure.ts"
import {
  addDrafts,
  type BenchMember,
  know,
  makeMember,
  makeStranger,
  signedOrder,
  signOrder,
} from "../member.ts"

/** The originator: makes orders, publishes them, seals what is served, serves it. */

let member: BenchMember
/** name → member id */
const recipients = new Map<string, string>()
const drafts: string[] = []
const orders: string[] = []
const positions = new Map<string, FeedPosition>()

const nobodyYet: FeedPosition = { feed: null, after: 0, epoch: 1, size: 0, pending: null }

export const publisherHandlers = {
  async found(state: string): Promise<Uint8Array> {
    member = await makeMember(state)
    return member.card
  },

  async know(card: Uint8Array): Promise<void> {
    const name = await know(member.context, card)
    recipients.set(name, (await findPeer(member.context, name)).member)
  },

  /** Members that cosign our log from now on: all of them must. */
  async nameWitnesses(witnesses: readonly { card: Uint8Array; url: string }[]): Promise<void> {
    const { context, founded } = member
    const add: string[] = []
    for (const { card, url } of witnesses) add.push(await know(context, card, url))
    const { proposal } = await proposeWitnesses(context, { add, quorum: add.length })
    const read = readProposal(proposal)
    const lines = await Promise.all(founded.rootPairs.map((pair) => signProposal(read, pair)))
    await publishRoot(context, proposal, lines.flat())
  },

  /** Recipients that are members like any other, and never ask. */
  async fillUp(count: number): Promise<void> {
    while (recipients.size < count) await publisherHandlers.know(await makeStranger("XZ"))
  },

  /** Signed orders of new records to all recipients, ready to be published. */
  async prepare(wanted: { records: number; perOrder: number }): Promise<void> {
    for (let at = 0; at < wanted.records; at += wanted.perOrder) {
      const made = await addDrafts(member.context, drafts.length, drafts.length + wanted.perOrder)
      drafts.push(...made)
      orders.push(await signedOrder(member, made, [...recipients.keys()]))
    }
  },

  /** Publishes what was prepared, `together` orders at a time, and seals it for every recipient. */
  publish({ together }: { together: number }): Promise<Spent> {
    return spentOn(async () => {
      while (orders.length > 0) {
        const group = orders.splice(0, together)
        await Promise.all(group.map((order) => publish(member.context, order)))
        for (const id of recipients.values()) await readFeed(id)
      }
    })
  },

  /** Publishes the next order. @returns when it was asked to */
  async publishOne(): Promise<number> {
    const start = sharedNow()
    await publish(member.context, orders.shift()!)
    return start
  },

  /** One order to everybody, from the call until its last parcel is sealed. */
  async fanOut({ isCold }: { isCold: boolean }): Promise<number> {
    if (isCold) member.context.epochs.sending.clear()
    const start = performance.now()
    await publish(member.context, orders.shift()!)
    for (const id of recipients.values()) await readFeed(id)
    return performance.now() - start
  },

  /** Everything released so far to one member more, from the request until the last is published. */
  async addRecipient(card: Uint8Array): Promise<number> {
    await publisherHandlers.know(card)
    const to = [...recipients.keys()].slice(-1)
    const start = performance.now()
    const { orders: made } = await requestRelease(member.context, { records: drafts, to })
    for (const order of made) await signOrder(member, order)
    await Promise.all(made.map((order) => publish(member.context, order)))
    return performance.now() - start
  },

  async serve(): Promise<string> {
    const { context, home } = member
    return (await serve(context, { home, host: "127.0.0.1", port: 0 })).url
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
