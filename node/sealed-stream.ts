import sodium from "libsodium-wrappers"
import { concat } from "../protocol/encoding.ts"

/**
 * Bytes of any length under one key, chunk by chunk: libsodium's secretstream (XChaCha20-Poly1305), which
 * shows a chunk that was changed, moved or left out, and an end that is not the end. For files of our own.
 */
const chunkBytes = 64 * 1024

export async function* sealStream(
  key: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { state, header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key)
  yield header
  const push = (chunk: Uint8Array, isLast: boolean) =>
    sodium.crypto_secretstream_xchacha20poly1305_push(
      state,
      chunk,
      null,
      isLast
        ? sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
        : sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
    )
  let held: Uint8Array = new Uint8Array(0)
  for await (const chunk of inChunks(source, chunkBytes)) {
    if (held.length > 0) yield push(held, false)
    held = chunk
  }
  yield push(held, true)
}

/** Null in place of what does not open: nothing after it may be used, nor anything before it trusted. */
export async function* openStream(
  key: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array | null> {
  const headerBytes = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
  const sealedBytes = chunkBytes + sodium.crypto_secretstream_xchacha20poly1305_ABYTES
  let state: ReturnType<typeof sodium.crypto_secretstream_xchacha20poly1305_init_pull> | null = null
  let isEnded = false
  for await (const chunk of inChunks(source, sealedBytes, headerBytes)) {
    if (state === null) {
      if (chunk.length !== headerBytes) break
      state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(chunk, key)
      continue
    }
    const opened: ReturnType<typeof pull> | false = isEnded ? false : pull(state, chunk)
    if (opened === false) return yield null
    isEnded = opened.tag === sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
    yield opened.message
  }
  if (!isEnded) yield null
}

function pull(
  state: ReturnType<typeof sodium.crypto_secretstream_xchacha20poly1305_init_pull>,
  chunk: Uint8Array,
) {
  return sodium.crypto_secretstream_xchacha20poly1305_pull(state, chunk, null)
}

/** The same bytes in chunks of one size, the last one shorter; the first of another size if asked for. */
export async function* inChunks(
  source: AsyncIterable<Uint8Array>,
  size: number,
  first: number = size,
): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  let heldBytes = 0
  let wanted = first
  for await (const bytes of source) {
    held.push(bytes)
    heldBytes += bytes.length
    if (heldBytes < wanted) continue
    let all = concat(...held)
    while (all.length >= wanted) {
      yield all.slice(0, wanted)
      all = all.subarray(wanted)
      wanted = size
    }
    held = all.length === 0 ? [] : [all.slice()]
    heldBytes = all.length
  }
  if (heldBytes > 0) yield concat(...held)
}
