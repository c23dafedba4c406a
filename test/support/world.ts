import { encodeCanonical } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { portablePrimitives } from "../../protocol/crypto/primitives.ts"
import { encodeBase64url, encodeHex, u32be, utf8 } from "../../protocol/encoding.ts"
import { encodeReceipts, type ReceiptItem } from "../../protocol/exchange/receipt.ts"
import { logOrigin } from "../../protocol/log/entry.ts"
import type { NoteSigner } from "../../protocol/log/note.ts"
import { kidOf, type RootKey } from "../../protocol/member/key.ts"
import type { KeysPayload } from "../../protocol/member/keys.ts"
import { type Officer, officerDigest } from "../../protocol/member/officer.ts"
import type { PolicyLine } from "../../protocol/member/policy.ts"
import {
  type Member,
  newestRoot,
  nextDigest,
  payloadDigest,
  type Root,
  verifyRoots,
} from "../../protocol/member/root.ts"
import { encodeOrder, type Order } from "../../protocol/release/order.ts"
import { encodeSigned, type SignatureLine, signLine } from "../../protocol/signed.ts"

/** Members for tests: everything about them follows from a seed text, so that bytes never change. */

export type Random = (bytes: number) => Uint8Array

/** SHA-256 in counter mode: the same seed gives the same bytes. */
export function seededRandom(seed: string): Random {
  const key = sha256(utf8(seed))
  let block = 0
  let rest = new Uint8Array(0)
  return (bytes) => {
    const drawn = new Uint8Array(bytes)
    for (let at = 0; at < bytes; ) {
      if (rest.length === 0) rest = sha256(key, u32be(block++)).slice()
      const taken = rest.subarray(0, bytes - at)
      drawn.set(taken, at)
      rest = rest.subarray(taken.length)
      at += taken.length
    }
    return drawn
  }
}

/** The day on which tests take place. */
export const today = "2026-11-23"

export type OfficerSpec = {
  readonly person: string
  readonly organisation?: string
  readonly roles: readonly string[]
  /** another key of the same person, from the same seed */
  readonly keyNumber?: number
}
export type TestOfficer = Officer & { readonly seed: Uint8Array; readonly kid: string }

export type RootPair = {
  readonly ed25519Seed: Uint8Array
  readonly mldsa65Seed: Uint8Array
  readonly key: RootKey
  readonly kid: string
}
/** Seeds of a log or witness key. */
export type LogSeeds = { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }

export type MemberSpec = {
  readonly seed: string
  readonly state?: string
  readonly name?: string
  readonly network?: string
  readonly officers?: readonly OfficerSpec[]
  /** how many persons every act needs, in any role; `policy` replaces it */
  readonly approvals?: number
  readonly policy?: readonly PolicyLine[]
  readonly rootPairs?: number
  readonly threshold?: number
  readonly profiles?: readonly string[]
  /** fields of version 1 as they are */
  readonly fields?: Partial<Root>
}

export type TestMember = {
  readonly seed: string
  readonly id: string
  readonly network: string
  /** root documents, versions 1..n */
  readonly roots: readonly Uint8Array[]
  /** the same, verified */
  readonly member: Member
  /** payload of the newest version */
  readonly root: Root
  /** pairs of the newest version, and those that `next` commits to */
  readonly rootPairs: readonly RootPair[]
  readonly nextPairs: readonly RootPair[]
  readonly officers: readonly TestOfficer[]
  readonly nodeSeed: Uint8Array
  readonly logSeeds: LogSeeds
  readonly witnessSeeds: LogSeeds
  readonly saltKey: Uint8Array
  readonly kem: { readonly seed: Uint8Array; readonly publicKey: Uint8Array }
  /** `comity/<network>/<member id>/<epoch>` */
  readonly origin: string
  /** keys document of the newest root version */
  readonly keys: Uint8Array
}

export const defaultOfficers: readonly OfficerSpec[] = [
  { person: "p1", organisation: "Authority", roles: ["competentAuthority"] },
  { person: "p2", organisation: "Security", roles: ["informationSecurity"] },
  { person: "p3", organisation: "Operator", roles: ["operator", "focalPoint"] },
]

const seedOf = (...names: readonly (string | number)[]) => sha256(utf8(names.join("/")))
const ed25519 = (seed: Uint8Array) => encodeBase64url(portablePrimitives.ed25519PublicKey(seed))
const mldsa = (level: 44 | 65, seed: Uint8Array) =>
  encodeBase64url(portablePrimitives.mlDsaPublicKey(level, seed))

