import fc from "fast-check"
import { expect, test } from "vitest"
import { encodeHex } from "../../protocol/encoding.ts"
import { parseWords, readWords, wordLanguages, wordsIn, wordsOf } from "../../protocol/words.ts"
import { refusal, runs } from "../support/refusal.ts"

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(encodeHex)

test("twelve words give back the first 128 bits of the id, however they are typed", () => {
  fc.assert(
    fc.property(id, (member) => {
      const words = wordsOf(member)
      expect(words.split(" ")).toHaveLength(12)
      expect(encodeHex(parseWords(words))).toBe(member.slice(0, 32))
      expect(encodeHex(parseWords(`\t${words.toUpperCase().replaceAll(" ", "  ")}\n`))).toBe(
        member.slice(0, 32),
      )
    }),
    runs,
  )
})

test("BIP-39's own vectors", () => {
  const id = (half: string) => half + "00".repeat(16)
  expect(wordsOf(id("00".repeat(16)))).toBe(`${"abandon ".repeat(11)}about`)
  expect(wordsOf(id("ff".repeat(16)))).toBe(`${"zoo ".repeat(11)}wrong`)
  expect(wordsOf(id("7f".repeat(16)))).toBe(
    "legal winner thank year wave sausage worth useful legal winner thank yellow",
  )
})

test("the second half of the id does not show: words are for comparing, never for deciding", () => {
  fc.assert(
    fc.property(id, id, (a, b) => {
      expect(wordsOf(a.slice(0, 32) + b.slice(32))).toBe(wordsOf(a))
    }),
    runs,
  )
})

test("another number of words, no words at all, or a word of no list is refused with a code", () => {
  const words = wordsOf("a5".repeat(32)).split(" ")
  for (const text of [
    "",
    " ",
    words.slice(1).join(" "),
    [...words, words[0]].join(" "),
    words.join("-"),
  ])
    expect(refusal(() => parseWords(text))).toBe("words.malformed")
  expect(refusal(() => parseWords(["xyzzy", ...words.slice(1)].join(" ")))).toBe("words.malformed")
})

test("one word in place of another is noticed fifteen times in sixteen", () => {
  const words = wordsOf("a5".repeat(32)).split(" ")
  let accepted = 0
  for (let i = 0; i < 256; i++) {
    const other = wordsOf(i.toString(16).padStart(2, "0").repeat(32)).split(" ")[0]!
    const text = [other, ...words.slice(1)].join(" ")
    if (other !== words[0] && refusal(() => parseWords(text)) === null) accepted++
  }
  expect(accepted).toBeLessThan(32)
})

test("what is no member id has no words", () => {
  for (const text of ["", "00".repeat(16), "00".repeat(33), "AA".repeat(32), "zz".repeat(32)])
    expect(refusal(() => wordsOf(text))).toBe("encoding.malformed")
})

test("in ten languages and in digits the same 128 bits, and each is read back", async () => {
  expect(wordLanguages).toHaveLength(11)
  await fc.assert(
    fc.asyncProperty(id, async (member) => {
      for (const language of wordLanguages) {
        const text = await wordsIn(member, language)
        expect(text.split(/\s/)).toHaveLength(language === "digits" ? 8 : 12)
        // Keyboards compose their accents, the lists are decomposed.
        for (const typed of [text, text.normalize("NFC")])
          expect((await readWords(typed)).map(encodeHex)).toContain(member.slice(0, 32))
      }
      expect(await wordsIn(member, "en")).toBe(wordsOf(member))
    }),
    runs,
  )
  const zeros = "00".repeat(32)
  expect(await wordsIn(zeros, "es")).toBe(`${"ábaco ".repeat(11)}abierto`.normalize("NFKD"))
  expect(await wordsIn(zeros, "digits")).toBe(`${"00000 ".repeat(7)}0000`)
  expect(await wordsIn("ff".repeat(32), "digits")).toBe(
    "34028 23669 20938 46346 33746 07431 76821 1455",
  )
})

test("digits beyond 128 bits, or too few, a language without a list: refused", async () => {
  const refused = (text: string) =>
    readWords(text).then(
      () => null,
      ({ code }: { code: string }) => code,
    )
  expect(await refused("9".repeat(39))).toBe("words.malformed")
  expect(await refused("1".repeat(38))).toBe("words.malformed")
  expect(await refused("abandon")).toBe("words.malformed")
  await expect(wordsIn("00".repeat(32), "tlh")).rejects.toThrow("words.malformed")
})
