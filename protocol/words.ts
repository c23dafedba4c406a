import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import { decodeHex } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"

/**
 * The 12 words (BIP-39, English) of the first 128 bits of a member id: for comparing aloud, never for
 * deciding. PROTOCOL §0
 *
 * @throws `encoding.malformed` if the id is no 32 bytes in hex
 */
export function wordsOf(memberId: string): string {
  const id = decodeHex(memberId)
  if (id.length !== 32) throw new ProtocolError("encoding.malformed", { detail: "member id" })
  return entropyToMnemonic(id.subarray(0, 16), wordlist)
}

/**
 * The 128 bits that 12 words stand for; case and white space do not matter, the checksum does. BIP-39
 *
 * @throws `words.malformed`
 */
export function parseWords(text: string): Uint8Array {
  const words = text.trim().toLowerCase().split(/\s+/)
  if (words.length !== 12) throw new ProtocolError("words.malformed", { detail: "not 12 words" })
  const unknown = words.find((word) => !wordlist.includes(word))
  if (unknown !== undefined) throw new ProtocolError("words.malformed", { detail: unknown })
  try {
    return mnemonicToEntropy(words.join(" "), wordlist)
  } catch (cause) {
    throw new ProtocolError("words.malformed", { cause })
  }
}
