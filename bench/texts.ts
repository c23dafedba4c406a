import { buildRecord, parseDraft } from "../node/order/draft.ts"
import { encodeRecord } from "../protocol/record/record.ts"

/** Records for measuring: about 1.9 KB of JCS each, words as unevenly frequent as real ones (Zipf). */

const syllables =
  "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dro fli gra".split(" ")
const vocabularySize = 8_000
const bodyCharacters = 1_420

/** Marsaglia's xorshift32: the same seed gives the same records on every machine. */
export function seededNumbers(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const vocabulary: readonly string[] = Array.from({ length: vocabularySize }, (_, rank) => {
  let [word, rest] = ["", rank]
  do {
    word += syllables[rest % syllables.length]
    rest = Math.floor(rest / syllables.length)
  } while (rest > 0)
  // Two syllables at least, so that no word is a part of speech that an index would skip.
  return word.length < 4 ? `${word}n${word}` : word
})

/** Cumulative frequencies, 1 / (rank + 2.7). */
const frequencies: readonly number[] = (() => {
  let sum = 0
  return vocabulary.map((_, rank) => {
    sum += 1 / (rank + 2.7)
    return sum
  })
})()

export function wordOfRank(rank: number): string {
  return vocabulary[rank]!
}

function drawWord(random: () => number): string {
  const wanted = random() * frequencies.at(-1)!
  let [low, high] = [0, frequencies.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (frequencies[middle]! < wanted) low = middle + 1
    else high = middle
  }
  return vocabulary[low]!
}

export type Text = { readonly title: string; readonly body: string }

/** The text of record `number`; its title ends in a word that no other record has. */
export function textOf(number: number): Text {
  const random = seededNumbers(number * 2_654_435_761 + 97)
  const words = (count: number) => Array.from({ length: count }, () => drawWord(random)).join(" ")
  const paragraphs: string[] = []
  for (let length = 0; length < bodyCharacters; ) {
    const paragraph = `${words(40)}.`
    paragraphs.push(paragraph)
    length += paragraph.length + 2
  }
  const body = paragraphs.join("\n\n").slice(0, bodyCharacters)
  return { title: `${words(6)} ${uniqueWord(number)}`, body: `${body}\n` }
}

export function uniqueWord(number: number): string {
  return `unique${number.toString(36)}word`
}

/** As an author writes it. */
export function draftOf(number: number): string {
  const { title, body } = textOf(number)
  return `---\ntitle: ${title}\nlanguage: en\n---\n${body}`
}

/** The bytes of its record, as a member sends them. */
export function recordOf(number: number): Uint8Array {
  const identity = {
    network: "exercise:bench",
    origin: number.toString(16).padStart(64, "0"),
    id: number.toString(16).padStart(32, "0"),
    version: 1,
  }
  return encodeRecord(buildRecord(parseDraft(draftOf(number)), identity))
}
