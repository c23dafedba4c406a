const lineFeed = 0x0a

/**
 * Lines as bytes: node:readline also breaks at U+2028, which JSON text may hold. A line of more than
 * `maxBytes` comes as null, and was not kept.
 */
export async function* splitLines(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = []
  let length = 0
  let hasAny = false
  const keep = (part: Uint8Array) => {
    hasAny ||= part.length > 0
    length += part.length
    if (length <= maxBytes) parts.push(part)
    else parts = []
  }
  const take = () => {
    const line = length > maxBytes ? null : Buffer.concat(parts)
    parts = []
    length = 0
    hasAny = false
    return line
  }
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      keep(chunk.subarray(start, end))
      yield take()
      start = end + 1
    }
    keep(chunk.subarray(start))
  }
  if (hasAny) yield take()
}
