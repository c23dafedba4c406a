import { askPeer } from "../../../node/http/peer-client.ts"
import { nodeKid, nodeSigner } from "../../../node/keys/keys.ts"
import { peerById } from "../../../node/store/queries/members.ts"
import { concat, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { encodeFrame, framesHeader, framesMediaType } from "../../../protocol/exchange/frames.ts"
import { encodeReceipts } from "../../../protocol/exchange/receipt.ts"
import { encodeSigned, signLine } from "../../../protocol/signed.ts"
import type { Action, Scene } from "../action.ts"
import type { Actor } from "../actor.ts"
import { drawVictim } from "./takeover.ts"

/** What an adversary asks of others, and tells them, as a member in good standing. */

async function post(scene: Scene, victim: Actor, body: Uint8Array): Promise<string> {
  return request(scene, victim, {
    method: "POST",
    path: "/frames",
    body,
    contentType: framesMediaType,
  })
}

async function request(
  { actor }: Scene,
  victim: Actor,
  asked: Parameters<typeof askPeer>[2],
): Promise<string> {
  const peer = await peerById(actor.context.db, victim.id)
  if (peer === undefined) return "unknown"
  try {
    const { body } = await askPeer(actor.context, peer, asked)
    await body.cancel()
    return "accepted"
  } catch (cause) {
    const { code, theirs } = cause as { code?: string; theirs?: string }
    return theirs ?? code ?? "peer.unreachable"
  }
}

function frames(...parts: readonly Uint8Array[]): Uint8Array {
  return concat(framesHeader(), ...parts)
}

async function receipts(
  { actor }: Scene,
  to: string,
  from: string,
  items: Parameters<typeof encodeReceipts>[0]["items"],
): Promise<Uint8Array> {
  const { keys, self } = actor.context
  const { network } = self
  const payload = encodeReceipts({ from, items, network, to, type: "comity/receipts/v1" })
  const header = {
    alg: "Ed25519",
    kid: nodeKid(keys),
    network,
    typ: "comity-receipts+jws",
  } as const
  const line = await signLine(header, payload, nodeSigner(keys))
  return encodeFrame("receipts", encodeSigned(payload, [line]))
}

const day = "2026-11-23"

type Trick = (scene: Scene, victim: Actor) => Promise<string>

const tricks: Readonly<Record<string, Trick>> = {
  "a receipt for what was never sent": async (scene, victim) => {
    const [leaf, order] = [encodeHex(scene.random.bytes(32)), encodeHex(scene.random.bytes(16))]
    const item = { day, leaf, order, state: "purged" } as const
    return post(scene, victim, frames(await receipts(scene, victim.id, scene.actor.id, [item])))
  },
  "a receipt in another's name": async (scene, victim) => {
    const other = scene.random.pick(scene.world.actors)
    const item = { day, leaf: "0".repeat(64), order: "0".repeat(32), state: "delivered" } as const
    return post(scene, victim, frames(await receipts(scene, victim.id, other.id, [item])))
  },
  "ten thousand signatures": async (scene, victim) => {
    const line = { protected: "e30", signature: "AAAA" }
    const bytes = utf8(JSON.stringify({ payload: "e30", signatures: Array(10_000).fill(line) }))
    return post(scene, victim, frames(encodeFrame("receipts", bytes)))
  },
  "a key that stands twice": (scene, victim) =>
    post(scene, victim, frames(encodeFrame("evidence", utf8('{"type":"x","type":"y"}')))),
  "a deep nest": (scene, victim) =>
    post(scene, victim, frames(encodeFrame("evidence", utf8("[".repeat(5000))))),
  "frames that end early": (scene, victim) =>
    post(scene, victim, frames(encodeFrame("receipts", new Uint8Array(99))).subarray(0, 60)),
  noise: (scene, victim) => post(scene, victim, scene.random.bytes(2000)),
  "a log pushed": async (scene, victim) => {
    const { checkpoint } = scene.actor.books.logs().find(({ member }) => member === scene.actor.id)!
    return post(scene, victim, frames(encodeFrame("checkpoint", utf8(checkpoint ?? ""))))
  },
  "a query out of bounds": (scene, victim) =>
    request(scene, victim, { method: "GET", path: "/feed?after=-1&size=1e9&feed=x" }),
  "a feed that starts beyond its end": (scene, victim) =>
    request(scene, victim, {
      method: "GET",
      path: `/feed?after=${Number.MAX_SAFE_INTEGER}&size=${Number.MAX_SAFE_INTEGER}`,
    }),
}

const asking: Action = {
  name: "trick",
  perDay: 0.8,
  by: "server",
  run: async (scene) => {
    const victim = drawVictim(scene)
    if (victim === null) return null
    const name = scene.random.pick(Object.keys(tricks))
    const outcome = await tricks[name]!(scene, victim)
    if (outcome === "accepted" && name.startsWith("a receipt"))
      scene.world.violate(
        "S18 no receipt is taken for what was not sent",
        `${name}: ${victim.name}`,
      )
    return `${name}, to ${victim.name}: ${outcome}`
  },
}

/** Knows the digests of sealed objects that others were given, and asks for them. */
const fetching: Action = {
  name: "fetch-what-is-others",
  perDay: 0.4,
  by: "server",
  run: async (scene) => {
    const { actor, world, random } = scene
    const victim = drawVictim(scene)
    if (victim === null) return null
    const digests = victim.books.sealedDigests(victim.id)
    if (digests.length === 0) return null
    const { digest, id, version } = random.pick(digests)
    const outcome = await request(scene, victim, { method: "GET", path: `/sealed/${digest}` })
    const isMeant = world.truth.isMeantFor(actor.id, { origin: victim.id, id, version })
    if (outcome === "accepted" && !isMeant)
      world.violate("S3 nobody holds what was not released to it", `${victim.name} served ${id}`)
    return `of ${victim.name}: ${outcome}`
  },
}

export const questions: readonly Action[] = [asking, fetching]
