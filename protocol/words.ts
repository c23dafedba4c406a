import { entropyToMnemonic, mnemonicToEntropy } from "@scure/bip39"
import { wordlist as english } from "@scure/bip39/wordlists/english.js"
import { decodeHex } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"

/**
 * The 12 words (BIP-39, English) of the first 128 bits of a member id: for comparing aloud, never for
 * deciding. PROTOCOL §0
 *
 * @throws `encoding.malformed` if the id is no 32 bytes in hex
 */
export function wordsOf(memberId: string): string {
  return entropyToMnemonic(comparedBits(memberId), english)
}

/**
 * The 128 bits that 12 words stand for; case and white space do not matter, the checksum does. BIP-39
 *
 * @throws `words.malformed`
 */
export function parseWords(text: string): Uint8Array {
  const words = twelve(text)
  const unknown = words.find((word) => !english.includes(word))
  if (unknown !== undefined) throw new ProtocolError("words.malformed", { detail: unknown })
  return readIn(english, words)
}

/** BIP-39's lists beside the English one: loaded when somebody asks for them. */
const otherLists = {
  cs: () => import("@scure/bip39/wordlists/czech.js"),
  es: () => import("@scure/bip39/wordlists/spanish.js"),
  fr: () => import("@scure/bip39/wordlists/french.js"),
  it: () => import("@scure/bip39/wordlists/italian.js"),
  ja: () => import("@scure/bip39/wordlists/japanese.js"),
  ko: () => import("@scure/bip39/wordlists/korean.js"),
  pt: () => import("@scure/bip39/wordlists/portuguese.js"),
  "zh-Hans": () => import("@scure/bip39/wordlists/simplified-chinese.js"),
  "zh-Hant": () => import("@scure/bip39/wordlists/traditional-chinese.js"),
} as const

/** How the same 128 bits can be read out: ten languages, and digits for scripts without a list. */
export const wordLanguages = ["en", ...(Object.keys(otherLists) as OtherLanguage[]), "digits"]
type OtherLanguage = keyof typeof otherLists

/**
 * The same in another language, or as 39 digits.
 *
 * @throws `words.malformed` for a language that has no list
 */
export async function wordsIn(memberId: string, language: string): Promise<string> {
  if (language === "en") return wordsOf(memberId)
  if (language === "digits") return digitsOf(comparedBits(memberId))
  if (!Object.hasOwn(otherLists, language))
    throw new ProtocolError("words.malformed", { detail: `no list for ${language}` })
  const { wordlist } = await otherLists[language as OtherLanguage]()
  return entropyToMnemonic(comparedBits(memberId), wordlist)
}

/**
 * What 12 words of any of the ten languages, or 39 digits, stand for. Lists share words (the Chinese ones
 * most): then there are several readings, and whoever compares takes any of them.
 *
 * @throws `words.malformed` when there is none
 */
export async function readWords(text: string): Promise<readonly Uint8Array[]> {
  const digits = text.replace(/[\s·.-]/g, "")
  if (/^\d+$/.test(digits)) return [readDigits(digits)]
  const words = twelve(text.normalize("NFKD"))
  const readings: Uint8Array[] = []
  const lists = [english]
  for (const load of Object.values(otherLists)) lists.push((await load()).wordlist)
  // Whoever reads a list in builds an index of its 2,048 words: most are ruled out by the first word.
  for (const list of lists.filter((all) => words.every((word) => all.includes(word))))
    try {
      readings.push(readIn(list, words))
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
    }
  if (readings.length === 0) throw new ProtocolError("words.malformed")
  return readings
}

function comparedBits(memberId: string): Uint8Array {
  const id = decodeHex(memberId)
  if (id.length !== 32) throw new ProtocolError("encoding.malformed", { detail: "member id" })
  return id.subarray(0, 16)
}

function twelve(text: string): readonly string[] {
  const words = text.trim().toLowerCase().split(/\s+/)
  if (words.length !== 12) throw new ProtocolError("words.malformed", { detail: "not 12 words" })
  return words
}

function readIn(list: string[], words: readonly string[]): Uint8Array {
  try {
    return mnemonicToEntropy(words.join(" "), list)
  } catch (cause) {
    throw new ProtocolError("words.malformed", { cause })
  }
}

/** 2¹²⁸ has 39 decimal digits; in groups of five to be read aloud. */
const digitCount = 39

function digitsOf(bits: Uint8Array): string {
  const value = bits.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  return value
    .toString()
    .padStart(digitCount, "0")
    .match(/\d{1,5}/g)!
    .join(" ")
}

function readDigits(digits: string): Uint8Array {
  const value = digits.length === digitCount ? BigInt(digits) : 1n << 128n
  if (value >> 128n !== 0n) throw new ProtocolError("words.malformed", { detail: "39 digits" })
  return Uint8Array.from({ length: 16 }, (_, i) => Number((value >> BigInt(8 * (15 - i))) & 0xffn))
}
