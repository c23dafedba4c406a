import { xchachaOpen, xchachaSeal } from "../../protocol/crypto/aead.ts"
import { hpkeSetupRecipient, hpkeSetupSender, kemSizes } from "../../protocol/crypto/kem.ts"
import { concat, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"

/**
 * A few bytes sealed to one X-Wing key, as a parcel is: HPKE for its secret, XChaCha20-Poly1305 for the
 * bytes. `info` says what they are for, and binds them to it.
 */

const exportContext = utf8("comity/sealed-to/v1")
const nonceBytes = 24

export async function sealTo(
  publicKey: Uint8Array,
  info: Uint8Array,
  plaintext: Uint8Array,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const context = await hpkeSetupSender(publicKey, info, random(kemSizes.coins))
  const secret = await context.export(exportContext, 32)
  const nonce = random(nonceBytes)
  return concat(context.enc, nonce, xchachaSeal(secret, nonce, plaintext, context.enc))
}

/** Null for what is not sealed to this key, or for something else. */
export async function openSealedTo(
  seed: Uint8Array,
  info: Uint8Array,
  sealed: Uint8Array,
): Promise<Uint8Array | null> {
  const enc = sealed.subarray(0, kemSizes.ciphertext)
  const nonce = sealed.subarray(enc.length, enc.length + nonceBytes)
  if (sealed.length <= enc.length + nonceBytes) return null
  try {
    const context = await hpkeSetupRecipient(enc, seed, info)
    const secret = await context.export(exportContext, 32)
    return xchachaOpen(secret, nonce, sealed.subarray(enc.length + nonceBytes), enc)
  } catch (cause) {
    if (cause instanceof ProtocolError && cause.code === "kem.malformed") return null
    throw cause
  }
}
