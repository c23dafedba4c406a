import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { signEd25519, signMlDsa } from "../../protocol/crypto/sign.ts"
import { decodeBase64url } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { type Officer, officerDigest, officerShape } from "../../protocol/member/officer.ts"
import { describeLine } from "../../protocol/member/policy.ts"
import {
  decodeRootPayload,
  extendRoots,
  type Member,
  memberId,
  newestRoot,
  payloadDigest,
  type Root,
  verifyRoots,
} from "../../protocol/member/root.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { decodeShape, json, list, literal, object, text } from "../../protocol/shape.ts"
import { encodeSigned, type SignatureLine, signLine } from "../../protocol/signed.ts"
import { NodeError } from "../errors.ts"
import { publicRootKey, type RootPair } from "./found.ts"

/**
 * The side of a root ceremony that needs no node: what a machine with a root key does with a proposal,
 * offline. PROTOCOL.md §1
 */

const proposalShape = object({
  officers: list(officerShape, { max: limits.officers }),
  payload: json,
  roots: list(json, { max: limits.rootVersions }),
  type: literal("comity/root-proposal/v1"),
})
export const maxProposalBytes = 64 * 1024 * 1024

/** A next version that is not signed yet, with the chain that it follows. */
export type Proposal = {
  /** the chain before it; null for version 1 */
  readonly member: Member | null
  readonly memberId: string
  readonly root: Root
  /** what the keys sign */
  readonly payload: Uint8Array
  /** who stands behind the officers' digests that change */
  readonly officers: ReadonlyMap<string, Officer>
}

export function encodeProposal(
  root: Root,
  member: Member | null,
  officers: readonly Officer[],
): Uint8Array {
  const chain = member?.documents ?? []
  return encodeCanonical({
    officers,
    payload: root,
    roots: chain.map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes))),
    type: "comity/root-proposal/v1",
  })
}

/**
 * The form alone: for the member's own node, which has the chain.
 *
 * @throws `root.malformed`, `json.*`
 */
export function decodeProposal(bytes: Uint8Array) {
  const fields = decodeShape(proposalShape, ingest(bytes, maxProposalBytes), "root.malformed")
  const payload = encodeCanonical(fields.payload as object)
  return { ...fields, payload, root: decodeRootPayload(payload) }
}

/**
 * The proposal as the machine of a root key reads it: it trusts the chain, and nothing else of it.
 *
 * @throws `root.malformed`, `root.chain`, `json.*`, and as verifyRoots
 */
export function readProposal(bytes: Uint8Array): Proposal {
  const { roots, payload, root, ...fields } = decodeProposal(bytes)
  const chain = roots.map((one) => encodeCanonical(one as object))
  const member = chain.length === 0 ? null : verifyRoots(chain)
  const before = member === null ? null : newestRoot(member)
  const follows =
    root.version === (before?.payload.version ?? 0) + 1 &&
    root.member === member?.id &&
    root.prev === (before === null ? undefined : payloadDigest(before))
  if (!follows) throw new ProtocolError("root.chain")
  const officers = new Map(fields.officers.map((officer) => [officerDigest(officer), officer]))
  return { member, memberId: member?.id ?? memberId(payload), root, payload, officers }
}

const plainFields = [
  "name",
  "state",
  "kind",
  "network",
  "expires",
  "ceiling",
  "threshold",
  "quorum",
] as const

/** What a proposal changes, a line each, for whoever is asked to sign it. */
export function describeChanges({ member, root, officers }: Proposal): readonly string[] {
  const before = member === null ? null : newestRoot(member).payload
  const lines: string[] = []
  const say = (is: boolean, text: string) => is && lines.push(text)
  for (const name of plainFields) {
    const was = before === null ? "" : `${before[name]} → `
    say(before?.[name] !== root[name], `${name}: ${was}${root[name]}`)
  }
  const officerOf = (digest: string) => {
    const opened = officers.get(digest)
    if (opened === undefined) return digest
    const { person, organisation, roles, key } = opened
    return `${person} as ${roles.join(", ")} (${organisation}), key ${kidOf(key)}`
  }
  const sets: readonly (readonly [string, (root: Root) => readonly string[]])[] = [
    ["officers' keys", (one) => one.officers.map(officerOf)],
    ["profiles", (one) => one.profiles.map((digest) => profileName(digest) ?? digest)],
    ["witnesses", (one) => one.witnesses.map(({ name, member: id }) => `${name} (${id})`)],
    ["root keys", (one) => one.rootKeys.map(kidOf)],
    ["takes over from", (one) => one.succeeds ?? []],
  ]
  for (const [what, of] of sets) {
    const was = before === null ? [] : of(before)
    for (const one of of(root).filter((each) => !was.includes(each)))
      lines.push(`${what}: adds ${one}`)
    for (const one of was.filter((each) => !of(root).includes(each)))
      lines.push(`${what}: removes ${one}`)
  }
  const isMoved = (name: keyof Root) =>
    JSON.stringify(before?.[name]) !== JSON.stringify(root[name])
  if (isMoved("policy"))
    for (const line of root.policy) lines.push(`policy: ${describeLine(line, profileName)}`)
  for (const { kid, from } of root.revoked.slice(before?.revoked.length ?? 0))
    lines.push(`revokes key ${kid} from index ${from.size} of epoch ${from.epoch}`)
  if (before === null) return lines
  say(isMoved("next"), "next root keys: replaced")
  say(isMoved("nodeKey"), "node key: made anew")
  say(isMoved("witnessKey"), "witness key: made anew")
  if (root.survives !== undefined)
    lines.push(
      `new log, epoch ${root.epoch}: of the old one ${root.survives.size} entries survive, root ${root.survives.root}`,
    )
  if (root.closing !== undefined && isMoved("closing"))
    lines.push(
      `CLOSES this member on ${root.closing.day}: from its entry on only withdrawals count`,
      `successor: ${root.closing.successor ?? "none"}`,
    )
  return lines.length === 0 ? ["nothing but the version number"] : lines
}

