import { createHash, createHmac } from "node:crypto"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { encodeHex } from "../../../protocol/encoding.ts"
import {
  blindedEntry,
  dummyEntry,
  entrySalt,
  isEntry,
  isOpenEntry,
  logOrigin,
  openEntry,
  openEntryDigest,
  parseLogOrigin,
  withdrawalTag,
} from "../../../protocol/log/entry.ts"
import { refused, runs } from "./keys.ts"

const saltKey = new Uint8Array(32).fill(1)
const digest = new Uint8Array(32).fill(2)
const salt = new Uint8Array(32).fill(3)

const sha256 = (...parts: readonly (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex")
const hmac = (...parts: readonly Uint8Array[]) =>
  parts.reduce((mac, part) => mac.update(part), createHmac("sha256", saltKey)).digest()

describe("entry", () => {
  test("blinded: 0x01 and the labelled digest of type, salt and object", () => {
    for (const type of [1, 2] as const) {
      const commitment = sha256("comity/entry/v1\0", Uint8Array.of(type), salt, digest)
      expect(encodeHex(blindedEntry(type, salt, digest))).toBe(`01${commitment}`)
    }
  })

  test("salt: HMAC over type and object, so that a restored node knows its own", () => {
    expect(entrySalt(saltKey, 1, digest)).toEqual(new Uint8Array(hmac(Uint8Array.of(1), digest)))
    expect(entrySalt(saltKey, 2, digest)).not.toEqual(entrySalt(saltKey, 1, digest))
  })

  test("dummy: salted by its index, no object", () => {
    const index = Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2)
    const dummySalt = hmac(Uint8Array.of(2), index)
    const entry = blindedEntry(2, dummySalt, new Uint8Array(32))
    expect(dummyEntry(saltKey, 258)).toEqual(entry)
    expect(dummyEntry(saltKey, 259)).not.toEqual(entry)
  })

  test("withdrawal tag: looks like any blinded entry", () => {
    const tag = withdrawalTag(salt)
    expect(encodeHex(tag)).toBe(`01${sha256("comity/withdrawn/v1\0", salt)}`)
    expect(isEntry(tag)).toBe(true)
    expect(isOpenEntry(tag)).toBe(false)
    expect(() => openEntryDigest(tag)).toThrow(refused("entry.malformed"))
  })

  test("open: names its document", () => {
    const entry = openEntry(digest)
    expect(encodeHex(entry)).toBe(`02${encodeHex(digest)}`)
    expect(isEntry(entry) && isOpenEntry(entry)).toBe(true)
    expect(openEntryDigest(entry)).toEqual(digest)
  })

  test("anything but 33 bytes of a known kind is no entry", () => {
    const entry = openEntry(digest)
    for (const bad of [
      new Uint8Array(0),
      entry.slice(1),
      new Uint8Array([...entry, 0]),
      entry.with(0, 0),
      entry.with(0, 3),
    ]) {
      expect(isEntry(bad)).toBe(false)
      expect(() => openEntryDigest(bad)).toThrow(refused("entry.malformed"))
    }
  })

  test("digests, salts and keys of another length are our mistake", () => {
    const short = new Uint8Array(31)
    expect(() => blindedEntry(1, short, digest)).toThrow(RangeError)
    expect(() => blindedEntry(1, salt, short)).toThrow(RangeError)
    expect(() => entrySalt(short, 1, digest)).toThrow(RangeError)
    expect(() => dummyEntry(short, 1)).toThrow(RangeError)
    expect(() => withdrawalTag(short)).toThrow(RangeError)
    expect(() => openEntry(short)).toThrow(RangeError)
  })
})

describe("log origin", () => {
  const member = "0f".repeat(32)

  test("parse inverts format", () => {
    const network = fc.oneof(
      fc.constantFrom("operational", "training"),
      fc.stringMatching(/^exercise:[a-z0-9-]{1,32}$/),
    )
    fc.assert(
      fc.property(network, fc.integer({ min: 1, max: 1_000_000 }), (name, epoch) => {
        const origin = { network: name, member, epoch }
        expect(parseLogOrigin(logOrigin(name, member, epoch))).toEqual(origin)
      }),
      runs,
    )
  })

  test.each([
    "",
    `comity/operational/${member}`,
    `comity/operational/${member}/0`,
    `comity/operational/${member}/01`,
    `comity/operational/${member}/1000001`,
    `comity/operational/${member}/1/`,
    `comity/operational/${member}/1\n`,
    `comity/operational/${member.toUpperCase()}/1`,
    `comity/operational/${member.slice(2)}/1`,
    `comity/exercise/${member}/1`,
    `comity/exercise:/${member}/1`,
    `comity/exercise:A/${member}/1`,
    `comity/other/${member}/1`,
    `example/operational/${member}/1`,
  ])("%j is no log's", (text) => {
    expect(() => parseLogOrigin(text)).toThrow(refused("checkpoint.origin"))
  })
})
