import { ingest, type Json } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { openSealed, sealObject } from "../../protocol/crypto/seal.ts"
import { decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { deliveryDigest } from "../../protocol/exchange/delivery.ts"
import {
  decodeEntries,
  decodeFrames,
  encodeEntries,
  encodeFrame,
  formatHead,
  framesHeader,
  parseHead,
} from "../../protocol/exchange/frames.ts"
import {
  decodeParcelContent,
  joinEpoch,
  openEpoch,
  openParcel,
  parcelEnc,
  sealParcel,
} from "../../protocol/exchange/parcel.ts"
import { verifyReceipts } from "../../protocol/exchange/receipt.ts"

import {
  blindedEntry,
  dummyEntry,
  type EntryType,
  entrySalt,
  logOrigin,
  openEntry,
  parseLogOrigin,
  withdrawalTag,
} from "../../protocol/log/entry.ts"
import {
  enrol,
  kidOf,
  type LogKeyFields,
  type RootKey,
  type SigningKey,
} from "../../protocol/member/key.ts"
import { kemKeyFor, verifyKeys } from "../../protocol/member/keys.ts"
import { type Officer, officerDigest } from "../../protocol/member/officer.ts"
import type { Requirement } from "../../protocol/member/policy.ts"
import { newestRoot, payloadDigest, type Root, verifyRoots } from "../../protocol/member/root.ts"
import { decodeRecord, encodeRecord, recordDigest } from "../../protocol/record/record.ts"
import { decodeGrant, encodeGrant, grantLeaf } from "../../protocol/release/grant.ts"
import { buildGrantTree, isInGrantTree } from "../../protocol/release/grant-tree.ts"
import { decodeOrder, verifyApprovals } from "../../protocol/release/order.ts"
import { parseWords, wordsOf } from "../../protocol/words.ts"

/** One known answer: what the production functions of its format make of `input`. */
export type Vector = {
  readonly name: string
  readonly input: Input
  readonly output?: unknown
  readonly code?: string
}
export type Input = { readonly [field: string]: unknown }
export type VectorFile = {
  readonly format: string
  readonly about: string
  readonly valid: readonly Vector[]
  readonly hostile: readonly Vector[]
}
type Run = (input: Input) => unknown | Promise<unknown>

const text = (input: Input, name: string) => input[name] as string
const number = (input: Input, name: string) => input[name] as number
const bytes = (input: Input, name: string) => decodeHex(text(input, name))
const list = (input: Input, name: string) => input[name] as readonly string[]

/** `plaintext`, or `length` bytes of which the i-th is i mod 251. */
function plaintext(input: Input): Uint8Array {
  if (input.plaintext !== undefined) return bytes(input, "plaintext")
  return Uint8Array.from({ length: number(input, "length") }, (_, i) => i % 251)
}

/** What fails without a code of its own (a proof that is false) is refused with this one. */
function insist(holds: boolean, code: ProtocolError["code"]): void {
  if (!holds) throw new ProtocolError(code)
}

/** Output is a function of input alone, by the production functions; hostile input throws its code. */
export const formats: { readonly [format: string]: Run } = {
  canonical: (input) => {
    const value = ingest(bytes(input, "bytes"), (input.maxBytes as number | undefined) ?? 65536)
    return { value }
  },

  signed: (input) => {
    const { digest, payloadBytes, signatures } = decodeOrder(bytes(input, "bytes"))
    const lines = signatures.map((line) => ({
      header: line.header as unknown as Json,
      signature: encodeHex(line.signature),
      inputDigest: encodeHex(sha256(line.input)),
    }))
    return { digest, payload: encodeHex(payloadBytes), lines }
  },

  key: (input) => {
    const key = input.key as SigningKey | RootKey | LogKeyFields
    enrol(key)
    return { kid: kidOf(key) }
  },

  words: (input) =>
    input.member === undefined
      ? { bits: encodeHex(parseWords(text(input, "words"))) }
      : { words: wordsOf(text(input, "member")) },

  member: (input) => {
    const member = verifyRoots(list(input, "documents").map(decodeHex))
    const { network, version } = newestRoot(member).payload
    const payloadDigests = member.documents.map(payloadDigest)
    const documentDigests = member.documents.map(({ digest }) => digest)
    return {
      member: member.id,
      words: wordsOf(member.id),
      network,
      version,
      payloadDigests,
      documentDigests,
    }
  },

  keys: (input) => {
    const root = input.root as Root
    const { digest, payload } = verifyKeys(bytes(input, "bytes"), text(input, "member"), root)
    return { digest, kemKeyDigest: encodeHex(sha256(kemKeyFor(payload, text(input, "today")))) }
  },

  officer: (input) => ({ digest: officerDigest(input.officer as Officer) }),

  record: (input) => {
    const found = bytes(input, "bytes")
    const record = decodeRecord(found)
    insist(encodeHex(encodeRecord(record)) === encodeHex(found), "record.malformed")
    return { digest: recordDigest(found), title: record.title }
  },

  sealed: (input) => {
    const key = bytes(input, "key")
    const object = number(input, "object")
    if (input.bytes !== undefined)
      return { plaintext: encodeHex(openSealed(key, object, bytes(input, "bytes"))) }
    const sealed = sealObject(key, object, plaintext(input))
    const opened = openSealed(key, object, sealed)
    insist(encodeHex(opened) === encodeHex(plaintext(input)), "sealed.mismatch")
    const commitment = encodeHex(sealed.subarray(0, 32))
    return { size: sealed.length, commitment, digest: encodeHex(sha256(sealed)) }
  },

  grant: (input) => {
    const found = bytes(input, "bytes")
    const grant = decodeGrant(found)
    insist(encodeHex(encodeGrant(grant)) === encodeHex(found), "grant.malformed")
    return { leaf: encodeHex(grantLeaf(found)) }
  },

  "grant-tree": (input) => {
    if (input.path !== undefined) {
      const path = list(input, "path").map(decodeHex)
      const position = number(input, "position")
      insist(
        isInGrantTree(bytes(input, "leaf"), position, path, bytes(input, "root")),
        "grant.path",
      )
      return { isInTree: true }
    }
    const leaves = input.leaves as readonly { position: number; leaf: string }[]
    const placed = new Map(leaves.map(({ position, leaf }) => [position, decodeHex(leaf)]))
    const tree = buildGrantTree(placed, bytes(input, "seed"))
    const paths = leaves.map(({ position }) => tree.path(position).map(encodeHex))
    return { root: encodeHex(tree.root), paths }
  },

  order: (input) => {
    const order = decodeOrder(bytes(input, "bytes"))
    const root = input.root as Root
    const signoff = (input.signoff as readonly Requirement[] | undefined) ?? []
    const { epoch } = order.payload.base
    const revocation = { revoked: root.revoked, epoch, index: number(input, "index") }
    const approvals = verifyApprovals(order, root, signoff, revocation)
    return { digest: order.digest, payload: order.payload, approvals }
  },

  entry: (input) => {
    const saltKey = () => bytes(input, "saltKey")
    switch (input.kind) {
      case "blinded": {
        const type = number(input, "type") as EntryType
        const salt = entrySalt(saltKey(), type, bytes(input, "digest"))
        const entry = blindedEntry(type, salt, bytes(input, "digest"))
        return { salt: encodeHex(salt), entry: encodeHex(entry) }
      }
      case "dummy":
        return { entry: encodeHex(dummyEntry(saltKey(), number(input, "index"))) }
      case "withdrawal tag":
        return { entry: encodeHex(withdrawalTag(bytes(input, "contentKey"))) }
      case "open":
        return { entry: encodeHex(openEntry(bytes(input, "digest"))) }
      default: {
        const { network, member, epoch } = parseLogOrigin(text(input, "origin"))
        insist(logOrigin(network, member, epoch) === input.origin, "checkpoint.origin")
        return { network, member, epoch }
      }
    }
  },

  parcel: async (input) => {
    const seed = bytes(input, "seed")
    const { publicKey } = kemKeyPair(seed)
    const [sender, recipient] = [text(input, "sender"), text(input, "recipient")]
    if (input.bytes !== undefined) {
      const parcel = bytes(input, "bytes")
      const epoch = await joinEpoch(sender, recipient, { publicKey, seed }, parcelEnc(parcel))
      return { plaintext: encodeHex(openParcel(epoch, parcel)) }
    }
    const epoch = await openEpoch(sender, recipient, publicKey, bytes(input, "coins"))
    const parcel = sealParcel(epoch, bytes(input, "nonce"), plaintext(input))
    return {
      publicKeyDigest: encodeHex(sha256(publicKey)),
      encDigest: encodeHex(sha256(epoch.enc)),
      secret: encodeHex(epoch.secret),
      size: parcel.length,
      digest: encodeHex(sha256(parcel)),
    }
  },

  delivery: (input) => {
    const { delivery, deliveryBytes, keys } = decodeParcelContent(bytes(input, "bytes"))
    return {
      digest: deliveryDigest(deliveryBytes),
      feed: delivery.feed,
      n: delivery.n,
      prev: delivery.prev,
      order: delivery.order.digest,
      index: delivery.entry.index,
      leaves: delivery.grants.map(({ leaf }) => encodeHex(leaf)),
      keys: [...keys].map(([grant, key]) => ({ grant, key: encodeHex(key) })),
    }
  },

  frames: async (input) => {
    if (input.head !== undefined) {
      const head = parseHead(text(input, "head"))
      insist(formatHead(head) === input.head, "frames.malformed")
      return head
    }
    if (input.entries !== undefined) {
      const { origin, start, entries } = decodeEntries(bytes(input, "entries"))
      const again = encodeEntries({ origin, start, entries })
      insist(encodeHex(again) === input.entries, "frames.malformed")
      return { origin, start, entries: entries.map(encodeHex) }
    }
    const found = bytes(input, "bytes")
    const frames = await decodeFrames(found)
    const again = [framesHeader(), ...frames.map((frame) => encodeFrame(frame.type, frame.bytes))]
    insist(again.map(encodeHex).join("") === input.bytes, "frames.malformed")
    return { frames: frames.map((frame) => ({ type: frame.type, bytes: encodeHex(frame.bytes) })) }
  },

  receipts: (input) => {
    const [from, to] = [text(input, "from"), text(input, "to")]
    const root = input.root as Root
    const { digest, payload } = verifyReceipts(bytes(input, "bytes"), { from, to, root })
    return { digest, items: payload.items }
  },
}

/** What a vector gives: its output, or the code it is refused with. */
export async function answer(
  format: string,
  input: Input,
): Promise<Pick<Vector, "output" | "code">> {
  const run = formats[format]
  if (run === undefined) throw new RangeError(`no format ${format}`)
  try {
    return { output: JSON.parse(JSON.stringify(await run(input))) }
  } catch (cause) {
    if (cause instanceof ProtocolError) return { code: cause.code }
    throw cause
  }
}

export const asHex = (value: string | Uint8Array) =>
  encodeHex(typeof value === "string" ? utf8(value) : value)
