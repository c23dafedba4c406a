import type { ProtocolError } from "../../protocol/errors.ts"

/** RFC 9457. A peer learns the code, and nothing else of what we know. */
export const problemType = "application/problem+json"

export function problemBody(code: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ type: `urn:comity:error:${code}` }))
}

const statuses: ReadonlyMap<string, number> = new Map([
  ["http.too-large", 413],
  ["http.busy", 429],
  ["frames.too-large", 413],
  ["json.too-large", 413],
  ["feature.unsupported", 422],
])

/** Whatever a peer sent that broke the protocol is its own mistake: never a 5xx. */
export function problemStatus(cause: ProtocolError): number {
  return statuses.get(cause.code) ?? 400
}