const signWith = {
  ed25519: (seed: Uint8Array) => (message: Uint8Array) =>
    portablePrimitives.ed25519Sign(message, seed),
  // Not through `primitives()`: a backend that hedges would change the bytes on every run.
  mldsa: (level: 44 | 65, seed: Uint8Array) => (message: Uint8Array) =>
    portablePrimitives.mlDsaSign(level, message, seed),
}

export function rootPair(seed: string, generation: number, number: number): RootPair {
  const ed25519Seed = seedOf(seed, "root", generation, number, "ed25519")
  const mldsa65Seed = seedOf(seed, "root", generation, number, "mldsa65")
  const key = { ed25519: ed25519(ed25519Seed), mldsa65: mldsa(65, mldsa65Seed) }
  return { ed25519Seed, mldsa65Seed, key, kid: kidOf(key) }
}

export function makeOfficer(seed: string, spec: OfficerSpec): TestOfficer {
  const { person, organisation = "Authority", roles, keyNumber = 1 } = spec
  const officerSeed = seedOf(seed, "officer", person, keyNumber)
  const key = { ed25519: ed25519(officerSeed) }
  const salt = encodeHex(seedOf(seed, "salt", person, keyNumber))
  return { key, kid: kidOf(key), organisation, person, roles, salt, seed: officerSeed }
}

/** Member with version 1 of its root document, signed by all pairs, and a keys document. */
export async function makeMember(spec: MemberSpec): Promise<TestMember> {
  const { seed, state = "XA", name = `Authority ${state}`, network = "training" } = spec
  const { approvals = 2, rootPairs: pairs = 1, threshold = pairs, profiles = [] } = spec
  const rootPairs = Array.from({ length: pairs }, (_, i) => rootPair(seed, 0, i))
  const nextPairs = Array.from({ length: pairs }, (_, i) => rootPair(seed, 1, i))
  const officers = (spec.officers ?? defaultOfficers).map((one) => makeOfficer(seed, one))
  const anyone = {
    act: "any",
    kind: "any",
    persons: approvals,
    profile: "any",
    role: "any",
  } as const
  const logSeeds = { ed25519: seedOf(seed, "log", "ed25519"), mldsa44: seedOf(seed, "log", "44") }
  const witnessSeeds = {
    ed25519: seedOf(seed, "witness", "ed25519"),
    mldsa44: seedOf(seed, "witness", "44"),
  }
  const nodeSeed = seedOf(seed, "node")
  const root: Root = {
    ceiling: "TLP:RED",
    epoch: 1,
    expires: "2031-12-31",
    kind: "state",
    logKey: logKeyOf(logSeeds),
    name,
    network,
    next: nextDigest(
      nextPairs.map(({ key }) => key),
      threshold,
    ),
    nodeKey: { ed25519: ed25519(nodeSeed) },
    officers: officers.map(officerDigest).sort(),
    policy: spec.policy ?? [anyone],
    profiles: [...profiles].sort(),
    quorum: 0,
    revoked: [],
    rootKeys: rootPairs.map(({ key }) => key),
    state,
    threshold,
    type: "comity/root/v1",
    version: 1,
    witnessKey: {
      ...logKeyOf(witnessSeeds),
      name: `${state.toLowerCase()}.example/${seed.replaceAll(" ", "-")}`,
    },
    witnesses: [],
    ...spec.fields,
  }
  const kemSeed = seedOf(seed, "kem")
  const partial = {
    seed,
    network,
    rootPairs,
    nextPairs,
    officers,
    nodeSeed,
    logSeeds,
    witnessSeeds,
    saltKey: seedOf(seed, "salt key"),
    kem: kemKeyPair(kemSeed),
  }
  return withRoots(partial, [await signRoot(root, rootPairs)])
}

type Secrets = Omit<TestMember, "id" | "roots" | "member" | "root" | "origin" | "keys">

async function withRoots(secrets: Secrets, roots: readonly Uint8Array[]): Promise<TestMember> {
  const member = verifyRoots(roots)
  const root = newestRoot(member).payload
  const origin = logOrigin(root.network, member.id, root.epoch)
  const whole = { ...secrets, id: member.id, roots, member, root, origin }
  return { ...whole, keys: await signKeys(whole) }
}

