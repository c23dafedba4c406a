import { concat } from "../encoding.ts"
import { type Detached, primitives } from "./primitives.ts"
import { requireBytes } from "./require-bytes.ts"

/** XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03), the tag behind the ciphertext. */
export function xchachaSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  const { ciphertext, tag } = xchachaDetached(key, nonce, plaintext, aad)
  return concat(ciphertext, tag)
}

/** The same, not yet put together: a parcel is large. PROTOCOL §8 */
export function xchachaDetached(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Detached {
  requireBytes("key", key, 32)
  requireBytes("nonce", nonce, 24)
  requireBytes("plaintext", plaintext)
  requireBytes("aad", aad)
  return primitives().xchacha20Poly1305Seal(key, nonce, plaintext, aad)
}

/** Null when the ciphertext (with its tag) does not open. draft-irtf-cfrg-xchacha-03 */
export function xchachaOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): Uint8Array | null {
  requireBytes("key", key, 32)
  requireBytes("nonce", nonce, 24)
  requireBytes("ciphertext", ciphertext)
  requireBytes("aad", aad)
  if (ciphertext.length < 16) return null
  return primitives().xchacha20Poly1305Open(key, nonce, ciphertext, aad)
}

/** ChaCha20-Poly1305 (RFC 8439), the tag behind the ciphertext. */
export function chachaSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Uint8Array {
  const { ciphertext, tag } = chachaDetached(key, nonce, plaintext, aad)
  return concat(ciphertext, tag)
}

/** The same, not yet put together; the chunks of sealed objects, PROTOCOL §3. */
export function chachaDetached(
  key: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): Detached {
  requireBytes("key", key, 32)
  requireBytes("nonce", nonce, 12)
  return primitives().chacha20Poly1305Seal(key, nonce, plaintext, aad)
}

/** Null when the ciphertext (with its tag) does not open. RFC 8439 */
export function chachaOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  aad: Uint8Array,
): Uint8Array | null {
  requireBytes("key", key, 32)
  requireBytes("nonce", nonce, 12)
  if (ciphertext.length < 16) return null
  return primitives().chacha20Poly1305Open(key, nonce, ciphertext, aad)
}
