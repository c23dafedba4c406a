import { encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { parseCheckpoint } from "./checkpoint-body.ts"
import { findTimestamped } from "./cosigned-message.ts"
import {
  isSignedBy,
  type Note,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  signText,
  type VerifierKey,
  verifierKey,
} from "./note.ts"

export { cosignatureMessage } from "./cosigned-message.ts"

/** A witness as a root document names it: PROTOCOL §1. Counts only with both algorithms. */
export type Witness = {
  readonly name: string
  readonly ed25519: Uint8Array
  readonly mldsa44: Uint8Array
}

/** A witness that counts, and the later of its two timestamps, in seconds. PROTOCOL §7 */
export type CountedWitness = { readonly name: string; readonly timestamp: number }

/** The two keys under which a witness's lines stand. C2SP tlog-cosignature, Format */
export function witnessKeys(witness: Witness): readonly [VerifierKey, VerifierKey] {
  const { name, ed25519, mldsa44 } = witness
  return [verifierKey(name, 0x04, ed25519), verifierKey(name, 0x06, mldsa44)]
}

/**
 * A witness's line for a signed checkpoint that it has found consistent; the timestamp, in seconds,
 * is never omitted (C2SP tlog-witness).
 *
 * @throws `note.malformed`, `checkpoint.malformed`
 */
export async function signCosignature(
  noteText: string,
  timestamp: number,
  signer: NoteSigner,
): Promise<NoteSignature> {
  if (signer.algorithm === 0x01) throw new TypeError("no cosigning algorithm")
  if (timestamp === 0) throw new RangeError("a witness states its time")
  const { text } = parseNote(noteText)
  parseCheckpoint(text)
  return signText(text, signer, timestamp)
}

/**
 * When the key cosigned this checkpoint, in seconds; 0 where an ML-DSA-44 cosigner states no time.
 * C2SP tlog-cosignature
 *
 * @throws `note.malformed`, `checkpoint.malformed`, `vkey.malformed` for no cosigning algorithm,
 * `cosignature.invalid` when the line is missing or does not verify
 */
export function verifyCosignature(
  noteText: string,
  key: VerifierKey,
): { readonly timestamp: number } {
  if (key.algorithm === 0x01) throw new ProtocolError("vkey.malformed")
  const note = parseNote(noteText)
  parseCheckpoint(note.text)
  const timestamp = findCosignature(note, key)
  if (timestamp === null) throw new ProtocolError("cosignature.invalid")
  return { timestamp }
}

function findCosignature(note: Note, key: VerifierKey): number | null {
  const id = encodeHex(key.keyId)
  const line = note.signatures.find(
    ({ name, keyId }) => name === key.name && encodeHex(keyId) === id,
  )
  if (line === undefined || !isSignedBy(key, note.text, line.signature)) return null
  const bytes = key.algorithm === 0x04 ? 64 : 2420
  return findTimestamped(line.signature, bytes)?.timestamp ?? null
}

/**
 * The witnesses whose cosignatures of both algorithms verify and state a time; a failing line only
 * fails to count, since whoever can spoil it could as well leave it out. The log's own signatures are
 * `verifyCheckpoint`'s. PROTOCOL §7
 *
 * @throws `note.malformed`, `checkpoint.malformed`
 */
export function countWitnesses(
  noteText: string,
  witnesses: readonly Witness[],
): readonly CountedWitness[] {
  const note = parseNote(noteText)
  parseCheckpoint(note.text)
  const counted: CountedWitness[] = []
  for (const witness of distinct(witnesses)) {
    const [ed25519, mldsa44] = witnessKeys(witness)
    const first = findCosignature(note, ed25519)
    if (first === null || first === 0) continue
    const second = findCosignature(note, mldsa44)
    if (second === null || second === 0) continue
    counted.push({ name: witness.name, timestamp: Math.max(first, second) })
  }
  return counted
}

/** Before counting: one key or name under two witnesses would be one voice with two votes. */
function distinct(witnesses: readonly Witness[]): readonly Witness[] {
  const seen = new Set<string>()
  return witnesses.filter(({ name, ed25519, mldsa44 }) => {
    const marks = [`name ${name}`, encodeHex(ed25519), encodeHex(mldsa44)]
    const isNew = marks.every((mark) => !seen.has(mark))
    for (const mark of marks) seen.add(mark)
    return isNew
  })
}