function logKeyOf(seeds: LogSeeds) {
  return { ed25519: ed25519(seeds.ed25519), mldsa44: mldsa(44, seeds.mldsa44) }
}

/** Both lines of each pair. */
export async function rootLines(
  payload: Uint8Array,
  network: string,
  pairs: readonly RootPair[],
): Promise<readonly SignatureLine[]> {
  const lines: SignatureLine[] = []
  for (const { kid, ed25519Seed, mldsa65Seed } of pairs) {
    const header = { kid, network, typ: "comity-root+jws" }
    const classic = signWith.ed25519(ed25519Seed)
    const quantum = signWith.mldsa(65, mldsa65Seed)
    lines.push(await signLine({ ...header, alg: "Ed25519" }, payload, classic))
    lines.push(await signLine({ ...header, alg: "ML-DSA-65" }, payload, quantum))
  }
  return lines
}

/** A root document over any payload: also one that no verifier accepts. */
export async function signRoot(root: Root, pairs: readonly RootPair[]): Promise<Uint8Array> {
  const payload = encodeCanonical(root)
  return encodeSigned(payload, await rootLines(payload, root.network, pairs))
}

export type RootChanges = {
  /** fields of the next version as they are */
  readonly fields?: Partial<Root>
  /** replaces the whole list */
  readonly officers?: readonly OfficerSpec[]
  /** to the pairs that `next` commits to */
  readonly replaceRootKeys?: boolean
  readonly newNodeKey?: boolean
  /** every pair of both versions unless it says otherwise */
  readonly signers?: readonly RootPair[]
}

/** Payload of the version after the newest one. */
export function nextRootPayload(member: TestMember, changes: RootChanges = {}): Root {
  const { root, seed } = member
  const version = root.version + 1
  const replaced = changes.replaceRootKeys === true
  const later = laterPairs(member)
  return {
    ...root,
    member: member.id,
    prev: payloadDigest(newestRoot(member.member)),
    version,
    ...(replaced
      ? {
          rootKeys: member.nextPairs.map(({ key }) => key),
          next: nextDigest(
            later.map(({ key }) => key),
            root.threshold,
          ),
        }
      : {}),
    ...(changes.officers === undefined
      ? {}
      : { officers: changes.officers.map((one) => officerDigest(makeOfficer(seed, one))).sort() }),
    ...(changes.newNodeKey === true
      ? { nodeKey: { ed25519: ed25519(seedOf(seed, "node", version)) } }
      : {}),
    ...changes.fields,
  }
}

function laterPairs({ seed, nextPairs, root }: TestMember): readonly RootPair[] {
  return nextPairs.map((_, i) => rootPair(seed, root.version + 1, i))
}

/** The member with one root version more. */
export async function nextRoot(member: TestMember, changes: RootChanges = {}): Promise<TestMember> {
  const root = nextRootPayload(member, changes)
  const replaced = changes.replaceRootKeys === true
  const all = replaced ? [...member.rootPairs, ...member.nextPairs] : member.rootPairs
  const document = await signRoot(root, changes.signers ?? all)
  const secrets: Secrets = {
    ...member,
    rootPairs: replaced ? member.nextPairs : member.rootPairs,
    nextPairs: replaced ? laterPairs(member) : member.nextPairs,
    officers: changes.officers?.map((one) => makeOfficer(member.seed, one)) ?? member.officers,
    nodeSeed:
      changes.newNodeKey === true ? seedOf(member.seed, "node", root.version) : member.nodeSeed,
  }
  return withRoots(secrets, [...member.roots, document])
}

/** What another member's root document lists of this one as a witness. */
export function witnessEntry(member: TestMember): Root["witnesses"][number] {
  return { ...member.root.witnessKey, member: member.id }
}

/** A payload signed with the node key: keys documents and receipts. */
export async function signByNode(
  member: Pick<TestMember, "nodeSeed" | "network">,
  typ: "comity-keys+jws" | "comity-receipts+jws",
  payload: Uint8Array,
): Promise<Uint8Array> {
  const kid = kidOf({ ed25519: ed25519(member.nodeSeed) })
  const header = { alg: "Ed25519", kid, network: member.network, typ } as const
  const sign = signWith.ed25519(member.nodeSeed)
  return encodeSigned(payload, [await signLine(header, payload, sign)])
}

