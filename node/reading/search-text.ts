import { ProtocolError } from "../../protocol/errors.ts"

/** Characters of a query; the words beyond the first 32 are not looked for. */
const queryLength = 512
const queryWords = 32

/** Scripts that put no blanks between words. */
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc\u3005]+/gu
const hasUnspaced = new RegExp(unspaced.source, "u")
const word = /[\p{L}\p{N}\p{M}\p{Co}]+/gu
// The dictionaries of ICU are chosen by script: the locale says nothing here.
const segmenter = new Intl.Segmenter("en", { granularity: "word" })

const arabicLetters: { readonly [letter: string]: string } = {
  آ: "ا",
  أ: "ا",
  إ: "ا",
  ٱ: "ا",
  ؤ: "و",
  ئ: "ي",
  ى: "ي",
  ی: "ي",
  ک: "ك",
  ة: "ه",
}
const foldedLetters = new RegExp(`[${Object.keys(arabicLetters).join("")}]`, "gu")

/**
 * The text as it goes into the full-text index: folded, and with blanks between the words of
 * scripts that write none. The same for FTS5 `unicode61` and `to_tsvector('simple')`.
 */
export function searchTerms(text: string): string {
  return segment(fold(text))
}

/**
 * An FTS5 MATCH expression that is valid whatever was typed: every word must occur, words between
 * double quotes in that order. Words of unspaced scripts match by their beginning, because they
 * are cut differently in a longer text. What has no word in it finds nothing.
 *
 * @throws `query.malformed` for an empty query and one of more than 512 characters
 */
export function searchQuery(query: string): string {
  const phrases = phrasesOf(query)
  if (phrases.length === 0) return '""'
  return phrases
    .map(({ words, isPrefix }) => `"${words.join(" ")}"${isPrefix ? "*" : ""}`)
    .join(" ")
}

/** Whether search would find by this query what has these texts, without an index. @throws as searchQuery */
export function isFoundBy(query: string, texts: readonly string[]): boolean {
  const phrases = phrasesOf(query)
  const found = texts.map((text) => searchTerms(text).match(word) ?? [])
  const stands = ({ words, isPrefix }: Phrase) =>
    found.some((all) =>
      all.some((_, at) =>
        words.every((one, i) => (isPrefix ? all[at + i]?.startsWith(one) : all[at + i] === one)),
      ),
    )
  return phrases.length > 0 && phrases.every(stands)
}

type Phrase = { readonly words: readonly string[]; readonly isPrefix: boolean }

function phrasesOf(query: string): readonly Phrase[] {
  if (query.trim() === "" || query.length > queryLength) throw new ProtocolError("query.malformed")
  const phrases = fold(query)
    .split(/["“”„«»]/)
    .flatMap((part, i): readonly Phrase[] => {
      const words = segment(part).match(word) ?? []
      // Every second part stood between quotes.
      if (i % 2 === 1) return words.length === 0 ? [] : [{ words, isPrefix: false }]
      return words.map((found) => ({ words: [found], isPrefix: hasUnspaced.test(found) }))
    })
  return phrases.slice(0, queryWords)
}

/** Compatibility forms, case, accents, and what Arabic writes in more than one way. */
function fold(text: string): string {
  const lower = text.toWellFormed().normalize("NFKC").toLowerCase()
  if (/^[\x20-\x7e\n]*$/.test(lower)) return lower
  return (
    lower
      .normalize("NFKD")
      // Accents of European scripts, the vowel signs and tatweel of Arabic; no sign that spells.
      .replace(/[\u0300-\u036f\u064b-\u0652\u0656-\u065f\u0670\u0640\u200c\u200d]/g, "")
      .normalize("NFKC")
      .replace(foldedLetters, (letter) => arabicLetters[letter] ?? letter)
      .replace(/[\u0660-\u0669\u06f0-\u06f9]/g, (digit) => String(digit.charCodeAt(0) & 0xf))
  )
}

function segment(text: string): string {
  if (!hasUnspaced.test(text)) return text
  return text.replace(unspaced, (run) => {
    const words = Array.from(segmenter.segment(run), ({ segment: found }) => found)
    return ` ${words.join(" ")} `
  })
}
