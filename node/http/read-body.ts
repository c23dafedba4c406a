import { concat } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"

/** A whole body of at most `maxBytes`. @throws `http.too-large` */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0)
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    // Leaving the loop cancels the stream: nothing more is read.
    if (length > maxBytes) throw new ProtocolError("http.too-large")
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : concat(...chunks)
}
