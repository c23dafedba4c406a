import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { nodePrimitives } from "../../node/crypto-node.ts"
import { ingest } from "../../protocol/canonical.ts"
import { installPrimitives, portablePrimitives } from "../../protocol/crypto/primitives.ts"
import { openSealed } from "../../protocol/crypto/seal.ts"
import { concat, decodeUtf8, equalBytes, utf8 } from "../../protocol/encoding.ts"
import { type Verdict, verifyEvidence } from "../../protocol/evidence.ts"
import {
  encodeParcelContent,
  joinEpoch,
  openEpoch,
  openParcel,
  parcelEnc,
  sealParcel,
} from "../../protocol/exchange/parcel.ts"
import { verifyReceipts } from "../../protocol/exchange/receipt.ts"
import { limits } from "../../protocol/limits.ts"
import { verifyCheckpoint, verifyCheckpointStrict } from "../../protocol/log/checkpoint.ts"
import { verifyKeys } from "../../protocol/member/keys.ts"
import { logKeyOf, verifyRoots } from "../../protocol/member/root.ts"
import { decodeOrder, type OrderDocument } from "../../protocol/release/order.ts"
import { placeGrant } from "../../protocol/release/placed-grant.ts"
import { entryOf, verifyOrder, verifyRelease } from "../../protocol/verify.ts"
import { acceptedFlips, exhaustiveTimeout, flips, refusal, refusalOf } from "../support/refusal.ts"
import { evidenceOf, generalDigest, makeStory, storyOrigin } from "../support/story.ts"
import {
  makeMember,
  seededRandom,
  signReceipts,
  today,
  witnessEntry,
  witnessSigners,
} from "../support/world.ts"

/**
 * One of everything that is signed, sealed or hashed, with each bit of it flipped, taken the way that
 * a node takes it. By default one bit of each byte where all would take long: see `flips`.
 */

// ML-DSA in noble would take minutes here.
beforeAll(() => installPrimitives(nodePrimitives))
afterAll(() => installPrimitives(portablePrimitives))

const random = seededRandom("flipped bits")
const w1 = await makeMember({ seed: "flipped w1", state: "XC" })
const w2 = await makeMember({ seed: "flipped w2", state: "XD" })
const origin = await makeMember({
  seed: "flipped a",
  profiles: [generalDigest],
  fields: { quorum: 2, witnesses: [w1, w2].map(witnessEntry) },
})
const story = await makeStory({ origin })
const { claim, logged, holder, placed } = story
const cosigners = [w1, w2].flatMap(witnessSigners)
const log = { origin: origin.origin, logKey: logKeyOf(origin.root) }

test(
  "a root document",
  () => {
    const [first] = storyOrigin.roots
    expect(verifyRoots([first!]).id).toBe(storyOrigin.id)
    expect(acceptedFlips(first!, (flipped) => verifyRoots([flipped]), { every: 4 })).toEqual([])
  },
  exhaustiveTimeout,
)

test(
  "a keys document",
  () => {
    const take = (bytes: Uint8Array) => verifyKeys(bytes, origin.id, origin.root)
    expect(refusal(() => take(origin.keys))).toBeNull()
    expect(acceptedFlips(origin.keys, take)).toEqual([])
  },
  exhaustiveTimeout,
)

describe("an order", () => {
  const { bytes } = claim.order
  const take = (order: OrderDocument, places: readonly number[]) =>
    verifyOrder({ ...claim, order }, { ...logged, places }, holder)

  test(
    "whose log has it as it was",
    () => {
      const placesOf = (order: OrderDocument) =>
        [...story.log.entries.keys()].filter((index) =>
          equalBytes(story.log.entries[index]!, entryOf({ ...claim, order })),
        )
      const receive = (flipped: Uint8Array) => {
        const order = decodeOrder(flipped)
        return take(order, placesOf(order))
      }
      expect(refusal(() => receive(bytes))).toBeNull()
      expect(acceptedFlips(bytes, receive, { whole: 0 })).toEqual([])
    },
    exhaustiveTimeout,
  )

  test(
    "whose origin has logged the flipped one",
    () => {
      const receive = (flipped: Uint8Array) => take(decodeOrder(flipped), logged.places)
      expect(refusal(() => receive(bytes))).toBeNull()
      expect(acceptedFlips(bytes, receive, { whole: 0 })).toEqual([])
    },
    exhaustiveTimeout,
  )
})

test("a grant, its path and its place", () => {
  const [{ grant, bytes, path, position }] = placed as [(typeof placed)[number]]
  const take = (changes: Partial<(typeof placed)[number]>) =>
    verifyOrder({ ...claim, grants: [{ ...placed[0]!, ...changes }] }, logged, holder)
  const receive = (flipped: Uint8Array) =>
    take(
      placeGrant({
        grant: ingest(flipped, limits.grantBytes),
        path: path.map((hash) => Buffer.from(hash).toString("hex")),
        position,
      }),
    )
  expect(refusal(() => receive(bytes))).toBeNull()
  expect(grant.recipient).toBe(holder.recipient)
  expect(acceptedFlips(bytes, receive)).toEqual([])
  const whole = concat(...path)
  const receivePath = (flipped: Uint8Array) =>
    take({ path: path.map((_, i) => flipped.slice(32 * i, 32 * i + 32)) })
  expect(refusal(() => receivePath(whole))).toBeNull()
  expect(acceptedFlips(whole, receivePath)).toEqual([])
  for (let bit = 0; bit < 10; bit++)
    expect(refusal(() => take({ position: position ^ (1 << bit) }))).toBe("grant.path")
})

