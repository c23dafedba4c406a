import { kemKeyPair } from "../../../protocol/crypto/kem.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openParcel,
  parcelEnc,
} from "../../../protocol/exchange/parcel.ts"
import type { Actor } from "../actor.ts"
import { canary } from "../workload/texts.ts"
import { piecesOf } from "./frames.ts"
import type { MakeInvariant } from "./invariant.ts"

/** As they stand in a message, and in base64 at each of its three alignments. */
const traces = [canary, ...[0, 1, 2].map(inBase64)].map((text) => Buffer.from(text))

function inBase64(shift: number): string {
  const encoded = Buffer.from("x".repeat(shift) + canary).toString("base64")
  // Without the characters that depend on what stands before and behind.
  return encoded.slice(shift === 0 ? 0 : shift + 1, -4)
}

/** S3: no byte of a text ever lies open in a message. */
export const nothingIsReadOnTheWay: MakeInvariant = (world) => ({
  heard: ({ from, to, path, bytes }) => {
    if (bytes.length === 0) return
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (traces.some((trace) => message.includes(trace)))
      world.violate("S3 no plaintext is on the wire", `${from} to ${to}, ${path}`)
  },
})

/** S15: a request is honoured once, by the one it was for, however often and wherever it arrives. */
export const requestsAreHonouredOnce: MakeInvariant = (world) => {
  const honoured = new Set<string>()
  return {
    heard: ({ from, to, path, headers, answer }) => {
      if (answer === undefined || !answer.isHead || !answer.headers.has("signature")) return
      const sender = world.actors.find(({ name }) => name === from)
      if (!sender?.isHonest) return
      const request = headers.get("signature") ?? ""
      if (honoured.has(request) || headers.get("comity-to") !== sender.id)
        world.violate("S15 a request is honoured once", `${from} answers ${to} on ${path} again`)
      honoured.add(request)
    },
  }
}

type Parcel = {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
  readonly at: number
}

/** S3, S8: the keys that a member hands out are for what its officers released and did not take back. */
export const keysAreGranted: MakeInvariant = (world) => {
  const parcels: Parcel[] = []
  const opened = new Map<string, Awaited<ReturnType<typeof joinEpoch>>>()
  /** withdrawal → when its commit was seen */
  const endedAt = new Map<string, number>()
  const read = new Map<Actor, number>()
  const named = (name: string) => world.actors.find((one) => one.name === name)!
  return {
    heard: ({ from, to, answer, bytes }) => {
      if (answer === undefined || answer.isHead || !named(from)?.isHonest) return
      for (const { type, content } of piecesOf(bytes))
        if (type === "parcel")
          parcels.push({ from, to, bytes: content.slice(), at: world.scheduler.now })
    },
    look: (actor) => {
      const rows = actor.disk.read(
        "SELECT rowid, order_id FROM fact WHERE rowid > ? AND act = 'withdraw' AND order_origin = ?",
        read.get(actor) ?? 0,
        actor.id,
      ) as { rowid: number; order_id: string }[]
      for (const { rowid, order_id } of rows) {
        read.set(actor, rowid)
        if (!endedAt.has(order_id)) endedAt.set(order_id, world.scheduler.now)
      }
    },
    finish: async () => {
      for (const parcel of parcels) await judge(parcel)
    },
  }

  async function judge({ from, to, bytes, at }: Parcel): Promise<void> {
    const content = await open(from, to, bytes)
    if (content === null)
      return world.violate("S3 a parcel opens for its recipient", `${from} to ${to}`)
    const { keys, delivery } = content
    for (const place of keys.keys()) {
      const { grant } = delivery.grants[place]!
      if (grant.recipient !== named(to).id)
        return world.violate("S3 keys go to the recipient only", `${from} to ${to}`)
      const { id, version } = grant.record
      const ends = named(from).disk.read(
        `SELECT w.order_id FROM fact w JOIN fact r ON r.record_id = w.record_id
           AND r.recipient = w.recipient AND r.order_id = ? AND r.version <= w.version
         WHERE w.act = 'withdraw' AND w.record_id = ? AND w.recipient = ? AND w.version >= ?
           AND w.idx >= r.base_size AND w.rule_kind = r.rule_kind
           AND w.rule_profile = r.rule_profile`,
        delivery.order.payload.id,
        id,
        grant.recipient,
        version,
      ) as { order_id: string }[]
      if (ends.some(({ order_id }) => (endedAt.get(order_id) ?? at) < at))
        return world.violate("S8 no key is handed out after its end", `${id}, ${from} to ${to}`)
    }
  }

  async function open(from: string, to: string, bytes: Uint8Array) {
    const enc = Buffer.from(parcelEnc(bytes)).toString("latin1")
    let epoch = opened.get(enc)
    const seeds = named(to).disk.read("SELECT seed FROM kem_key") as { seed: Uint8Array }[]
    for (const { seed } of seeds) {
      const joined =
        epoch ??
        (await joinEpoch(
          named(from).id,
          named(to).id,
          kemKeyPair(new Uint8Array(seed)),
          parcelEnc(bytes),
        ))
      try {
        const content = decodeParcelContent(openParcel(joined, bytes))
        epoch = joined
        opened.set(enc, joined)
        return content
      } catch (cause) {
        if (!(cause instanceof ProtocolError)) throw cause
      }
    }
    return null
  }
}
