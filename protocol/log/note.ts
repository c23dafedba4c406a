import { sha256 } from "../crypto/hash.ts"
import { assertEnrollable, verifyMlDsa, verifyStrict } from "../crypto/sign.ts"
import {
  concat,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  equalBytes,
  utf8,
} from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { findCheckpoint } from "./checkpoint-body.ts"
import {
  cosignatureMessage,
  encodeTimestamped,
  findTimestamped,
  maxCosignedNameBytes,
  subtreeMessage,
} from "./cosigned-message.ts"

/** Ed25519; Ed25519 checkpoint cosignature; ML-DSA-44 checkpoint (co)signature. C2SP signed-note */
export type NoteAlgorithm = 0x01 | 0x04 | 0x06

/** Name and id together tell keys apart; the id alone is short and easily matched. C2SP signed-note */
export type VerifierKey = {
  readonly name: string
  /** 4 bytes */
  readonly keyId: Uint8Array
  readonly algorithm: NoteAlgorithm
  readonly publicKey: Uint8Array
}

/** One signature line. C2SP signed-note, Format */
export type NoteSignature = {
  readonly name: string
  readonly keyId: Uint8Array
  readonly signature: Uint8Array
}

/** A note taken apart, nothing of it believed yet. C2SP signed-note */
export type Note = { readonly text: string; readonly signatures: readonly NoteSignature[] }

/** A key that signs, wherever its private half is kept. */
export type NoteSigner = {
  readonly name: string
  readonly algorithm: NoteAlgorithm
  readonly publicKey: Uint8Array
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
}

const publicKeyBytes = { 1: 32, 4: 32, 6: 1312 } as const

/** SHA-256(name ‖ 0x0a ‖ algorithm ‖ public key), the first four bytes. C2SP signed-note, Signatures */
export function keyId(name: string, algorithm: NoteAlgorithm, publicKey: Uint8Array): Uint8Array {
  return sha256(utf8(`${name}\n`), Uint8Array.of(algorithm), publicKey).slice(0, 4)
}

/** The key under its computed id. @throws TypeError for a name or a length that no note can hold */
export function verifierKey(
  name: string,
  algorithm: NoteAlgorithm,
  publicKey: Uint8Array,
): VerifierKey {
  if (!isKeyName(name, algorithm) || publicKey.length !== publicKeyBytes[algorithm])
    throw new TypeError("no note key")
  return { name, keyId: keyId(name, algorithm, publicKey), algorithm, publicKey }
}

/** `name+hex(id)+base64(algorithm ‖ public key)`. C2SP signed-note, Verifier keys */
export function formatVkey(name: string, algorithm: NoteAlgorithm, publicKey: Uint8Array): string {
  const key = verifierKey(name, algorithm, publicKey)
  const material = concat(Uint8Array.of(algorithm), publicKey)
  return `${name}+${encodeHex(key.keyId)}+${encodeBase64(material)}`
}

/**
 * Enrols the key: a weak one is refused here, once. C2SP signed-note, Verifier keys
 *
 * @throws `vkey.malformed`, also for other algorithms and an id that is not the computed one;
 * `key.weak`, `key.malformed`
 */
export function parseVkey(text: string): VerifierKey {
  const [, name = "", idText = "", base64 = ""] =
    (text.length <= 4096 && /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text)) || []
  const material = findBase64(base64) ?? new Uint8Array(0)
  const algorithm = material[0]
  if (algorithm !== 0x01 && algorithm !== 0x04 && algorithm !== 0x06)
    throw new ProtocolError("vkey.malformed")
  const publicKey = material.slice(1)
  if (!isKeyName(name, algorithm) || publicKey.length !== publicKeyBytes[algorithm])
    throw new ProtocolError("vkey.malformed")
  const key = verifierKey(name, algorithm, publicKey)
  if (!equalBytes(key.keyId, decodeHex(idText))) throw new ProtocolError("vkey.malformed")
  if (algorithm !== 0x06) assertEnrollable(publicKey)
  return key
}

