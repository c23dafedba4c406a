import { sha256 } from "../../protocol/crypto/hash.ts"
import { verifyStrict } from "../../protocol/crypto/sign.ts"
import { decodeBase64, encodeBase64, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import {
  type Fields,
  parseSignatureInput,
  type RequestParts,
  type SignatureInput,
  signatureBase,
} from "./signature-base.ts"

/**
 * The one profile of RFC 9421 that nodes speak (PROTOCOL §11): one signature, labelled `comity`, over
 * exactly these components in this order, with exactly these parameters in this order. Every message
 * carries a content type, with or without a body, and every response a `comity-head`: `-` where there is
 * no feed. A response covers `"signature";req;key="comity"`; that fixes the whole request, because a
 * signature that `verifyStrict` accepts fits one message only, and it carries the request's nonce.
 */
const requestProfile = profile(
  '("@method" "@authority" "@path" "@query" "content-digest" "content-type" "comity-from" "comity-to")',
)
const responseProfile = profile(
  '("@status" "content-type" "comity-head" "signature";req;key="comity" "content-digest")',
)
/** A stream has no digest beforehand; its frames prove themselves. */
const streamProfile = profile(
  '("@status" "content-type" "comity-head" "signature";req;key="comity")',
)

export const framesContentType = "application/vnd.comity.frames"
const defaultContentType = "application/octet-stream"
const noHead = "-"

/** Seconds. */
const lifetime = 300
const allowedSkew = 60

export type Sign = (message: Uint8Array) => Uint8Array | Promise<Uint8Array>

/** What ties an answer to its request. */
export type RequestSignature = {
  /** The `signature` field as sent. */
  readonly signature: string
  readonly nonce: string
}

export type VerifiedRequest = RequestSignature & {
  readonly from: string
  readonly keyid: string
  readonly created: number
  readonly expires: number
}

export type OutgoingRequest = {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: Uint8Array
}

export type RequestSigning = {
  readonly from: string
  readonly to: string
  readonly keyid: string
  readonly sign: Sign
  /** Unix seconds. */
  readonly created: number
  readonly nonce: string
}

/** Sets the covered fields and both signature fields on `request.headers`; the rest must be final. */
export async function signRequest(
  request: OutgoingRequest,
  options: RequestSigning,
): Promise<RequestSignature> {
  const { headers, url } = request
  if (!headers.has("content-type")) headers.set("content-type", defaultContentType)
  headers.set("content-digest", contentDigest(request.body))
  headers.set("comity-from", options.from)
  headers.set("comity-to", options.to)
  const parts: RequestParts = {
    method: request.method,
    authority: url.host,
    path: url.pathname,
    query: url.search,
    headers,
  }
  const input = { ...requestProfile, parameters: formatParameters(options) }
  const signature = await writeSignature(headers, input, signatureBase(parts, input), options.sign)
  return { signature, nonce: options.nonce }
}

export type RequestHead = RequestParts & { readonly headers: Headers }
export type IncomingRequest = RequestHead & { readonly body: Uint8Array }

export type Addressee = {
  /** Unix seconds. */
  readonly now: number
  readonly ownId: string
  /** Lower case, as in `URL.host`. */
  readonly ownAuthorities: readonly string[]
}

export type RequestChecking = Addressee & {
  /** The enrolled key, or null: a stranger, or a key that is not this member's. */
  readonly keyOf: (from: string, keyid: string) => Uint8Array | null
}

/** What a request says of itself: in the profile, in time, for us. Nothing is proven of it yet. */
export type RequestClaim = VerifiedRequest & {
  readonly base: Uint8Array
  readonly signatureBytes: Uint8Array
}

/**
 * Needs no key and no body: what fails here costs nothing.
 *
 * @throws `http.malformed` outside the profile; `http.signature` unsigned, untimely, not for us
 */
export function readRequest(message: RequestHead, options: Addressee): RequestClaim {
  const { headers } = message
  const read = readSignature(headers, requestProfile)
  const from = memberField(headers, "comity-from")
  const to = memberField(headers, "comity-to")
  if (to !== options.ownId) throw refused("comity-to")
  if (!options.ownAuthorities.includes(message.authority.toLowerCase())) throw refused("@authority")
  checkWindow(read, options.now)
  requireSingle(headers, "content-type")
  const base = utf8(signatureBase(message, read.input))
  const { signature, signatureBytes, nonce, keyid, created, expires } = read
  return { from, keyid, nonce, created, expires, signature, signatureBytes, base }
}

/** @throws `http.signature` where it is not by `key`, the enrolled one; null: there is none */
export function verifyClaim(claim: RequestClaim, key: Uint8Array | null): VerifiedRequest {
  checkSignature(claim.base, claim.signatureBytes, key)
  const { from, keyid, nonce, created, expires, signature } = claim
  return { from, keyid, nonce, created, expires, signature }
}

/** The body that the signed digest is of. @throws `http.signature` */
export function verifyBody(headers: Headers, body: Uint8Array): void {
  if (headers.get("content-digest") !== contentDigest(body)) throw refused("content-digest")
}

/**
 * A request that is held whole. Replays are for the caller to stop, by their nonce.
 *
 * @throws `http.malformed` outside the profile; `http.signature` unsigned, untimely, not for us, not by them
 */
export function verifyRequest(message: IncomingRequest, options: RequestChecking): VerifiedRequest {
  const claim = readRequest(message, options)
  const verified = verifyClaim(claim, options.keyOf(claim.from, claim.keyid))
  verifyBody(message.headers, message.body)
  return verified
}

export type OutgoingResponse = {
  readonly status: number
  readonly headers: Headers
  /** Null exactly for a stream of frames. */
  readonly body: Uint8Array | null
}

export type ResponseSigning = {
  readonly request: RequestSignature
  readonly keyid: string
  readonly sign: Sign
  /** Unix seconds. */
  readonly created: number
}

/** As `signRequest`, for the answer to `options.request`. */
export async function signResponse(
  response: OutgoingResponse,
  options: ResponseSigning,
): Promise<void> {
  const { headers, body, status } = response
  if (!headers.has("content-type")) headers.set("content-type", defaultContentType)
  if (!headers.has("comity-head")) headers.set("comity-head", noHead)
  if (isFrames(headers) !== (body === null))
    throw new TypeError("a response has a body unless it is a stream of frames")
  if (body !== null) headers.set("content-digest", contentDigest(body))
  const parameters = formatParameters({ ...options, nonce: options.request.nonce })
  const input = { ...profileFor(headers), parameters }
  const parts = { status, headers, request: requestFields(options.request) }
  await writeSignature(headers, input, signatureBase(parts, input), options.sign)
}

export type IncomingResponse = OutgoingResponse

export type ResponseChecking = {
  readonly request: RequestSignature
  /** Unix seconds. */
  readonly now: number
  readonly keyOf: (keyid: string) => Uint8Array | null
}

export type VerifiedResponse = {
  readonly keyid: string
  readonly created: number
  /** Null where the answer speaks of no feed. */
  readonly head: string | null
}

/** @throws `http.malformed` outside the profile; `http.signature` unsigned, untimely, not to this request */
export function verifyResponse(
  message: IncomingResponse,
  options: ResponseChecking,
): VerifiedResponse {
  const { headers, body, status } = message
  if (isFrames(headers) !== (body === null)) throw malformed("content-type")
  const read = readSignature(headers, profileFor(headers))
  if (read.nonce !== options.request.nonce) throw refused("nonce")
  checkWindow(read, options.now)
  requireSingle(headers, "content-type")
  const parts = { status, headers, request: requestFields(options.request) }
  const base = utf8(signatureBase(parts, read.input))
  checkSignature(base, read.signatureBytes, options.keyOf(read.keyid))
  if (body !== null) verifyBody(headers, body)
  const head = headers.get("comity-head")
  return { keyid: read.keyid, created: read.created, head: head === noHead ? null : head }
}

/** Whether the body is a stream of frames, to be read as it comes. */
export function isFrames(headers: Fields): boolean {
  return headers.get("content-type") === framesContentType
}

function profileFor(headers: Fields): SignatureInput {
  return isFrames(headers) ? streamProfile : responseProfile
}

function profile(list: string): SignatureInput {
  return parseSignatureInput(`comity=${list}`)[0]!
}

function requestFields(request: RequestSignature): { readonly headers: Fields } {
  return { headers: { get: (name) => (name === "signature" ? request.signature : null) } }
}

/** RFC 9530, SHA-256 only. */
function contentDigest(body: Uint8Array): string {
  return `sha-256=:${encodeBase64(sha256(body))}:`
}

function formatParameters(options: {
  readonly created: number
  readonly nonce: string
  readonly keyid: string
}): string {
  const { created, nonce, keyid } = options
  const parameters = `;created=${created};expires=${created + lifetime};nonce="${nonce}";keyid="${keyid}";alg="ed25519";tag="comity-1"`
  if (!parametersPattern.test(parameters)) throw new TypeError("created, nonce or keyid")
  return parameters
}

// One spelling for each value, as RFC 9651 would serialise it.
const parametersPattern =
  /^;created=(0|[1-9]\d{0,11});expires=(0|[1-9]\d{0,11});nonce="([!#-[\]-~]{1,128})";keyid="([!#-[\]-~]{1,128})";alg="ed25519";tag="comity-1"$/
const signaturePattern = /^comity=:([A-Za-z0-9+/]{86}==):$/

type ReadSignature = {
  readonly input: SignatureInput
  readonly signature: string
  readonly signatureBytes: Uint8Array
  readonly created: number
  readonly expires: number
  readonly nonce: string
  readonly keyid: string
}

/** A field that came twice is joined by a comma, and fits none of the patterns here. */
function readSignature(headers: Headers, expected: SignatureInput): ReadSignature {
  const inputText = headers.get("signature-input")
  const signature = headers.get("signature")
  if (inputText === null || signature === null) throw refused("unsigned")
  const [input, second] = parseSignatureInput(inputText)
  if (input === undefined || second !== undefined || input.label !== expected.label)
    throw malformed("signature-input: label")
  if (input.list !== expected.list) throw malformed("signature-input: components")
  const [matched, created, expires, nonce = "", keyid = ""] =
    parametersPattern.exec(input.parameters) ?? []
  if (matched === undefined) throw malformed("signature-input: parameters")
  const encoded = signaturePattern.exec(signature)?.[1]
  if (encoded === undefined) throw malformed("signature")
  const signatureBytes = decodeSignature(encoded)
  const times = { created: Number(created), expires: Number(expires) }
  return { input, signature, signatureBytes, ...times, nonce, keyid }
}

function decodeSignature(encoded: string): Uint8Array {
  try {
    return decodeBase64(encoded)
  } catch (cause) {
    throw new ProtocolError("http.malformed", { detail: "signature", cause })
  }
}

async function writeSignature(
  headers: Headers,
  input: SignatureInput,
  base: string,
  sign: Sign,
): Promise<string> {
  const signature = `${input.label}=:${encodeBase64(await sign(utf8(base)))}:`
  headers.set("signature-input", `${input.label}=${input.list}${input.parameters}`)
  headers.set("signature", signature)
  return signature
}

function memberField(headers: Headers, name: string): string {
  const value = headers.get(name)
  if (value === null || !/^[0-9a-f]{64}$/.test(value)) throw malformed(name)
  return value
}

/** `content-type` has no comma unless it came twice. */
function requireSingle(headers: Headers, name: string): void {
  const value = headers.get(name)
  if (value === null || value.length > 128 || value.includes(",")) throw malformed(name)
}

function checkWindow(read: ReadSignature, now: number): void {
  const { created, expires } = read
  if (expires <= created || expires - created > lifetime) throw refused("window")
  if (created > now + allowedSkew) throw refused("created")
  if (now > expires) throw refused("expires")
}

function checkSignature(base: Uint8Array, signature: Uint8Array, key: Uint8Array | null): void {
  if (key === null) throw refused("keyid")
  if (!verifyStrict(signature, base, key)) throw refused("signature")
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("http.malformed", { detail })
}

function refused(detail: string): ProtocolError {
  return new ProtocolError("http.signature", { detail })
}