describe("a checkpoint", async () => {
  const own = utf8(await story.log.checkpoint())
  const witnessed = utf8(await story.log.checkpoint(undefined, cosigners))

  test(
    "by its log",
    () => {
      const take = (bytes: Uint8Array) => verifyCheckpoint(decodeUtf8(bytes), log)
      expect(take(own).checkpoint.size).toBe(story.log.entries.length)
      expect(acceptedFlips(own, take)).toEqual([])
    },
    exhaustiveTimeout,
  )

  test(
    "cosigned, in evidence: not a bit of a witness's line either",
    () => {
      const witnesses = [w1, w2].map(({ root }) => ({
        ...logKeyOf({ ...root, logKey: root.witnessKey }),
        name: root.witnessKey.name,
      }))
      const take = (bytes: Uint8Array) =>
        verifyCheckpointStrict(decodeUtf8(bytes), { ...log, witnesses })
      expect(take(witnessed).witnesses).toHaveLength(2)
      expect(acceptedFlips(witnessed, take, { every: 8, everyExhaustive: 1 })).toEqual([])
    },
    exhaustiveTimeout,
  )
})

describe("a sealed object", () => {
  const { sealed, contentKey } = story

  test("whose digest was signed", () => {
    const standing = verifyOrder(claim, logged, holder)
    const take = (bytes: Uint8Array) =>
      verifyRelease(standing, placed[0]!, [], { key: contentKey, sealed: bytes }, holder)
    expect(take(sealed).record).toEqual(story.record)
    for (const [bit, flipped] of flips(sealed))
      expect(
        refusal(() => take(flipped)),
        `bit ${bit}`,
      ).toBe("sealed.mismatch")
  })

  test("that was damaged before its digest was signed", () => {
    const commitmentBits = 8 * 32
    for (const [bit, flipped] of flips(sealed, { whole: sealed.length }))
      expect(
        refusal(() => openSealed(contentKey, 0, flipped)),
        `bit ${bit}`,
      ).toBe(bit < commitmentBits ? "sealed.uncommitted" : "sealed.unopenable")
  })
})

describe("a parcel", async () => {
  const { kem, id } = story.recipient
  const coins = random(64)
  const epoch = await openEpoch(origin.id, id, kem.publicKey, coins)
  const content = encodeParcelContent(utf8("{}"), [])
  const parcel = sealParcel(epoch, random(24), content)
  const encEnd = 1 + 1120
  const receive = async (bytes: Uint8Array) =>
    openParcel(await joinEpoch(origin.id, id, kem, parcelEnc(bytes)), bytes)

  test("under the secret that is shared already", () => {
    expect(openParcel(epoch, parcel)).toEqual(content)
    for (const [bit, flipped] of flips(parcel, { whole: parcel.length }))
      expect(
        refusal(() => openParcel(epoch, flipped)),
        `bit ${bit}`,
      ).toBe(bit < 8 ? "parcel.malformed" : "parcel.unopenable")
  })

  test(
    "from its encapsulation on",
    async () => {
      expect(await receive(parcel)).toEqual(content)
      for (const [bit, flipped] of flips(parcel.slice(0, encEnd), { whole: 0 })) {
        const code = await refusalOf(() => receive(concat(flipped, parcel.slice(encEnd))))
        const expected = bit < 8 ? ["parcel.malformed"] : ["parcel.unopenable", "kem.malformed"]
        expect(expected, `bit ${bit}`).toContain(code)
      }
    },
    exhaustiveTimeout,
  )
})

test("receipts", async () => {
  const item = { day: today, leaf: "1e".repeat(32), order: "11".repeat(16), state: "delivered" }
  const receipts = await signReceipts(origin, w1.id, [item as never])
  const take = (bytes: Uint8Array) =>
    verifyReceipts(bytes, { from: origin.id, to: w1.id, root: origin.root })
  expect(refusal(() => take(receipts))).toBeNull()
  expect(acceptedFlips(receipts, take)).toEqual([])
})

test(
  "an evidence file with its witnesses",
  async () => {
    const file = await evidenceOf(story, { cosigners })
    const verdict = (bytes: Uint8Array): Verdict => verifyEvidence(bytes, [{ id: origin.id }])
    expect(verdict(file).verdict).toBe("verified")
    const accepted: number[] = []
    for (const [bit, flipped] of flips(file, { every: 64, everyExhaustive: 8 })) {
      const { verdict: said, code } = verdict(flipped)
      if (said !== "failed" || code === undefined) accepted.push(bit)
    }
    expect(accepted).toEqual([])
  },
  exhaustiveTimeout,
)
