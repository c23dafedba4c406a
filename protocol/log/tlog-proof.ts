import { decodeBase64, encodeBase64, encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { findCheckpoint, parseCheckpoint } from "./checkpoint-body.ts"
import { checkInclusion } from "./merkle.ts"
import { type OpenedNote, openNote, parseNote, type VerifierKey } from "./note.ts"
import { isQuorate, type WitnessPolicy } from "./witness-policy.ts"

const header = "c2sp.org/tlog-proof@v1"

/** That an entry is in a log and that its witnesses saw it, in one text. C2SP tlog-proof */
export type TlogProof = {
  /** Authenticated by nothing; absent when empty. */
  readonly extra?: Uint8Array
  readonly index: number
  /** the leaf's sibling first */
  readonly proof: readonly Uint8Array[]
  /** the signed checkpoint, verbatim */
  readonly checkpoint: string
}

/** C2SP tlog-proof, Format. */
export function formatTlogProof(tlogProof: TlogProof): string {
  const { extra, index, proof, checkpoint } = tlogProof
  const extraLine = extra === undefined ? "" : `extra ${encodeBase64(extra)}\n`
  const proofLines = proof.map((hash) => `${encodeBase64(hash)}\n`).join("")
  return `${header}\n${extraLine}index ${index}\n${proofLines}\n${checkpoint}`
}

/**
 * The form alone: nothing is verified. C2SP tlog-proof, Format
 *
 * @throws `tlogproof.malformed`, also for what stands in place of a signed checkpoint
 */
export function parseTlogProof(text: string): TlogProof {
  if (text.length > limits.noteBytes) throw malformed("too large")
  const end = text.indexOf("\n\n")
  const lines = text.slice(0, Math.max(end, 0)).split("\n")
  if (lines.length > 3 + limits.proofLines) throw malformed("too many lines")
  const [, extraText] = /^extra (.+)$/.exec(lines[1] ?? "") ?? []
  const [indexLine = "", ...proofLines] = lines.slice(extraText === undefined ? 1 : 2)
  const tlogProof: TlogProof = {
    ...(extraText !== undefined && { extra: base64(extraText) }),
    index: Number(indexLine.slice("index ".length)),
    proof: proofLines.map(base64),
    checkpoint: text.slice(end + 2),
  }
  const isSane =
    Number.isSafeInteger(tlogProof.index) &&
    tlogProof.index >= 0 &&
    tlogProof.proof.every((hash) => hash.length === 32) &&
    proofLines.length <= limits.proofLines &&
    isCheckpointNote(tlogProof.checkpoint)
  if (!isSane || formatTlogProof(tlogProof) !== text) throw malformed("form")
  return tlogProof
}

function isCheckpointNote(text: string): boolean {
  try {
    return findCheckpoint(parseNote(text).text) !== null
  } catch (error) {
    if (error instanceof ProtocolError) return false
    throw error
  }
}

function base64(text: string): Uint8Array {
  try {
    return decodeBase64(text)
  } catch (cause) {
    throw new ProtocolError("tlogproof.malformed", { detail: "base64", cause })
  }
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("tlogproof.malformed", { detail })
}

/**
 * Whether a log of the policy has the leaf, under a checkpoint that the policy's quorum cosigned. A
 * line by a key of the policy that fails refuses the whole. C2SP tlog-proof, Verifying a tlog proof
 *
 * @throws `tlogproof.malformed`
 */
export function verifyTlogProof(
  text: string,
  leafHash: Uint8Array,
  policy: WitnessPolicy,
): boolean {
  const { index, proof, checkpoint: note } = parseTlogProof(text)
  const checkpoint = findCheckpoint(parseNote(note).text)
  if (checkpoint === null) return false
  const { size: treeSize, root } = checkpoint
  if (!checkInclusion({ leafIndex: index, treeSize, leafHash, root, proof })) return false

  const signed = signersUnder(note, policy)
  return signed?.isByLog === true && isQuorate(policy, signed.witnesses)
}

/**
 * Who of a policy has signed a checkpoint: a log of its origin, and witnesses by their names in the
 * policy. Null where a line by any key of the policy fails, or none is by one. C2SP tlog-policy
 *
 * @throws `note.malformed`, `checkpoint.malformed`
 */
export function signersUnder(
  note: string,
  policy: WitnessPolicy,
): { readonly isByLog: boolean; readonly witnesses: ReadonlySet<string> } | null {
  const { origin } = parseCheckpoint(parseNote(note).text)
  const logs = keyMap(policy.logs.map(({ key }) => key).filter(({ name }) => name === origin))
  const witnesses = keyMap(policy.witnesses.map(({ key }) => key))
  const verified = verifiedKeys(note, [...new Map([...logs, ...witnesses]).values()])
  if (verified === null) return null
  const cosigned = policy.witnesses.filter(({ key }) => verified.has(mark(key)))
  return {
    isByLog: [...logs.keys()].some((key) => verified.has(key)),
    witnesses: new Set(cosigned.map(({ name }) => name)),
  }
}

function verifiedKeys(note: string, keys: readonly VerifierKey[]): ReadonlySet<string> | null {
  let opened: OpenedNote
  try {
    opened = openNote(note, keys)
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "note.unverified") return null
    throw error
  }
  return new Set(opened.verified.map(mark))
}

function keyMap(keys: readonly VerifierKey[]): ReadonlyMap<string, VerifierKey> {
  return new Map(keys.map((key) => [mark(key), key]))
}

function mark(key: VerifierKey): string {
  return `${key.algorithm} ${encodeHex(key.publicKey)} ${key.name}`
}
