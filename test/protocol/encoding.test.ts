import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  concat,
  decodeBase64,
  decodeBase64url,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeBase64url,
  encodeHex,
  equalBytes,
  u32be,
  u64be,
  utf8,
} from "../../protocol/encoding.ts"
import { refusal, runs } from "../support/refusal.ts"

const bytes = fc.uint8Array({ maxLength: 200 })
const codecs = [
  ["hex", encodeHex, decodeHex, "hex"],
  ["base64", encodeBase64, decodeBase64, "base64"],
  ["base64url", encodeBase64url, decodeBase64url, "base64url"],
] as const

describe.each(codecs)("%s", (_, encode, decode, node) => {
  test("reads back what it wrote, and writes what Node writes", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        expect(decode(encode(value))).toEqual(value)
        expect(encode(value)).toBe(Buffer.from(value).toString(node))
      }),
      runs,
    )
  })

  test("has one text for each value: what decodes encodes to the same text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        if (refusal(() => decode(text)) === null) expect(encode(decode(text))).toBe(text)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })

  test("long values do not exhaust the stack", () => {
    const long = new Uint8Array(300_000).fill(0xa5)
    expect(decode(encode(long))).toEqual(long)
  })
})

const malformed = (decode: (text: string) => unknown, texts: readonly string[]) => {
  for (const text of texts)
    expect(
      refusal(() => decode(text)),
      JSON.stringify(text),
    ).toBe("encoding.malformed")
}

test("hex in capitals, with a prefix, odd, with white space or other digits is refused", () => {
  malformed(decodeHex, ["A0", "0x00", "0", "00 ", " 00", "0g", "００", "0\n", "00\n"])
})

test("base64 without padding, with too much, with stray bits or white space is refused", () => {
  malformed(decodeBase64, [
    "QQ",
    "QQ=",
    "QQ===",
    "QR==",
    "QUF=",
    "QQ==\n",
    "Q Q=",
    "=",
    "====",
    "Q-==",
    "QQ==QQ==",
  ])
})

test("base64url with padding, with stray bits, of impossible length or in base64 is refused", () => {
  malformed(decodeBase64url, ["QQ==", "QR", "QUF", "Q", "QUFBQ", "+w", "/w", "QQ\n", " QQ", "Q.Q"])
})

test("UTF-8 that is overlong, a surrogate, cut short or beyond Unicode is refused", () => {
  for (const hex of ["c080", "e0809f", "eda080", "f0808080", "f4908080", "ff", "c3", "80"])
    expect(
      refusal(() => decodeUtf8(decodeHex(hex))),
      hex,
    ).toBe("encoding.malformed")
  expect(decodeUtf8(decodeHex("efbbbf41"))).toBe("\ufeffA")
})

test("integers are big-endian and never wrap", () => {
  expect(encodeHex(u32be(0x01020304))).toBe("01020304")
  expect(encodeHex(u32be(0xffffffff))).toBe("ffffffff")
  expect(encodeHex(u64be(0x0102030405))).toBe("0000000102030405")
  expect(encodeHex(u64be(Number.MAX_SAFE_INTEGER))).toBe("001fffffffffffff")
  for (const wrong of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => u32be(wrong)).toThrow(RangeError)
  for (const wrong of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => u64be(wrong)).toThrow(RangeError)
})

test("concat joins and equalBytes compares all of it", () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      expect(concat(a, b)).toEqual(Uint8Array.from([...a, ...b]))
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0)
    }),
    runs,
  )
  expect(equalBytes(utf8("same"), utf8("same"))).toBe(true)
  expect(equalBytes(utf8("same"), utf8("sam"))).toBe(false)
  expect(equalBytes(utf8("same"), utf8("sama"))).toBe(false)
})
