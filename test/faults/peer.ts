import type { Server } from "node:http"
import { createAdaptorServer } from "@hono/node-server"
import { type Founded, foundMember } from "../../node/authority/found.ts"
import { signReview } from "../../node/authority/officer.ts"
import { addPeer, ownCard, verifyPeer } from "../../node/authority/peers.ts"
import type { Context } from "../../node/context.ts"
import type { Env } from "../../node/env.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { publish } from "../../node/log/sequencer.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { closeNode, createNode, prepareCrypto, storeFounded } from "../../node/node.ts"
import { addSignature } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { realEnv } from "../../node/real-env.ts"
import { orderById } from "../../node/store/queries/orders.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import { wordsOf } from "../../protocol/words.ts"
import { foundingOf, freePort, type RealNode } from "./real-node.ts"

/** A member that no fault meets: it mirrors what the other one shows, and keeps its receipts. */
export type Peer = {
  readonly context: Context
  readonly founded: Founded
  readonly url: string
  [Symbol.asyncDispose](): Promise<void>
}

export async function startPeer(state: string): Promise<Peer> {
  prepareCrypto()
  const url = `http://127.0.0.1:${await freePort()}`
  const database = memoryDatabase()
  const real = realEnv({ home: "", allowPrivate: true })
  const env: Env = {
    ...real,
    files: memoryFiles(),
    // Founding closes the database, which in memory would lose it.
    openDatabase: () => Object.assign(database, { close: () => database }),
  }
  const founded = await foundMember(env, foundingOf(state, url))
  await storeFounded(env, founded)
  const context = await createNode(env, founded.keys, { url })
  const closing = new AbortController()
  const { host, hostname, port } = new URL(url)
  const app = peerApp(context, { authorities: [host], closing: closing.signal })
  const server = createAdaptorServer({ fetch: app.fetch }) as Server
  await new Promise<void>((resolve) => server.listen(Number(port), hostname, resolve))
  return {
    context,
    founded,
    url,
    [Symbol.asyncDispose]: async () => {
      closing.abort()
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
      await closeNode(context)
      real.close()
    },
  }
}

/** They add one another and compare words. */
export async function introduce(node: RealNode, peer: Peer): Promise<void> {
  const { card } = await node.operate<{ card: string }>("id.card")
  const { member, name } = await addPeer(peer.context, new Uint8Array(Buffer.from(card, "base64")))
  await verifyPeer(peer.context, name, wordsOf(member))
  const own = Buffer.from(await ownCard(peer.context)).toString("base64")
  const added = await node.operate<{ name: string }>("peer.add", { card: own })
  const words = wordsOf(peer.context.self.id)
  await node.operate("peer.verify", { name: added.name, words })
}

/** Released by the peer to everyone it knows. @returns the order's id */
export async function releaseFrom(
  peer: Peer,
  records: readonly string[],
  to: string,
): Promise<string> {
  const { order } = await requestRelease(peer.context, { records, to: [to] })
  await signAndPublish(peer, order)
  return order
}

export async function withdrawFrom(peer: Peer, record: string): Promise<string> {
  const { order } = await requestWithdrawal(peer.context, { record, reason: "superseded" })
  await signAndPublish(peer, order)
  return order
}

/** What its officers do is not looked at here: they sign what they are given. */
async function signAndPublish({ context, founded }: Peer, order: string): Promise<void> {
  const { payload } = await orderById(context.db, order)
  const bytes = new Uint8Array(payload)
  const review = {
    member: context.self,
    order: JSON.parse(new TextDecoder().decode(bytes)),
    payload: bytes,
    lines: [],
    notes: [],
    seen: { member: context.self.id, size: 0, root: "" },
  }
  const day = new Date().toISOString().slice(0, 10)
  for (const officer of founded.officers)
    await addSignature(context, order, await signReview(review, officer, day))
  await publish(context, order)
}
