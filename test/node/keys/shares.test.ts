import fc from "fast-check"
import { expect, test } from "vitest"
import { publicRootKey } from "../../../node/authority/found.ts"
import { joinShares, splitRootKey } from "../../../node/keys/shares.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { codeOf, runs } from "../../support/refusal.ts"

const pair = { ed25519: new Uint8Array(32).fill(1), mldsa65: new Uint8Array(32).fill(2) }
const other = { ed25519: new Uint8Array(32).fill(3), mldsa65: new Uint8Array(32).fill(4) }

test("any k of n shares give the key back, in any order; fewer, or one share k times, do not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 0, max: 4 }),
      fc.nat(),
      async (threshold, more, order) => {
        const shares = await splitRootKey(pair, { threshold, shares: threshold + more })
        const chosen = shares
          .map((share, i) => ({ share, place: (i * 7 + order) % (threshold + more + 13) }))
          .sort((a, b) => a.place - b.place)
          .slice(0, threshold)
          .map(({ share }) => share)
        expect(await joinShares(chosen)).toEqual(pair)
        expect(await joinShares(shares)).toEqual(pair)
        expect(await codeOf(joinShares(chosen.slice(1)))).toBe("key.shares")
        const same = Array.from({ length: threshold }, () => chosen[0]!)
        expect(await codeOf(joinShares(same))).toBe("key.shares")
      },
    ),
    runs,
  )
})

test("shares of two keys, a damaged share, or one that lies about its threshold give nothing back", async () => {
  const shares = await splitRootKey(pair, { threshold: 3, shares: 5 })
  const [foreign] = await splitRootKey(other, { threshold: 3, shares: 5 })
  expect(await codeOf(joinShares([...shares.slice(0, 2), foreign!]))).toBe("key.shares")
  const edited = (change: object) =>
    shares.map((bytes) =>
      new TextEncoder().encode(
        JSON.stringify({ ...JSON.parse(new TextDecoder().decode(bytes)), ...change }),
      ),
    )
  const lying = edited({ threshold: 2 }).slice(0, 2)
  expect(await codeOf(joinShares(lying))).toBe("key.shares")
  const swapped = edited({ kid: kidOf(publicRootKey(other)) })
  expect(await codeOf(joinShares(swapped))).toBe("key.shares")
  expect(await codeOf(joinShares([]))).toBe("key.shares")
})
