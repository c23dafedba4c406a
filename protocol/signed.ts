import { encodeCanonical, ingest, type Json, recode } from "./canonical.ts"
import { sha256 } from "./crypto/hash.ts"
import { concat, decodeBase64url, encodeBase64url, encodeHex, utf8 } from "./encoding.ts"
import { ProtocolError, type ProtocolErrorCode } from "./errors.ts"
import { limits } from "./limits.ts"
import { decodeShape, list, object, type Shape, text } from "./shape.ts"

/**
 * A signed object: JWS (RFC 7515 §7.2.1) in exactly one byte string. docs/spec/signed.md
 * Decoding settles the form only; who may sign is for root, keys, order and receipt to say.
 */
export type Signed<P, H extends SignatureHeader> = {
  readonly bytes: Uint8Array
  /** hex SHA-256 of `bytes`: what a log entry commits to, signatures included */
  readonly digest: string
  readonly payload: P
  readonly payloadBytes: Uint8Array
  readonly signatures: readonly Signature<H>[]
}

export type SignatureHeader = {
  readonly alg: "Ed25519" | "ML-DSA-65"
  readonly kid: string
  readonly typ: string
  readonly network: string
}

export type Signature<H extends SignatureHeader> = {
  readonly header: H
  readonly signature: Uint8Array
  /** the bytes that were signed (RFC 7515 §5.1) */
  readonly input: Uint8Array
}

/** Which payload and header a kind of signed object has, and the code it fails with. */
export type SignedFormat<P extends { readonly network: string }, H extends SignatureHeader> = {
  readonly typ: string
  readonly payload: Shape<P>
  readonly header: Shape<H>
  readonly code: ProtocolErrorCode
  readonly maxBytes?: number
}

const envelopeShape = object({
  payload: text({ min: 1, max: limits.signedBytes }),
  signatures: list(
    object({
      protected: text({ min: 1, max: 16 * 1024 }),
      signature: text({ min: 1, max: 8 * 1024 }),
    }),
    { min: 1, max: limits.signatures },
  ),
})

/**
 * The signed object in `bytes`, whose signatures are not yet verified.
 *
 * @throws the format's code for another payload or header; `signed.malformed` for another envelope;
 * `network.mismatch` when a header names another network than the payload; `json.*`
 */
export function decodeSigned<P extends { readonly network: string }, H extends SignatureHeader>(
  format: SignedFormat<P, H>,
  bytes: Uint8Array,
): Signed<P, H> {
  return decodeSignedValue(format, ingest(bytes, format.maxBytes ?? limits.signedBytes), bytes)
}

/** The same for a signed object that came inside a larger JSON value: its bytes are its JCS form. */
export function decodeSignedValue<
  P extends { readonly network: string },
  H extends SignatureHeader,
>(
  format: SignedFormat<P, H>,
  value: Json,
  bytes: Uint8Array = encodeCanonical(value as object),
): Signed<P, H> {
  const maxBytes = format.maxBytes ?? limits.signedBytes
  if (bytes.length > maxBytes) throw new ProtocolError("json.too-large")
  const envelope = decodeShape(envelopeShape, value, "signed.malformed")
  const payloadBytes = recode("signed.malformed", () => decodeBase64url(envelope.payload))
  const payload = decodeShape(format.payload, ingest(payloadBytes, maxBytes), format.code)
  let previous = ""
  const signatures = envelope.signatures.map((line) => {
    const headerBytes = recode("signed.malformed", () => decodeBase64url(line.protected))
    const header = decodeShape(format.header, ingest(headerBytes, maxBytes), format.code)
    if (header.typ !== format.typ) throw new ProtocolError(format.code, { detail: "typ" })
    if (header.network !== payload.network) throw new ProtocolError("network.mismatch")
    const place = `${header.kid} ${header.alg}`
    // One order, each pair once: the same signatures have one byte string.
    if (place <= previous) throw new ProtocolError("signed.malformed", { detail: "order" })
    previous = place
    const signature = recode("signed.malformed", () => decodeBase64url(line.signature))
    return { header, signature, input: utf8(`${line.protected}.${envelope.payload}`) }
  })
  return { bytes, digest: encodeHex(sha256(bytes)), payload, payloadBytes, signatures }
}

/** One line of a signed object in the making. */
export type SignatureLine = { readonly protected: string; readonly signature: string }

/** Signs one line over `payloadBytes`. `sign` may be a key in memory, an agent or a token. */
export async function signLine(
  header: SignatureHeader,
  payloadBytes: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array | Promise<Uint8Array>,
): Promise<SignatureLine> {
  const protectedText = encodeBase64url(encodeCanonical(header))
  const input = utf8(`${protectedText}.${encodeBase64url(payloadBytes)}`)
  return { protected: protectedText, signature: encodeBase64url(await sign(input)) }
}

/** The one byte string of a payload with these lines, whatever order they came in. */
export function encodeSigned(
  payloadBytes: Uint8Array,
  lines: readonly SignatureLine[],
): Uint8Array {
  const placed = lines.map((line) => {
    const header = JSON.parse(new TextDecoder().decode(decodeBase64url(line.protected)))
    return { place: `${header.kid} ${header.alg}`, line }
  })
  placed.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
  return encodeCanonical({
    payload: encodeBase64url(payloadBytes),
    signatures: placed.map(({ line }) => ({
      protected: line.protected,
      signature: line.signature,
    })),
  })
}

/** The bytes a line of `payloadBytes` signs: for the verifier of a signature not yet assembled. */
export function signingInput(protectedText: string, payloadBytes: Uint8Array): Uint8Array {
  return concat(utf8(`${protectedText}.`), utf8(encodeBase64url(payloadBytes)))
}