function isKeyName(name: string, algorithm?: NoteAlgorithm): boolean {
  const fits = algorithm !== 0x06 || utf8(name).length <= maxCosignedNameBytes
  return fits && name.isWellFormed() && /^[^\p{White_Space}\0-\x1f+]+$/u.test(name)
}

function findBase64(text: string): Uint8Array | null {
  try {
    return decodeBase64(text)
  } catch {
    return null
  }
}

/**
 * A checkpoint is compared, kept, shown and told on, and each of them reads it for itself: what was read
 * and what was verified a moment ago is remembered, by all that it is made of.
 */
const parsedNotes = new Map<string, Note>()
const notesKept = 16
/** Characters: some eight witnesses sign in them. Longer notes are read anew. */
const longestKept = 32 * 1024
const verifiedLines = new Map<string, true>()
const linesKept = 1024

/** The oldest makes room. */
function remember<T>(kept: Map<string, T>, most: number, name: string, value: T): void {
  if (kept.size >= most) kept.delete(kept.keys().next().value!)
  kept.set(name, value)
}

/**
 * A key that signed twice makes the note ambiguous, so each name and id stands once. C2SP signed-note
 *
 * @throws `note.malformed`
 */
export function parseNote(note: string): Note {
  const known = parsedNotes.get(note)
  if (known !== undefined) return known
  const read = readNote(note)
  if (note.length <= longestKept) remember(parsedNotes, notesKept, note, read)
  return read
}

function readNote(note: string): Note {
  const end = note.lastIndexOf("\n\n")
  if (end < 0 || note.length > limits.noteBytes || !isNoteText(note)) throw malformed("note")
  return { text: note.slice(0, end + 1), signatures: parseSignatures(note.slice(end + 2)) }
}

function isNoteText(text: string): boolean {
  return (
    text.isWellFormed() && !/[\0-\x09\x0b-\x1f]/.test(text) && utf8(text).length <= limits.noteBytes
  )
}

/**
 * Signature lines by themselves: the answer of a C2SP tlog-witness. C2SP signed-note, Signatures
 *
 * @throws `note.malformed`
 */
export function parseSignatures(text: string): readonly NoteSignature[] {
  const lines = text.split("\n", limits.noteSignatures + 2)
  if (lines.length > limits.noteSignatures + 1 || lines.length < 2 || lines.pop() !== "")
    throw malformed("signature lines")
  const signatures = lines.map(parseSignature)
  if (new Set(signatures.map(keyMark)).size !== signatures.length) throw malformed("a key twice")
  return signatures
}

function parseSignature(line: string): NoteSignature {
  const [, name = "", base64 = ""] = /^— ([^ ]+) ([^ ]+)$/.exec(line) ?? []
  const bytes = findBase64(base64)
  if (!isKeyName(name) || bytes === null || bytes.length < 5) throw malformed("signature line")
  return { name, keyId: bytes.slice(0, 4), signature: bytes.slice(4) }
}

/** Name and id of a key, or of a line that claims to be by it, in one text. C2SP signed-note */
export function keyMark(key: { readonly name: string; readonly keyId: Uint8Array }): string {
  return `${key.name}+${encodeHex(key.keyId)}`
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("note.malformed", { detail })
}

/** One line for each signature. C2SP signed-note, Signatures */
export function formatSignatures(signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(
    ({ name, keyId, signature }) => `— ${name} ${encodeBase64(concat(keyId, signature))}\n`,
  )
  return lines.join("")
}

/** @throws `note.malformed` for a text or signatures that would not read back. C2SP signed-note */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const note = `${text}\n${formatSignatures(signatures)}`
  if (parseNote(note).text !== text) throw malformed("text")
  return note
}

/** Whether the signature is by that key over the text, in the manner of its algorithm. C2SP signed-note */
export function isSignedBy(key: VerifierKey, text: string, signature: Uint8Array): boolean {
  const { algorithm, name, publicKey } = key
  const said = utf8(JSON.stringify([algorithm, name, text, publicKey.length]))
  const mark = encodeHex(sha256(said, publicKey, signature))
  if (verifiedLines.has(mark)) return true
  const isSigned = verifySignature(key, text, signature)
  if (isSigned) remember(verifiedLines, linesKept, mark, true)
  return isSigned
}

