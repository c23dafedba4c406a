import { encodeCanonical, ingest } from "./canonical.ts"
import {
  type Custody,
  chainBehind,
  decodeLinkValue,
  decodeShown,
  type Link,
  linksPerChain,
  type ProvenLink,
  type Shown,
  shownFields,
  verifyCustody,
} from "./custody.ts"
import { decodeHex, equalBytes } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"
import { limits } from "./limits.ts"
import { signersUnder } from "./log/tlog-proof.ts"
import { isQuorate, quorumMembers, type WitnessPolicy } from "./log/witness-policy.ts"
import { newestRoot, type Root } from "./member/root.ts"
import { objectBytes, verifyProven } from "./proven.ts"
import { describeWitnessing } from "./quorum.ts"
import type { ComityRecord } from "./record/record.ts"
import type { Agreed } from "./release/consent.ts"
import { everybody } from "./release/grant.ts"
import { decodeShape, json, list, object, optional, type ShapeOf } from "./shape.ts"
import { type Holder, type Standing, type Step, verifyOrder, verifyRelease } from "./verify.ts"
import { parseWords, readWords } from "./words.ts"

/** One file that verifies offline against pinned members. docs/spec/evidence.md, PROTOCOL.md §10 */
const evidenceShape = object({
  ...shownFields,
  custody: list(json, { max: linksPerChain }),
  record: optional(json),
})
type Fields = ShapeOf<typeof evidenceShape>
export type EvidenceFields = Omit<Fields, "type" | "consents" | "custody"> &
  Partial<Pick<Fields, "consents" | "custody">>

export type Evidence = Shown & {
  /** the record's way to the member whose release this is, its origin's own release first */
  readonly chain: readonly Link[]
  /** JCS form */
  readonly record: Uint8Array
}

export function encodeEvidence(fields: EvidenceFields): Uint8Array {
  return encodeCanonical({
    consents: [],
    custody: [],
    ...fields,
    type: "comity/evidence/v1",
  })
}

/**
 * The form alone.
 *
 * @throws `evidence.malformed`, `json.*`, and those of its parts; `custody.malformed`, `feature.unsupported`
 * for evidence without its record
 */
export function decodeEvidence(bytes: Uint8Array): Evidence {
  const value = ingest(bytes, limits.evidenceBytes)
  const fields = decodeShape(evidenceShape, value, "evidence.malformed")
  if (fields.record === undefined)
    throw new ProtocolError("feature.unsupported", { detail: "evidence without its record" })
  const shown = decodeShown(fields, "evidence.malformed")
  const links = fields.custody.map(decodeLinkValue)
  const chain = chainBehind(shown.placed.grant, new Map(links.map((link) => [link.digest, link])))
  // In their order, each once, and none beside them.
  if (chain.map(({ digest }) => digest).join() !== links.map(({ digest }) => digest).join())
    throw new ProtocolError("evidence.malformed", { detail: "custody" })
  return { ...shown, chain, record: objectBytes(fields.record, "evidence.malformed") }
}

/** A member that the reader trusts to be who it is: a whole id, or the 128 bits of its 12 words. */
export type Pin = { readonly id: string } | { readonly words: Uint8Array }

/** 64 hex digits or 12 words. @throws `words.malformed` */
export function parsePin(pin: string): Pin {
  const trimmed = pin.trim()
  return /^[0-9a-f]{64}$/.test(trimmed) ? { id: trimmed } : { words: parseWords(trimmed) }
}

/** The same for words of any of the ten languages, or digits: every reading is pinned. @throws `words.malformed` */
export async function readPin(pin: string): Promise<readonly Pin[]> {
  const trimmed = pin.trim()
  if (/^[0-9a-f]{64}$/.test(trimmed)) return [{ id: trimmed }]
  return (await readWords(trimmed)).map((words) => ({ words }))
}

function isPinned(member: string, pins: readonly Pin[]): boolean {
  return pins.some((pin) =>
    "id" in pin
      ? pin.id === member
      : equalBytes(pin.words, decodeHex(member).subarray(0, pin.words.length)),
  )
}

export type Verdict = {
  readonly verdict: "verified" | "pending" | "failed"
  /** what it rests on, in words */
  readonly ground: readonly string[]
  readonly steps: readonly Step[]
  readonly code?: ProtocolError["code"]
  /** member id and record, once known to be genuine */
  readonly origin?: string
  readonly record?: ComityRecord
  readonly standing?: Standing
}

const stepNames = [
  "form and sender",
  "grant",
  "log",
  "root document in force",
  "officers",
  "precedence",
  "content",
  "record",
  // Only where they are required.
  "witnesses",
] as const

export type EvidenceOptions = {
  /** fail where the origin names no witnesses or their quorum is missing */
  readonly requireWitnesses?: boolean
  /** witnesses that the reader pinned himself: fail where their quorum is missing */
  readonly policy?: WitnessPolicy
}