export function keysPayload(
  member: Pick<TestMember, "id" | "network" | "root" | "kem">,
  changes: Partial<KeysPayload> = {},
): KeysPayload {
  const key = encodeBase64url(member.kem.publicKey)
  return {
    card: { contact: "focal point" },
    kem: [{ key, notAfter: "2026-12-31", notBefore: "2026-11-15" }],
    member: member.id,
    network: member.network,
    rootVersion: member.root.version,
    type: "comity/keys/v1",
    urls: [`https://${member.root.state.toLowerCase()}.example`],
    ...changes,
  }
}

export function signKeys(
  member: Pick<TestMember, "id" | "network" | "root" | "kem" | "nodeSeed">,
  changes: Partial<KeysPayload> = {},
): Promise<Uint8Array> {
  return signByNode(member, "comity-keys+jws", encodeCanonical(keysPayload(member, changes)))
}

export function signReceipts(
  from: TestMember,
  to: string,
  items: readonly ReceiptItem[],
): Promise<Uint8Array> {
  const { id, network } = from
  const payload = encodeReceipts({ from: id, items, network, to, type: "comity/receipts/v1" })
  return signByNode(from, "comity-receipts+jws", payload)
}

export const emptyHead = { epoch: 1, root: encodeHex(sha256(new Uint8Array(0))), size: 0 }

/** An order of this member; `root` or `subject` and the rule are the caller's. */
export function orderOf(
  member: TestMember,
  fields: Pick<Order, "id" | "rule"> & Partial<Order>,
): Order {
  return {
    act: "release",
    base: emptyHead,
    network: member.network,
    notAfter: "2026-12-07",
    origin: member.id,
    rootVersion: member.root.version,
    type: "comity/order/v1",
    ...fields,
  }
}

/** A person, in the first role enrolled or in the one named; officers of any other list too. */
export type Signer =
  | string
  | { readonly officer: TestOfficer; readonly role?: string; readonly day?: string }

export function officer(member: TestMember, person: string): TestOfficer {
  const found = member.officers.find((one) => one.person === person)
  if (found === undefined) throw new RangeError(`no officer ${person}`)
  return found
}

export async function orderLine(
  payload: Uint8Array,
  network: string,
  signer: Exclude<Signer, string>,
): Promise<SignatureLine> {
  const { key, kid, organisation, person, roles, salt, seed } = signer.officer
  const { day = today, role = roles[0]! } = signer
  const opened = { day, key: key.ed25519, kid, organisation, person, role, roles, salt }
  const header = { alg: "Ed25519", network, typ: "comity-order+jws", ...opened } as const
  return signLine(header, payload, signWith.ed25519(seed))
}

/** The order with a signature of each of these, as a log entry would commit to it. */
export async function signOrder(
  member: TestMember,
  order: Order,
  signers: readonly Signer[],
): Promise<Uint8Array> {
  const payload = encodeOrder(order)
  const lines: SignatureLine[] = []
  for (const signer of signers) {
    const named = typeof signer === "string" ? { officer: officer(member, signer) } : signer
    lines.push(await orderLine(payload, order.network, named))
  }
  return encodeSigned(payload, lines)
}

/** Signers of the member's checkpoints: Ed25519 and ML-DSA-44. */
export function logSigners(member: TestMember): readonly [NoteSigner, NoteSigner] {
  return noteSigners(member.origin, 0x01, member.logSeeds)
}

/** Signers of the cosignatures that the member gives as a witness. */
export function witnessSigners(member: TestMember): readonly [NoteSigner, NoteSigner] {
  return noteSigners(member.root.witnessKey.name, 0x04, member.witnessSeeds)
}

function noteSigners(
  name: string,
  algorithm: 0x01 | 0x04,
  seeds: LogSeeds,
): readonly [NoteSigner, NoteSigner] {
  return [
    {
      name,
      algorithm,
      publicKey: portablePrimitives.ed25519PublicKey(seeds.ed25519),
      sign: signWith.ed25519(seeds.ed25519),
    },
    {
      name,
      algorithm: 0x06,
      publicKey: portablePrimitives.mlDsaPublicKey(44, seeds.mldsa44),
      sign: signWith.mldsa(44, seeds.mldsa44),
    },
  ]
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice()
  flipped[bit >> 3]! ^= 1 << (bit & 7)
  return flipped
}