function verifySignature(key: VerifierKey, text: string, signature: Uint8Array): boolean {
  const { algorithm, publicKey, name } = key
  if (algorithm === 0x01) return verifyStrict(signature, utf8(text), publicKey)
  // The other two are cosignatures, which speak of checkpoints alone.
  const checkpoint = findCheckpoint(text)
  if (checkpoint === null) return false
  if (algorithm === 0x04) {
    const stamped = findTimestamped(signature, 64)
    if (stamped === null) return false
    return verifyStrict(stamped.signature, cosignatureMessage(stamped.timestamp, text), publicKey)
  }
  const stamped = findTimestamped(signature, 2420)
  if (stamped === null || utf8(checkpoint.origin).length > maxCosignedNameBytes) return false
  const message = subtreeMessage(name, stamped.timestamp, checkpoint)
  return verifyMlDsa(44, stamped.signature, message, publicKey)
}

/** What a note says, and which of the given keys say so. C2SP signed-note */
export type OpenedNote = {
  readonly text: string
  /** in the order of the signature lines */
  readonly verified: readonly VerifierKey[]
  /** by keys that were not given: nothing is known of them */
  readonly unverified: readonly NoteSignature[]
}

/**
 * One line by a given key that does not verify refuses the note, as no line by any does. C2SP signed-note
 *
 * @throws `note.malformed`, `note.unverified`, `vkey.malformed` for a key given twice
 */
export function openNote(note: string, keys: readonly VerifierKey[]): OpenedNote {
  const known = new Map(keys.map((key) => [keyMark(key), key]))
  if (known.size !== keys.length) throw new ProtocolError("vkey.malformed", { detail: "twice" })
  const { text, signatures } = parseNote(note)
  const verified: VerifierKey[] = []
  const unverified: NoteSignature[] = []
  for (const line of signatures) {
    const key = known.get(keyMark(line))
    if (key === undefined) unverified.push(line)
    else if (isSignedBy(key, text, line.signature)) verified.push(key)
    else throw new ProtocolError("note.unverified")
  }
  if (verified.length === 0) throw new ProtocolError("note.unverified")
  return { text, verified, unverified }
}

/**
 * The text signed by all signers, in their order. A checkpoint's own log signs with ML-DSA-44 at
 * timestamp 0, which makes no statement about time (C2SP tlog-cosignature); it has no clock to trust.
 *
 * @throws `note.malformed`
 */
export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  const signatures: NoteSignature[] = []
  for (const signer of signers) signatures.push(await signText(text, signer, 0))
  return formatNote(text, signatures)
}

/**
 * One signature over the text; the timestamp is in seconds, and 0 states none. C2SP tlog-cosignature
 *
 * @throws TypeError when the algorithm and the text or timestamp do not go together
 */
export async function signText(
  text: string,
  signer: NoteSigner,
  timestamp: number,
): Promise<NoteSignature> {
  const { name, algorithm, publicKey } = signer
  const { keyId } = verifierKey(name, algorithm, publicKey)
  const message = signedMessage(text, signer, timestamp)
  const signature = await signer.sign(message)
  if (algorithm === 0x01) return { name, keyId, signature }
  return { name, keyId, signature: encodeTimestamped({ timestamp, signature }) }
}

function signedMessage(text: string, signer: NoteSigner, timestamp: number): Uint8Array {
  if (signer.algorithm === 0x01) {
    if (timestamp !== 0) throw new TypeError("a plain signature has no timestamp")
    return utf8(text)
  }
  const checkpoint = findCheckpoint(text)
  if (checkpoint === null) throw new TypeError("a cosignature is over a checkpoint")
  if (signer.algorithm === 0x06) return subtreeMessage(signer.name, timestamp, checkpoint)
  if (timestamp === 0) throw new TypeError("an Ed25519 cosignature has a timestamp")
  return cosignatureMessage(timestamp, text)
}
