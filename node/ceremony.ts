import { encodeCanonical, ingest } from "../protocol/canonical.ts"
import { signEd25519, signMlDsa } from "../protocol/crypto/sign.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { kidOf } from "../protocol/member/key.ts"
import {
  decodeRootPayload,
  type Member,
  newestRoot,
  payloadDigest,
  type Root,
  verifyRoots,
} from "../protocol/member/root.ts"
import { decodeShape, json, list, literal, object } from "../protocol/shape.ts"
import { type SignatureLine, signLine } from "../protocol/signed.ts"
import { publicRootKey, type RootPair } from "./found.ts"

/**
 * The side of a root ceremony that needs no node: what a machine with a root key does with a proposal,
 * offline. PROTOCOL.md §1
 */

const proposalShape = object({
  payload: json,
  roots: list(json, { min: 1, max: 1024 }),
  type: literal("comity/root-proposal/v1"),
})
const maxProposalBytes = 64 * 1024 * 1024

/** A next version that is not signed yet, with the chain that it follows. */
export type Proposal = {
  readonly member: Member
  readonly root: Root
  /** what the keys sign */
  readonly payload: Uint8Array
}

/**
 * The proposal as the machine of a root key reads it: it trusts the chain, and nothing else of it.
 *
 * @throws `root.malformed`, `root.chain`, `json.*`, and as verifyRoots
 */
export function readProposal(bytes: Uint8Array): Proposal {
  const fields = decodeShape(proposalShape, ingest(bytes, maxProposalBytes), "root.malformed")
  const member = verifyRoots(fields.roots.map((root) => encodeCanonical(root as object)))
  const payload = encodeCanonical(fields.payload as object)
  const root = decodeRootPayload(payload)
  const follows =
    root.member === member.id &&
    root.version === newestRoot(member).payload.version + 1 &&
    root.prev === payloadDigest(newestRoot(member))
  if (!follows) throw new ProtocolError("root.chain")
  return { member, root, payload }
}

/** What a proposal changes, a line each, for whoever is asked to sign it. */
export function describeChanges({ member, root }: Proposal): readonly string[] {
  const before = newestRoot(member).payload
  const lines: string[] = []
  const say = (is: boolean, text: string) => is && lines.push(text)
  const moved = (name: "name" | "state" | "kind" | "expires" | "ceiling" | "quorum") =>
    say(before[name] !== root[name], `${name}: ${before[name]} → ${root[name]}`)
  for (const name of ["name", "state", "kind", "expires", "ceiling", "quorum"] as const) moved(name)
  const sets = [
    ["officers' keys", before.officers, root.officers],
    ["profiles", before.profiles, root.profiles],
    ["witnesses", before.witnesses.map(nameOf), root.witnesses.map(nameOf)],
    ["root keys", before.rootKeys.map(kidOf), root.rootKeys.map(kidOf)],
  ] as const
  for (const [what, was, is] of sets) {
    const added = is.filter((one) => !was.includes(one))
    const removed = was.filter((one) => !is.includes(one))
    for (const one of added) lines.push(`${what}: adds ${one}`)
    for (const one of removed) lines.push(`${what}: removes ${one}`)
  }
  say(before.threshold !== root.threshold, `threshold: ${before.threshold} → ${root.threshold}`)
  say(before.next !== root.next, "next root keys: replaced")
  say(
    JSON.stringify(before.policy) !== JSON.stringify(root.policy),
    `policy: ${root.policy.map((line) => `${line.persons} as ${line.role} for ${line.act}, ${line.profile}, ${line.kind}${line.when === undefined ? "" : ` when ${line.when}`}`).join("; ")}`,
  )
  for (const { kid, from } of root.revoked.slice(before.revoked.length))
    lines.push(`revokes key ${kid} from index ${from.size} of epoch ${from.epoch}`)
  say(kidOf(before.nodeKey) !== kidOf(root.nodeKey), "node key: made anew")
  say(before.witnessKey.ed25519 !== root.witnessKey.ed25519, "witness key: made anew")
  if (root.survives !== undefined)
    lines.push(
      `new log, epoch ${root.epoch}: of the old one ${root.survives.size} entries survive, root ${root.survives.root}`,
    )
  if (root.closing !== undefined)
    lines.push(
      `CLOSES this member on ${root.closing.day}${root.closing.successor === undefined ? "" : `; successor ${root.closing.successor}`}`,
    )
  return lines.length === 0 ? ["nothing but the version number"] : lines
}

function nameOf({ name, member }: Root["witnesses"][number]): string {
  return `${name} (${member})`
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
