import fc from "fast-check"
import { describe, expect, test } from "vitest"
import {
  deriveRawKey,
  openKeyFile,
  openKeyFileContent,
  parseRawKey,
  sealKeyFile,
  sealKeyFileContent,
} from "../../../node/keys/keystore.ts"
import { encodeCanonical, ingest } from "../../../protocol/canonical.ts"
import { decodeUtf8, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { failure } from "../../support/scratch.ts"
import { seededRandom } from "../../support/world.ts"

const random = seededRandom("keystore")
const secret = utf8("thirty-two bytes of a root key..")
const rawKey = random(32)
const unavailable = failure("key.unavailable")

type Fields = { [name: string]: unknown }
const fieldsOf = (file: Uint8Array) => ingest(file, 1 << 20) as Fields

describe("a key file under a passphrase", async () => {
  const sealed = await sealKeyFile(secret, "correct horse", random)

  test("opens with it, and with nothing else", async () => {
    expect(await openKeyFile(sealed, "correct horse")).toEqual(secret)
    for (const wrong of ["correct horse ", "Correct horse", ""])
      await expect(openKeyFile(sealed, wrong), wrong).rejects.toThrow(unavailable)
    await expect(openKeyFile(sealed, rawKey)).rejects.toThrow(unavailable)
  })

  test("shows the cost of guessing, and nothing of the secret", () => {
    expect(fieldsOf(sealed).kdf).toMatchObject({ alg: "argon2id", memoryKiB: 65536, passes: 3 })
    expect(decodeUtf8(sealed)).not.toContain("root key")
  })

  test("gives a raw key that opens the same file without the passphrase", async () => {
    const derived = await deriveRawKey(sealed, "correct horse")
    expect(await openKeyFile(sealed, derived)).toEqual(secret)
    const again = await sealKeyFile(secret, "correct horse", random)
    await expect(openKeyFile(again, derived)).rejects.toThrow(unavailable)
    await expect(deriveRawKey(sealed, "wrong")).rejects.toThrow(unavailable)
  })

  test("is one passphrase, whichever keyboard composed its accents", async () => {
    const accented = await sealKeyFile(secret, "caf\u00e9", random)
    expect(await openKeyFile(accented, "cafe\u0301")).toEqual(secret)
  })

  test("asks for no more memory or time than it may: a file from elsewhere cannot take the machine", async () => {
    const file = fieldsOf(sealed)
    const kdf = file.kdf as Fields
    for (const dear of [{ memoryKiB: 2 ** 30 }, { passes: 1000 }, { parallelism: 64 }, { x: 1 }]) {
      const bytes = encodeCanonical({ ...file, kdf: { ...kdf, ...dear } })
      await expect(openKeyFile(bytes, "correct horse")).rejects.toThrow(unavailable)
    }
  })

  test("cannot be made cheaper to guess by changing its header", async () => {
    const file = fieldsOf(sealed)
    const cheap = { ...(file.kdf as Fields), memoryKiB: 8192, passes: 1 }
    const bytes = encodeCanonical({ ...file, kdf: cheap })
    await expect(openKeyFile(bytes, "correct horse")).rejects.toThrow(unavailable)
  })

  test("is not made with an empty passphrase", async () => {
    await expect(sealKeyFile(secret, "", random)).rejects.toThrow(unavailable)
  })
})

describe("a key file under a raw key", async () => {
  const sealed = await sealKeyFile(secret, rawKey, random)

  test("opens with it, and with nothing else", async () => {
    expect(await openKeyFile(sealed, rawKey)).toEqual(secret)
    await expect(openKeyFile(sealed, random(32))).rejects.toThrow(unavailable)
    await expect(openKeyFile(sealed, "passphrase")).rejects.toThrow(unavailable)
    await expect(openKeyFile(sealed, rawKey.subarray(1))).rejects.toThrow(RangeError)
  })

  test("no flipped bit goes unnoticed", async () => {
    const bit = fc.nat({ max: sealed.length * 8 - 1 })
    await fc.assert(
      fc.asyncProperty(bit, async (at) => {
        const bytes = sealed.slice()
        bytes[at >> 3]! ^= 1 << (at & 7)
        await expect(openKeyFile(bytes, rawKey)).rejects.toThrow(unavailable)
      }),
      { numRuns: 50 },
    )
  })

  test("two files of one secret have nothing in common to compare", async () => {
    const again = fieldsOf(await sealKeyFile(secret, rawKey, random))
    const first = fieldsOf(sealed)
    expect(again.nonce).not.toBe(first.nonce)
    expect(again.ciphertext).not.toBe(first.ciphertext)
  })

  test("what is no key file says so", async () => {
    for (const text of ["", "{}", "null", "-----BEGIN PRIVATE KEY-----"])
      await expect(openKeyFile(utf8(text), rawKey)).rejects.toThrow(unavailable)
  })

  test("carries any JSON value", async () => {
    const content = { database: "00", officers: [{ name: "p1", seed: "ff" }], version: 1 }
    const file = await sealKeyFileContent(content, rawKey, random)
    expect(await openKeyFileContent(file, rawKey)).toEqual(content)
    await expect(openKeyFileContent(sealed, rawKey)).rejects.toThrow(unavailable)
  })
})

describe("a raw key file", () => {
  test("holds bytes or hexadecimal digits", () => {
    expect(parseRawKey(rawKey)).toEqual(rawKey)
    for (const text of [encodeHex(rawKey), `${encodeHex(rawKey).toUpperCase()}\r\n`])
      expect(parseRawKey(utf8(text))).toEqual(rawKey)
  })

  test("half a key, or a passphrase in its place, is refused", () => {
    const digits = encodeHex(rawKey)
    for (const text of ["", digits.slice(2), `${digits}00`, "correct horse", `${digits}${digits}`])
      expect(() => parseRawKey(utf8(text)), text).toThrow(unavailable)
  })
})
