import { xchachaSeal } from "../../../../protocol/crypto/aead.ts"
import { sha256, sha512 } from "../../../../protocol/crypto/hash.ts"
import { kemKeyPair } from "../../../../protocol/crypto/kem.ts"
import { pad } from "../../../../protocol/crypto/padding.ts"
import { concat, decodeHex, encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import {
  joinEpoch,
  openEpoch,
  openParcel,
  parcelEnc,
  sealParcel,
} from "../../../../protocol/exchange/parcel.ts"
import { flipBit } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  type Input,
  plaintext,
  type Run,
  repeated,
  shown,
  text,
} from "../../format.ts"

const run: Run = async (input) => {
  const seed = bytes(input, "seed")
  const { publicKey } = kemKeyPair(seed)
  const [sender, recipient] = [text(input, "sender"), text(input, "recipient")]
  if (input.bytes !== undefined) {
    const parcel = bytes(input, "bytes")
    const epoch = await joinEpoch(sender, recipient, { publicKey, seed }, parcelEnc(parcel))
    return { plaintext: encodeHex(openParcel(epoch, parcel)) }
  }
  const epoch = await openEpoch(sender, recipient, publicKey, bytes(input, "coins"))
  const parcel = sealParcel(epoch, bytes(input, "nonce"), plaintext(input))
  return {
    publicKeyDigest: encodeHex(sha256(publicKey)),
    encDigest: encodeHex(sha256(epoch.enc)),
    secret: encodeHex(epoch.secret),
    size: parcel.length,
    digest: encodeHex(sha256(parcel)),
  }
}

async function cases(): Promise<Cases> {
  const seed = encodeHex(b.kem.seed)
  const coins = sha512(utf8("coins"))
  const nonce = filled(24, 0x24)
  const made = (fields: Input) => ({
    seed,
    sender: a.id,
    recipient: b.id,
    coins: encodeHex(coins),
    nonce,
    ...fields,
  })
  const epoch = await openEpoch(a.id, b.id, b.kem.publicKey, coins)
  const whole = sealParcel(epoch, decodeHex(nonce), utf8("{}"))
  const at = (bytes: Uint8Array, fields: Input = {}) => ({
    seed,
    sender: a.id,
    recipient: b.id,
    bytes: shown(bytes),
    ...fields,
  })
  const enc = 1 + 1120
  const aad = whole.slice(0, enc)
  /** What an honest sender never seals. */
  const padded = (plaintext: Uint8Array) =>
    concat(aad, decodeHex(nonce), xchachaSeal(epoch.secret, decodeHex(nonce), plaintext, aad))
  const underOtherHeader = () =>
    concat(
      aad,
      decodeHex(nonce),
      xchachaSeal(epoch.secret, decodeHex(nonce), pad(utf8("{}")), aad.slice(1)),
    )
  return {
    about: "parcels: the epoch secret from HPKE, then the parcel under it; large ones by digest",
    valid: [
      ["opens", at(whole)],
      ["nothing", made({ plaintext: "" })],
      ["the last that fits 4 KiB", made({ length: 4088 })],
      ["the first that needs 8 KiB", made({ length: 4089 })],
    ],
    hostile: [
      ["no bytes", at(new Uint8Array(0)), "parcel.malformed"],
      ["another version", at(concat(Uint8Array.of(2), whole.slice(1))), "parcel.malformed"],
      ["a header alone", at(whole.slice(0, enc + 24)), "parcel.malformed"],
      [
        "a header and half a tag is opened, and does not",
        at(whole.slice(0, enc + 24 + 8)),
        "parcel.unopenable",
      ],
      ["version 0", at(concat(Uint8Array.of(0), whole.slice(1))), "parcel.malformed"],
      [
        "larger than a frame",
        { ...at(new Uint8Array(0)), bytes: repeated("01", 8_454_145) },
        "parcel.malformed",
      ],
      [
        "an encapsulation of zeros",
        at(concat(whole.slice(0, 1), new Uint8Array(1120), whole.slice(enc))),
        "kem.malformed",
      ],
      [
        "an X25519 point of small order",
        at(concat(whole.slice(0, enc - 32), new Uint8Array(32), whole.slice(enc))),
        "kem.malformed",
      ],
      ["one byte more", at(concat(whole, new Uint8Array(1))), "parcel.unopenable"],
      [
        "sender and recipient exchanged",
        at(whole, { sender: b.id, recipient: a.id }),
        "parcel.unopenable",
      ],
      ["not padded", at(padded(new Uint8Array(9))), "parcel.unopenable"],
      ["padded to more than the least size", at(padded(new Uint8Array(8192))), "parcel.unopenable"],
      [
        "padding that is not zero",
        at(padded(new Uint8Array(4096).fill(1, 4095))),
        "parcel.unopenable",
      ],
      ["another header for what was sealed", at(underOtherHeader()), "parcel.unopenable"],
      ["another sender", at(whole, { sender: b.id }), "parcel.unopenable"],
      ["another recipient", at(whole, { recipient: a.id }), "parcel.unopenable"],
      ["another KEM key", at(whole, { seed: encodeHex(a.kem.seed) }), "parcel.unopenable"],
      ["one bit of the encapsulation", at(flipBit(whole, 80)), "parcel.unopenable"],
      ["one bit of the nonce", at(flipBit(whole, 8 * enc)), "parcel.unopenable"],
      ["one bit of the ciphertext", at(flipBit(whole, 8 * (enc + 24))), "parcel.unopenable"],
      ["one bit of the tag", at(flipBit(whole, 8 * whole.length - 1)), "parcel.unopenable"],
      ["cut short", at(whole.slice(0, -1)), "parcel.unopenable"],
    ],
  }
}

export const parcel: Format = { run, cases }
