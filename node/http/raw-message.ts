import { utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"

/** An HTTP/1.1 message as it is on the wire, for those who hold one as text. */
export type RawRequest = {
  readonly kind: "request"
  readonly method: string
  /** Origin form: path and query. */
  readonly target: string
  readonly headers: Headers
  readonly body: Uint8Array
}

export type RawResponse = {
  readonly kind: "response"
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

const maxHeadLength = 32 * 1024
const maxFieldLines = 100

/**
 * RFC 9112, strictly: CRLF only, no folding, no transfer coding, one Host in a request, and a
 * Content-Length, if there is one, that is the length.
 *
 * @throws `http.malformed`
 */
export function parseRawMessage(text: string): RawRequest | RawResponse {
  const end = text.indexOf("\r\n\r\n")
  if (end < 0 || end > maxHeadLength) throw malformed("head")
  const [startLine = "", ...lines] = text.slice(0, end).split("\r\n")
  const headers = parseFields(lines)
  const body = utf8(text.slice(end + 4))
  checkFraming(headers, body)

  const response = /^HTTP\/1\.1 ([1-5]\d\d) [\t -~]{0,256}$/.exec(startLine)
  if (response !== null) return { kind: "response", status: Number(response[1]), headers, body }

  const request = /^([A-Z]{1,16}) (\/[!"$-~]{0,8191}) HTTP\/1\.1$/.exec(startLine)
  if (request === null) throw malformed("start line")
  if (!/^[A-Za-z0-9.:[\]-]+$/.test(headers.get("host") ?? "")) throw malformed("host")
  return { kind: "request", method: request[1]!, target: request[2]!, headers, body }
}

/** Path and query, the query with its question mark or empty. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const at = target.indexOf("?")
  return at < 0
    ? { path: target, query: "" }
    : { path: target.slice(0, at), query: target.slice(at) }
}

function parseFields(lines: readonly string[]): Headers {
  if (lines.length > maxFieldLines) throw malformed("fields")
  const headers = new Headers()
  for (const line of lines) {
    // No space before the colon, no line that begins with one: both have smuggled requests.
    const field = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}):[\t ]*([\t -~]*)$/.exec(line)
    if (field === null) throw malformed("field")
    headers.append(field[1]!, field[2]!)
  }
  return headers
}

function checkFraming(headers: Headers, body: Uint8Array): void {
  if (headers.has("transfer-encoding")) throw malformed("transfer-encoding")
  const length = headers.get("content-length")
  if (length !== null && length !== String(body.length)) throw malformed("content-length")
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("http.malformed", { detail })
}
