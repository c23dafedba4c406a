import { describe, expect, test } from "vitest"
import type { Json } from "../../protocol/canonical.ts"
import {
  base64url,
  day,
  decodeShape,
  dictionary,
  digest,
  either,
  flag,
  hex,
  integer,
  json,
  list,
  literal,
  network,
  object,
  oneOf,
  optional,
  refine,
  type Shape,
  sortedSet,
  text,
} from "../../protocol/shape.ts"
import { refused } from "../support/refusal.ts"

const read = <T>(shape: Shape<T>, value: Json) => decodeShape(shape, value, "order.malformed")

function accepts(shape: Shape<unknown>, values: readonly Json[]) {
  for (const value of values) expect(read(shape, value)).toEqual(value)
}

function refuses(shape: Shape<unknown>, values: readonly Json[]) {
  for (const value of values)
    expect(() => read(shape, value), JSON.stringify(value)).toThrow(refused("order.malformed"))
}

/** One of every JSON type, for shapes that take none of them for another. */
const zoo: readonly Json[] = [null, true, 0, "", [], {}]
const except = (...kept: readonly Json[]) =>
  zoo.filter((value) => !kept.some((one) => JSON.stringify(one) === JSON.stringify(value)))

describe("shapes coerce nothing", () => {
  test("text", () => {
    accepts(text({ max: 3 }), ["", "abc"])
    refuses(text({ max: 3 }), [...except(""), "abcd"])
    refuses(text({ min: 1, max: 3 }), [""])
    refuses(text({ max: 9, pattern: /^a$/ }), ["b", "a\n", "aa"])
  })

  test("integer", () => {
    accepts(integer(0, 9), [0, 9])
    refuses(integer(0, 9), [...except(0), -1, 10, 0.5, "1"])
  })

  test("flag and literal", () => {
    accepts(flag, [true, false])
    refuses(flag, except(true))
    accepts(literal("a"), ["a"])
    refuses(literal("a"), [...zoo, "A"])
    refuses(literal(1), ["1", true])
  })

  test("one of", () => {
    accepts(oneOf(["a", "b"]), ["a", "b"])
    refuses(oneOf(["a", "b"]), [...zoo, "c", ["a"], "toString", "__proto__"])
  })

  test("digest and hex: lower case, exact length", () => {
    accepts(digest, ["0f".repeat(32)])
    refuses(digest, [
      ...zoo,
      "0F".repeat(32),
      "0f".repeat(31),
      "0f".repeat(33),
      `${"0f".repeat(31)}0g`,
    ])
    accepts(hex(1), ["00"])
    refuses(hex(1), ["0", "000", "0 "])
  })

  test("base64url: exact number of bytes, no stray bits", () => {
    accepts(base64url(1), ["QQ"])
    refuses(base64url(1), [...zoo, "QR", "QQ==", "QUE", "+w"])
  })

  test("day: only days that exist, in one form", () => {
    accepts(day, ["2026-11-23", "2028-02-29", "0001-01-01"])
    refuses(day, [
      ...zoo,
      "2026-02-29",
      "2026-13-01",
      "2026-11-31",
      "2026-1-1",
      "20261123",
      "2026-11-23T00:00:00Z",
      "+02026-11-23",
      "2026-11-23\n",
    ])
  })

  test("network: the three, and exercises of at most 32 letters", () => {
    accepts(network, [
      "operational",
      "training",
      "exercise:spring-27",
      `exercise:${"a".repeat(32)}`,
    ])
    refuses(network, [
      ...zoo,
      "Operational",
      "exercise:",
      "exercise:A",
      "exercise:a b",
      `exercise:${"a".repeat(33)}`,
      "training\n",
      "production",
    ])
  })
})

describe("shapes of several", () => {
  test("list: bounds and every element", () => {
    accepts(list(integer(0, 9), { min: 1, max: 2 }), [[1], [1, 2]])
    refuses(list(integer(0, 9), { min: 1, max: 2 }), [
      ...zoo,
      [1, 2, 3],
      [1, "2"],
      { 0: 1, length: 1 },
    ])
  })

  test("sorted set: ascending by code units, nothing twice", () => {
    accepts(sortedSet(text({ max: 9 }), 3), [[], ["B", "a"], ["a", "b", "c"]])
    refuses(sortedSet(text({ max: 9 }), 3), [
      ["b", "a"],
      ["a", "a"],
      ["a", "B"],
      ["a", "b", "c", "d"],
    ])
  })

  test("dictionary: keys of one pattern, at most so many", () => {
    const shape = dictionary(/^[a-z]$/, integer(0, 9), 2)
    accepts(shape, [{}, { a: 1, b: 2 }])
    refuses(shape, [...except({}), { A: 1 }, { a: "1" }, { a: 1, b: 2, c: 3 }])
  })

  test("object: unknown fields are refused, absent is not null, inherited is not present", () => {
    const shape = object({ a: integer(0, 9), b: optional(integer(0, 9)) })
    accepts(shape, [{ a: 1 }, { a: 1, b: 2 }])
    refuses(shape, [...zoo, { b: 1 }, { a: null }, { a: 1, b: null }, { a: 1, c: 1 }, [1]])
    refuses(object({ toString: optional(flag), a: flag }), [{ a: true, valueOf: true }])
    expect(() => read(object({ toString: flag }), {})).toThrow(refused("order.malformed"))
    expect(Object.hasOwn(read(shape, { a: 1 }), "b")).toBe(false)
  })

  test("either: the first that fits; refine: a further rule; json: as it is", () => {
    accepts(either(literal("public"), digest), ["public", "00".repeat(32)])
    refuses(either(literal("public"), digest), [...zoo, "private"])
    accepts(
      refine(integer(0, 9), (n) => n % 2 === 0),
      [4],
    )
    refuses(
      refine(integer(0, 9), (n) => n % 2 === 0),
      [3],
    )
    accepts(json, zoo)
  })

  test("the refusal names the field that does not fit", () => {
    const shape = object({ a: list(object({ b: flag }), { max: 2 }) })
    expect(() => read(shape, { a: [{ b: true }, { b: 1 }] })).toThrow("$.a[1].b")
  })

  test("an error inside a rule of ours is no refusal", () => {
    const broken = refine(flag, () => {
      throw new TypeError("ours")
    })
    expect(() => read(broken, true)).toThrow(TypeError)
    expect(() => read(either(broken, flag), true)).toThrow(TypeError)
  })
})
