import { createPublicKey } from "node:crypto"
import { verifyTLogInclusion } from "@sigstore/verify/dist/tlog/index.js"
import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { exportProof } from "../../node/log/evidence.ts"
import { decodeBase64url, decodeHex } from "../../protocol/encoding.ts"
import { verifierKey } from "../../protocol/log/note.ts"
import { parseTlogProof } from "../../protocol/log/tlog-proof.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { network, type TestNode } from "../support/network.ts"
import { nameWitnesses, release } from "../support/witnessing.ts"
import { flipBit } from "../support/world.ts"

type Entry = Parameters<typeof verifyTLogInclusion>[0]
type Authority = Parameters<typeof verifyTLogInclusion>[1][number]

/** Sigstore's client verifies checkpoints of its own logs; it asks no more of them than C2SP says. */
async function proven() {
  const net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  await nameWitnesses(xa, { add: ["xb"] })
  const records: string[] = []
  for (const title of ["One", "Two", "Three"]) records.push((await release(xa, title, "xb")).record)
  await askWitnesses(xa.context)
  await sync(xb.context)
  const { origin, entry, proof } = await exportProof(xb.context, records[1]!)
  const { logKey } = newestRoot(xa.context.self).payload
  const publicKey = decodeBase64url(logKey.ed25519)
  await net.close()
  return { origin, entry: decodeHex(entry), publicKey, ...parseTlogProof(proof) }
}

/** SubjectPublicKeyInfo of an Ed25519 key. RFC 8410 */
const spki = (key: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key]),
    format: "der",
    type: "spki",
  })

test("Sigstore's verifier accepts our cosigned checkpoint and inclusion proof, and no changed one", async () => {
  const { origin, index, entry, publicKey, proof, checkpoint } = await proven()
  const keyId = Buffer.from(verifierKey(origin, 0x01, publicKey).keyId)
  const authority = (key: Uint8Array) =>
    ({ logID: keyId, publicKey: spki(key), baseURL: origin }) as unknown as Authority
  const check = (
    changes: { entry?: Uint8Array; index?: number; proof?: readonly Uint8Array[]; note?: string },
    key: Uint8Array = publicKey,
  ) => {
    const inclusionProof = {
      logIndex: String(changes.index ?? index),
      hashes: (changes.proof ?? proof).map((hash) => Buffer.from(hash)),
      checkpoint: { envelope: changes.note ?? checkpoint },
    }
    const canonicalizedBody = Buffer.from(changes.entry ?? entry)
    const shown = { logId: { keyId }, inclusionProof, canonicalizedBody }
    verifyTLogInclusion(shown as unknown as Entry, [authority(key)])
  }
  const refused = expect.objectContaining({ code: "TLOG_INCLUSION_PROOF_ERROR" })
  expect(() => check({})).not.toThrow()
  expect(() => check({ entry: flipBit(entry, 100) })).toThrow(refused)
  expect(() => check({ index: index + 1 })).toThrow(refused)
  for (const [i, hash] of proof.entries())
    expect(() => check({ proof: proof.with(i, flipBit(hash, 9)) })).toThrow(refused)
  expect(() => check({ note: checkpoint.replace(/\n(\d+)\n/, "\n1$1\n") })).toThrow(refused)
  expect(() =>
    check({}, decodeHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")),
  ).toThrow(refused)
})
