import { ProtocolError } from "../errors.ts"
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from "./checkpoint-body.ts"
import { type CountedWitness, countWitnesses, type Witness, witnessKeys } from "./cosignature.ts"
import {
  formatNote,
  type NoteSignature,
  type NoteSigner,
  openNote,
  parseNote,
  signNote,
  type VerifierKey,
  verifierKey,
} from "./note.ts"

export { type Checkpoint, formatCheckpoint, parseCheckpoint } from "./checkpoint-body.ts"

/** A log's two keys: both sign every checkpoint. PROTOCOL §7 */
export type LogKey = { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }

/** The log whose checkpoint is expected. */
export type ExpectedLog = { readonly origin: string; readonly logKey: LogKey }

/** The two keys under which a log's own lines stand; their name is the origin. PROTOCOL §7 */
export function logVerifierKeys(expected: ExpectedLog): readonly [VerifierKey, VerifierKey] {
  const { origin, logKey } = expected
  return [verifierKey(origin, 0x01, logKey.ed25519), verifierKey(origin, 0x06, logKey.mldsa44)]
}

/** The checkpoint signed by its log, once with each algorithm. PROTOCOL §7, C2SP tlog-checkpoint */
export async function signCheckpoint(
  checkpoint: Checkpoint,
  signers: readonly NoteSigner[],
): Promise<string> {
  const algorithms = signers.map(({ algorithm }) => algorithm).sort()
  if (algorithms.length !== 2 || algorithms[0] !== 0x01 || algorithms[1] !== 0x06)
    throw new TypeError("a log signs with Ed25519 and ML-DSA-44")
  if (signers.some(({ name }) => name !== checkpoint.origin))
    throw new TypeError("a log signs under its origin")
  const text = formatCheckpoint(checkpoint)
  parseCheckpoint(text)
  return signNote(text, signers)
}

/**
 * The checkpoint that this log signed with both algorithms; all lines come back, for the witnesses
 * among them to be counted. PROTOCOL §7
 *
 * @throws `note.malformed`, `checkpoint.malformed`, `checkpoint.origin`, `checkpoint.unverified`
 */
export function verifyCheckpoint(
  noteText: string,
  expected: ExpectedLog,
): { readonly checkpoint: Checkpoint; readonly signatures: readonly NoteSignature[] } {
  const { text, signatures } = parseNote(noteText)
  const checkpoint = parseCheckpoint(text)
  if (checkpoint.origin !== expected.origin) throw new ProtocolError("checkpoint.origin")
  if (!isSignedByBoth(noteText, logVerifierKeys(expected)))
    throw new ProtocolError("checkpoint.unverified")
  return { checkpoint, signatures }
}

/** The note with the log's own lines only, as whoever asks for no witnesses needs it. */
export function ownLines(noteText: string): string {
  const { text, signatures } = parseNote(noteText)
  const { origin } = parseCheckpoint(text)
  return formatNote(
    text,
    signatures.filter(({ name }) => name === origin),
  )
}

function isSignedByBoth(noteText: string, keys: readonly VerifierKey[]): boolean {
  try {
    return openNote(noteText, keys).verified.length === 2
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "note.unverified") return false
    throw error
  }
}

/**
 * For evidence: every line is by the log or a named witness, and verifies. PROTOCOL §10
 *
 * @throws those of `verifyCheckpoint`; `note.unverified` for a line that fails or is nobody's
 */
export function verifyCheckpointStrict(
  noteText: string,
  expected: ExpectedLog & { readonly witnesses: readonly Witness[] },
): { readonly checkpoint: Checkpoint; readonly witnesses: readonly CountedWitness[] } {
  const { checkpoint } = verifyCheckpoint(noteText, expected)
  const keys = [...logVerifierKeys(expected), ...expected.witnesses.flatMap(witnessKeys)]
  if (openNote(noteText, keys).unverified.length > 0) throw new ProtocolError("note.unverified")
  return { checkpoint, witnesses: countWitnesses(noteText, expected.witnesses) }
}
