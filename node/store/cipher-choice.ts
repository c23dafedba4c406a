import { createCipheriv } from "node:crypto"
import type { Clock } from "../env.ts"
import type { Cipher } from "./sqlite.ts"

const sample = new Uint8Array(256 * 1024)
const key = new Uint8Array(32)
const nonce = new Uint8Array(12)

/**
 * The cipher for a new database: AEGIS where the processor has AES instructions. Node does not tell,
 * so OpenSSL's AES is raced against its ChaCha20: with the instructions it wins by a factor, without
 * them it loses by one. Takes some milliseconds, once, at `init`.
 */
export function chooseCipher(clock: Pick<Clock, "monotonic">): Cipher {
  return best(clock, "aes-256-gcm") <= best(clock, "chacha20-poly1305") ? "aegis" : "chacha20"
}

/** The best of several: anything else on the machine only makes a run slower. */
function best(clock: Pick<Clock, "monotonic">, cipher: "aes-256-gcm" | "chacha20-poly1305") {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < 6; run++) {
    const start = clock.monotonic()
    createCipheriv(cipher, key, nonce, { authTagLength: 16 } as object).update(sample)
    least = Math.min(least, clock.monotonic() - start)
  }
  return least
}