function profileName(digest: string): string | null {
  return findProfile(digest)?.profile.id ?? null
}

/** Both lines of a root key under a proposal: each counts only with the other. PROTOCOL.md §1 */
export async function signProposal(
  { payload, root }: Pick<Proposal, "payload" | "root">,
  pair: RootPair,
): Promise<readonly [SignatureLine, SignatureLine]> {
  const kid = kidOf(publicRootKey(pair))
  const header = { kid, network: root.network, typ: "comity-root+jws" }
  return [
    await signLine({ alg: "Ed25519", ...header }, payload, (m) => signEd25519(m, pair.ed25519)),
    await signLine({ alg: "ML-DSA-65", ...header }, payload, (m) => signMlDsa(65, m, pair.mldsa65)),
  ]
}

/**
 * The kids that may sign a proposal, and how many of each set must: those of the version before, and
 * those that follow them.
 */
export function signersOf({ member, root }: Proposal): readonly {
  readonly kids: readonly string[]
  readonly threshold: number
}[] {
  const now = { kids: root.rootKeys.map(kidOf), threshold: root.threshold }
  if (member === null) return [now]
  const { rootKeys, threshold } = newestRoot(member).payload
  const before = { kids: rootKeys.map(kidOf), threshold }
  return before.kids.join() === now.kids.join() ? [before] : [before, now]
}

/**
 * Whether enough keys have signed, in words for those who still have to; what their lines are worth,
 * `assembleRoot` says.
 *
 * @throws `root.unsigned`
 */
export function assertEnough(proposal: Proposal, lines: readonly SignatureLine[]): void {
  const signed = new Set(
    lines.map((line) => {
      const header = ingest(decodeBase64url(line.protected), limits.signedBytes)
      return (header as { readonly kid?: unknown }).kid
    }),
  )
  for (const { kids, threshold } of signersOf(proposal)) {
    const missing = kids.filter((kid) => !signed.has(kid)).map((kid) => kid.slice(0, 8))
    const lacks = threshold - (kids.length - missing.length)
    if (lacks > 0)
      throw new NodeError(
        "root.unsigned",
        `Version ${proposal.root.version} of the root document needs ${lacks} more root keys.`,
        { hint: `Any of ${missing.join(", ")} can sign: comity key sign PROPOSAL --key FILE` },
      )
  }
}

const signatureShape = object({
  lines: list(object({ protected: text({ max: 4096 }), signature: text({ max: 8192 }) }), {
    min: 2,
    max: limits.signatures,
  }),
  type: literal("comity/root-signature/v1"),
})

/** The file in which the lines of a root key travel from the machine that has it. */
export function encodeRootSignature(lines: readonly SignatureLine[]): Uint8Array {
  return encodeCanonical({ lines, type: "comity/root-signature/v1" })
}

/** @throws `signed.malformed`, `json.*` */
export function decodeRootSignature(bytes: Uint8Array): readonly SignatureLine[] {
  const value = ingest(bytes, limits.signedBytes)
  return decodeShape(signatureShape, value, "signed.malformed").lines
}

/**
 * The next root document, from a proposal and the lines of enough root keys: whoever has it can hand it to
 * anyone, also when the member's own node does not.
 *
 * @throws `root.threshold`, `root.invalid`, `root.chain`, `signed.*`
 */
export function assembleRoot(
  { member, payload }: Pick<Proposal, "member" | "payload">,
  lines: readonly SignatureLine[],
): { readonly member: Member; readonly document: Uint8Array } {
  // One key may have been brought twice: it counts once.
  const once = new Map(lines.map((line) => [line.protected, line]))
  const document = encodeSigned(payload, [...once.values()])
  const extended = member === null ? verifyRoots([document]) : extendRoots(member, document)
  return { member: extended, document }
}
