import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  canonicalText,
  encodeCanonical,
  ingest,
  type Json,
  recode,
} from "../../protocol/canonical.ts"
import { concat, decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { refusal, refused, runs } from "../support/refusal.ts"

const code = (text: string, maxBytes = 10_000) => refusal(() => ingest(utf8(text), maxBytes))

const forbidden = ["__proto__", "constructor", "prototype"]
const nfc = fc.string({ unit: "binary" }).filter((text) => text.normalize("NFC") === text)
const key = nfc.filter((name) => !forbidden.includes(name))
const { value: json } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    nfc,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
}))

describe("strict ingest", () => {
  test("reads back what was encoded, and encodes it to the same bytes", () => {
    fc.assert(
      fc.property(json, (value) => {
        const bytes = encodeCanonical(value as object)
        const again = ingest(bytes, bytes.length)
        expect(again).toEqual(JSON.parse(JSON.stringify(value)))
        expect(encodeCanonical(again as object)).toEqual(bytes)
      }),
      runs,
    )
  })

  test("has one byte string for a value: any insertion of white space is refused", () => {
    fc.assert(
      fc.property(json, fc.nat(), fc.constantFrom(" ", "\n", "\t", "\r"), (value, place, space) => {
        const text = canonicalText(value as object)
        const at = place % (text.length + 1)
        const spaced = text.slice(0, at) + space + text.slice(at)
        // Inside a text the space is content; only there may it be accepted.
        const verdict = code(spaced)
        if (verdict === null) expect(JSON.parse(spaced)).not.toEqual(JSON.parse(text))
      }),
      runs,
    )
  })

  test("fails with a code and nothing else, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const verdict = refusal(() => ingest(bytes, 100))
        if (verdict === null) expect(encodeCanonical(JSON.parse(decodeUtf8(bytes)))).toEqual(bytes)
      }),
      { numRuns: 50 * runs.numRuns },
    )
  })

  test("fails with a code and nothing else, whatever a JSON text has been turned into", () => {
    const text = '{"a":[1,"é\\u0000",{"b":null}],"c":true}'
    fc.assert(
      fc.property(fc.nat(), fc.nat(3), fc.string({ maxLength: 3 }), (place, cut, put) => {
        const at = place % text.length
        const mutant = text.slice(0, at) + put + text.slice(at + cut)
        if (code(mutant) === null)
          expect(decodeUtf8(encodeCanonical(JSON.parse(mutant)))).toBe(mutant)
      }),
      { numRuns: 50 * runs.numRuns },
    )
  })

  test("judges size before it looks at anything", () => {
    expect(code("{ not JSON", 9)).toBe("json.too-large")
    expect(code("[1]", 3)).toBeNull()
    expect(code("[1]", 2)).toBe("json.too-large")
  })

  test("bounds depth before the parser recurses: a megabyte of brackets is no stack overflow", () => {
    const deep = "[".repeat(1_000_000)
    expect(code(deep, 2_000_000)).toBe("json.profile")
    expect(code(`${"[".repeat(16)}${"]".repeat(16)}`)).toBeNull()
    expect(code(`${'{"a":'.repeat(17)}1${"}".repeat(17)}`)).toBe("json.profile")
  })

  test("brackets inside a text are no depth", () => {
    expect(code(JSON.stringify(`${"[{".repeat(50)}\\"[[[["`))).toBeNull()
  })

  test("a key that reaches into the prototype is refused wherever it stands", () => {
    for (const name of forbidden) {
      expect(code(`{"${name}":1}`)).toBe("json.profile")
      expect(code(`[{"a":{"${name}":{"polluted":1}}}]`)).toBe("json.profile")
      expect(code(`"${name}"`)).toBeNull()
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test("text that is equal to the eye but not composed is refused, as key and as value", () => {
    expect(code('"\u00e9"')).toBeNull()
    expect(code('"e\u0301"')).toBe("json.profile")
    expect(code('{"e\u0301":1}')).toBe("json.profile")
    expect(code('"\u212b"')).toBe("json.profile")
  })

  test("half a surrogate pair is refused though it is written in ASCII, as key and as value", () => {
    for (const half of ["\\ud800", "\\udfff", "text \\ud83d text"]) {
      expect(code(`"${half}"`)).toBe("json.profile")
      expect(code(`[{"${half}":1}]`)).toBe("json.profile")
    }
    expect(code('"\\\\ud800"')).toBeNull()
    expect(code('"\\n\\u0001"')).toBeNull()
  })

  test("a number has one spelling, and no neighbour it could be taken for", () => {
    for (const text of ["-0", "1.0", "1e0", "10e-1", "1E2"])
      expect(code(text)).toBe("json.noncanonical")
    for (const text of ["0.5", "9007199254740992", "-9007199254740993", "1e400", "1e-400"])
      expect(code(text), text).not.toBeNull()
    for (const text of ["00", "+1", ".5", "1.", "0x1", "NaN", "Infinity"])
      expect(code(text)).toBe("json.malformed")
  })

  test("bytes that are no UTF-8 are refused, also where another decoder would replace them", () => {
    for (const bytes of [
      [0xff],
      [0xc0, 0xaf],
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe2, 0x82],
    ]) {
      const quoted = concat(utf8('"'), Uint8Array.from(bytes), utf8('"'))
      expect(refusal(() => ingest(quoted, 100))).toBe("json.malformed")
    }
    expect(code("\ufeff1")).toBe("json.malformed")
  })
})

describe("canonical encoding", () => {
  test("sorts by UTF-16 code units, whatever order the keys came in", () => {
    fc.assert(
      fc.property(fc.dictionary(key, fc.nat(), { maxKeys: 8 }), fc.nat(), (value, turn) => {
        const entries = Object.entries(value)
        const turned = [...entries.slice(turn % 8), ...entries.slice(0, turn % 8)]
        expect(canonicalText(Object.fromEntries(turned))).toBe(canonicalText(value))
        const keys = Object.keys(JSON.parse(canonicalText(value))).filter((k) => !/^\d+$/.test(k))
        expect(keys).toEqual([...keys].sort())
      }),
      runs,
    )
  })

  test("keys that are array indices, which V8 moves to the front, are sorted as text", () => {
    expect(canonicalText({ 9: 1, 10: 2, a: 3, "": 4 })).toBe('{"":4,"10":2,"9":1,"a":3}')
    expect(canonicalText({ "-": 1, 1: 2 })).toBe('{"-":1,"1":2}')
  })

  test("an absent optional field leaves no trace", () => {
    expect(canonicalText({ a: 1, b: undefined })).toBe('{"a":1}')
  })

  test("has no form for what JSON does not have", () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "\ud800"])
      expect(() => canonicalText([value])).toThrow()
  })
})

describe("recode", () => {
  test("gives a refusal the caller's code and lets a fault through as it is", () => {
    const json = () => {
      throw new ProtocolError("json.malformed")
    }
    const fault = () => {
      throw new TypeError("ours")
    }
    expect(() => recode("order.malformed", json)).toThrow(refused("order.malformed"))
    expect(() => recode("order.malformed", fault)).toThrow(TypeError)
    expect(recode("order.malformed", () => 7)).toBe(7)
  })
})