/** The verdict on an evidence file, without node or network. Never throws for what the file holds. */
export function verifyEvidence(
  bytes: Uint8Array,
  pins: readonly Pin[],
  options: EvidenceOptions = {},
): Verdict {
  const steps: Step[] = []
  try {
    const evidence = decodeEvidence(bytes)
    const { proven, placed, consents } = evidence
    const { logged, witnessing, note } = verifyProven(proven, "evidence.malformed")
    const { origin } = logged
    // It is the record's origin that a reader has to know; whoever passed it on is named by that.
    const author = evidence.chain[0]?.proven.order.payload.origin ?? origin.id
    if (!isPinned(author, pins)) throw new ProtocolError("evidence.pin", { detail: author })
    const seen = describeWitnessing(witnessing)
    const report = (step: number, text: string) =>
      void steps.push({ step, ok: true, text: step === 3 ? `${text}; ${seen}` : text })
    const newest = newestRoot(origin).payload
    const entry = { index: logged.places[0]!, salt: proven.salt }
    const claim = { order: proven.order, entry, grants: [placed], consents }
    const holder = readerOf(evidence, newest)
    const standing = verifyOrder(claim, logged, holder, report)
    if (Math.max(standing.root.version, witnessing.root.version) !== newest.version)
      throw new ProtocolError("evidence.malformed", { detail: "superfluous root version" })
    const content = { plaintext: evidence.record }
    const custody =
      placed.grant.custody === undefined
        ? null
        : verifyCustody(evidence.chain, placed, origin.id, holder)
    const { record } = verifyRelease(standing, placed, [], content, holder, report, custody)
    const orders = [{ standing, witnessing }, ...(custody ?? [])]
    const all = orders.flatMap((one) => [
      one.witnessing,
      ...one.standing.consents.map((consent) => consent.witnessing),
    ])
    const isBare = all.some(({ root, isQuorate }) => root.quorum === 0 || !isQuorate)
    if (options.requireWitnesses && isBare) throw new ProtocolError("evidence.witnesses")
    const pinned = options.policy === undefined ? [] : verifyPolicy(note, options.policy)
    return {
      verdict: all.every(({ isQuorate }) => isQuorate) ? "verified" : "pending",
      ground: groundOf(standing, evidence, newest, seen, pinned, pins, custody),
      steps,
      origin: author,
      record,
      standing,
    }
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    const step = Math.min(steps.length + 1, stepNames.length)
    const failed = {
      step,
      ok: false,
      code: cause.code,
      text: `${stepNames[step - 1]}: ${cause.message}`,
    }
    return { verdict: "failed", ground: [], steps: [...steps, failed], code: cause.code }
  }
}

/**
 * Who of the reader's own witnesses cosigned. Which log it is, the root documents have said already: a
 * policy that names logs must name it too. @throws `evidence.witnesses`
 */
function verifyPolicy(note: string, policy: WitnessPolicy): readonly string[] {
  const signed = signersUnder(note, policy)
  const cosigned = signed?.witnesses ?? new Set<string>()
  const isTheLog = policy.logs.length === 0 || signed?.isByLog === true
  if (!isTheLog || !isQuorate(policy, cosigned))
    throw new ProtocolError("evidence.witnesses", { detail: "that you pinned" })
  return policy.quorum === "none" ? [] : quorumMembers(policy, cosigned)
}

/** Whoever reads the file: the profile is the one it brings, the rest is the origin's own. */
function readerOf({ profile }: Evidence, root: Root): Holder {
  return {
    network: root.network,
    recipient: null,
    ceiling: null,
    profiles: null,
    mapMarking: null,
    kind: null,
    localMark: () => null,
    profile: (wanted) => (wanted === profile.digest ? profile.profile : null),
    members: new Map(),
    takenBack: new Set(),
  }
}

function groundOf(
  { approvals, root, index, consents }: Standing,
  evidence: Evidence,
  newest: Root,
  witnessing: string,
  pinned: readonly string[],
  pins: readonly Pin[],
  custody: Custody | null,
): readonly string[] {
  const { order } = evidence.proven
  const { placed, profile } = evidence
  const disclaimer = profile.profile.comparison?.disclaimer
  const { name, version, network, state } = root
  const who = `${name} (${state}, ${order.payload.origin})`
  const known =
    newest.version === version
      ? "the newest in this file"
      : `where version ${newest.version} is the newest in this file`
  return [
    ...(network === "operational" ? [] : [`network ${network}: not operational`]),
    ...(custody ?? []).map((one) => groundOfLink(one, pins)),
    `authorised by ${approvals.length} officers of ${who}, ${knownBy(order.payload.origin, pins)}, under root version ${version}, ${known}`,
    ...consents.map((one) => groundOfConsent(one, pins)),
    placed.grant.recipient === everybody
      ? "released to everybody: it can be marked withdrawn, not recalled"
      : `released to member ${placed.grant.recipient}`,
    witnessing,
    ...(pinned.length === 0 ? [] : [`witnessed by ${pinned.join(", ")} that you pinned yourself`]),
    `logged at index ${index}; withdrawal since is not excluded`,
    ...(disclaimer === undefined ? [] : [disclaimer]),
  ]
}

function groundOfConsent(
  { member, mode, root, silent, witnessing }: Agreed,
  pins: readonly Pin[],
): string {
  const seen = describeWitnessing(witnessing)
  const until = silent === null ? "" : ` before ${silent.from}`
  const how = {
    explicit: "consented to",
    standing: "consented to by memorandum",
    tacit: `not objected to${until}, as agreed beforehand,`,
  }[mode]
  return `${how} by ${root.name} (${root.state}, ${member}), ${knownBy(member, pins)}; ${seen}`
}

function groundOfLink({ link, standing, witnessing }: ProvenLink, pins: readonly Pin[]): string {
  const { name, state } = standing.root
  const { origin } = standing.order
  const seen = describeWitnessing(witnessing)
  const to = link.placed.grant.recipient
  return `released by ${name} (${state}, ${origin}), ${knownBy(origin, pins)}, to ${to}, who may pass it on; ${seen}`
}

function knownBy(member: string, pins: readonly Pin[]): string {
  return isPinned(member, pins) ? "pinned by you" : "named by this file only"
}
