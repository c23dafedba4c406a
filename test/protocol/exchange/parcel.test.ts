import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { xchachaOpen, xchachaSeal } from "../../../protocol/crypto/aead.ts"
import { hmacSha256, sha256 } from "../../../protocol/crypto/hash.ts"
import { decapsulate, kemKeyPair } from "../../../protocol/crypto/kem.ts"
import { pad, paddedSize } from "../../../protocol/crypto/padding.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import {
  joinEpoch,
  openEpoch,
  openParcel,
  parcelEnc,
  sealParcel,
} from "../../../protocol/exchange/parcel.ts"
import { limits } from "../../../protocol/limits.ts"
import { refusal, refusalOf, runs } from "../../support/refusal.ts"
import { seededRandom } from "../../support/world.ts"

const random = seededRandom("parcels")
const [sender, recipient] = [encodeHex(random(32)), encodeHex(random(32))]
const keys = kemKeyPair(random(32))
const otherKeys = kemKeyPair(random(32))
const nonce = random(24)
const epoch = await openEpoch(sender, recipient, keys.publicKey, random(64))
const parcel = sealParcel(epoch, nonce, utf8("{}"))
const encEnd = 1 + 1120

describe("the epoch", () => {
  test("both sides derive one secret, and nobody else does", async () => {
    const { secret } = await joinEpoch(sender, recipient, keys, epoch.enc)
    expect(secret).toEqual(epoch.secret)
    for (const other of [
      await joinEpoch(recipient, sender, keys, epoch.enc),
      await joinEpoch(encodeHex(new Uint8Array(32)), recipient, keys, epoch.enc),
      await joinEpoch(sender, encodeHex(new Uint8Array(32)), keys, epoch.enc),
      await joinEpoch(sender, recipient, otherKeys, epoch.enc),
      // The right seed under another announced key: info binds the key's digest.
      await joinEpoch(sender, recipient, { ...keys, publicKey: otherKeys.publicKey }, epoch.enc),
    ])
      expect(other.secret).not.toEqual(secret)
  })

  test("is RFC 9180's export-only schedule over X-Wing, written out", () => {
    const i2osp = (n: number) => Uint8Array.of(n >> 8, n & 255)
    const suite = concat(utf8("HPKE"), i2osp(0x647a), i2osp(0x0001), i2osp(0xffff))
    const extract = (salt: Uint8Array, label: string, ikm: Uint8Array) =>
      hmacSha256(
        salt.length === 0 ? new Uint8Array(32) : salt,
        concat(utf8("HPKE-v1"), suite, utf8(label), ikm),
      )
    const expand = (prk: Uint8Array, label: string, info: Uint8Array) =>
      hmacSha256(
        prk,
        concat(i2osp(32), utf8("HPKE-v1"), suite, utf8(label), info, Uint8Array.of(1)),
      )
    const none = new Uint8Array(0)
    const info = concat(
      utf8("comity-1/parcel\0"),
      decodeHex(sender),
      decodeHex(recipient),
      sha256(keys.publicKey),
    )
    const shared = decapsulate(epoch.enc, keys.seed)
    const context = concat(
      Uint8Array.of(0),
      extract(none, "psk_id_hash", none),
      extract(none, "info_hash", info),
    )
    const exporter = expand(extract(shared, "secret", none), "exp", context)
    expect(encodeHex(expand(exporter, "sec", utf8("comity-1/epoch")))).toBe(encodeHex(epoch.secret))
  })

  test("other coins give another epoch", async () => {
    const other = await openEpoch(sender, recipient, keys.publicKey, random(64))
    expect(other.secret).not.toEqual(epoch.secret)
    expect(other.enc).not.toEqual(epoch.enc)
  })

  test("an enc or KEM key of the wrong length is refused with a code", async () => {
    expect(await refusalOf(() => joinEpoch(sender, recipient, keys, epoch.enc.slice(1)))).toBe(
      "kem.malformed",
    )
    expect(
      await refusalOf(() => openEpoch(sender, recipient, keys.publicKey.slice(1), random(64))),
    ).toBe("kem.malformed")
  })
})

describe("the parcel", () => {
  test("open after seal is the identity, and the size tells a class only", () => {
    fc.assert(
      fc.property(fc.nat(20_000), (length) => {
        const plaintext = seededRandom(`${length}`)(length)
        const sealed = sealParcel(epoch, nonce, plaintext)
        expect(sealed.length).toBe(encEnd + 24 + paddedSize(length) + 16)
        expect(openParcel(epoch, sealed)).toEqual(plaintext)
      }),
      runs,
    )
  })

  test("stands as PROTOCOL.md §8 writes it", () => {
    expect(parcel[0]).toBe(1)
    expect(parcel.subarray(1, encEnd)).toEqual(epoch.enc)
    expect(parcel.subarray(encEnd, encEnd + 24)).toEqual(nonce)
    const opened = xchachaOpen(
      epoch.secret,
      nonce,
      parcel.slice(encEnd + 24),
      parcel.slice(0, encEnd),
    )
    expect(opened).toEqual(pad(utf8("{}")))
    expect(parcelEnc(parcel)).toEqual(epoch.enc)
  })

  test("what does not open says the same, whatever the reason", async () => {
    const badPadding = concat(
      parcel.slice(0, encEnd + 24),
      xchachaSeal(epoch.secret, nonce, new Uint8Array(100), parcel.slice(0, encEnd)),
    )
    const messages = [badPadding, parcel.slice(0, -1), concat(parcel, Uint8Array.of(0))].map(
      (bytes) => refusal(() => openParcel(epoch, bytes)),
    )
    expect(new Set(messages)).toEqual(new Set(["parcel.unopenable"]))
  })

  test("too short, too long or of another version is refused before any key is tried", () => {
    for (const length of [0, 1, encEnd, encEnd + 24])
      expect(refusal(() => parcelEnc(parcel.slice(0, length)))).toBe("parcel.malformed")
    expect(refusal(() => parcelEnc(concat(Uint8Array.of(2), parcel.slice(1))))).toBe(
      "parcel.malformed",
    )
    const long = new Uint8Array(limits.frameBytes + 1)
    long[0] = 1
    expect(refusal(() => parcelEnc(long))).toBe("parcel.malformed")
  })
})
