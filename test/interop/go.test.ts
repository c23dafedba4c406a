import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { expect, test } from "vitest"
import { commitEntries } from "../../node/log/append.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { logHead, logTiles } from "../../node/log/log.ts"
import { entriesFrom, logOf } from "../../node/store/queries/logs.ts"
import { decodeBase64, encodeBase64, encodeHex } from "../../protocol/encoding.ts"
import { parseCheckpoint } from "../../protocol/log/checkpoint.ts"
import {
  completedNodes,
  emptyRange,
  proveConsistencyFrom,
  proveInclusionFrom,
  type ReadNode,
  rangeFrom,
  rangeRoot,
} from "../../protocol/log/compact-range.ts"
import { verifyCosignature, witnessKeys } from "../../protocol/log/cosignature.ts"
import { dummyEntry } from "../../protocol/log/entry.ts"
import { checkConsistency, checkInclusion, leafHash } from "../../protocol/log/merkle.ts"
import { formatVkey, openNote, parseVkey } from "../../protocol/log/note.ts"
import {
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  tileHashes,
  tilesOf,
  tileWidth,
} from "../../protocol/log/tile.ts"
import { formatTlogProof, verifyTlogProof } from "../../protocol/log/tlog-proof.ts"
import { parseWitnessPolicy } from "../../protocol/log/witness-policy.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { witnessesOf } from "../../protocol/quorum.ts"
import { network } from "../support/network.ts"
import { scratch } from "../support/scratch.ts"
import { nameWitnesses } from "../support/witnessing.ts"
import { flipBit } from "../support/world.ts"
import { describeGo } from "./go-tool.ts"

const entries = Array.from({ length: 300 }, (_, i) => dummyEntry(new Uint8Array(32), i))
const leaves = entries.map(leafHash)
const nodes = new Map(
  completedNodes(emptyRange, leaves).nodes.map(({ level, index, hash }) => [
    `${level}/${index}`,
    hash,
  ]),
)
const read: ReadNode = (level, index) => nodes.get(`${level}/${index}`)
const rootOf = (size: number) => rangeRoot(rangeFrom(read, size))

type Claim = {
  readonly kind: "inclusion" | "consistency"
  readonly index: number
  readonly old: number
  readonly size: number
  readonly leaf: string
  readonly from: string
  readonly root: string
  readonly proof: readonly string[] | null
}
const nothing = encodeBase64(new Uint8Array(32))

function inclusion(index: number, size: number): Claim {
  const proof = proveInclusionFrom(read, index, size).map(encodeBase64)
  const root = encodeBase64(rootOf(size))
  const leaf = encodeBase64(leaves[index]!)
  return { kind: "inclusion", index, old: 0, size, leaf, from: nothing, root, proof }
}

function consistency(old: number, size: number): Claim {
  const proof = proveConsistencyFrom(read, old, size).map(encodeBase64)
  const [from, root] = [encodeBase64(rootOf(old)), encodeBase64(rootOf(size))]
  return { kind: "consistency", index: 0, old, size, leaf: nothing, from, root, proof }
}

/** The claim with one bit changed, somewhere in what it is made of; which one depends on `pick`. */
function spoilt(claim: Claim, pick: number): Claim {
  const first = claim.kind === "inclusion" ? "leaf" : "from"
  const hashes = [claim[first], claim.root, ...(claim.proof ?? [])]
  const changed = hashes.map((hash, i) =>
    i === pick % hashes.length
      ? encodeBase64(flipBit(decodeBase64(hash), (pick * 37) % 256))
      : hash,
  )
  const [one = "", root = "", ...proof] = changed
  return { ...claim, [first]: one, root, proof }
}

/** Some places of a tree, at its edges and between. */
const sample = (below: number) =>
  [...new Set([0, 1, below >> 1, (below * 37) % 101, below - 2, below - 1])].filter(
    (n) => n >= 0 && n < below,
  )

describeGo("Go's sumdb packages", (tool) => {
  test("accept our proofs of every tree size to 300, and none with a changed bit", () => {
    const good: Claim[] = []
    for (let size = 1; size <= 300; size++) {
      for (const index of sample(size)) good.push(inclusion(index, size))
      for (const old of sample(size + 1)) if (old > 0) good.push(consistency(old, size))
    }
    const bad = good.map(spoilt)
    expect(tool().run(["proofs"], good)).toEqual(good.map(() => true))
    expect(tool().run(["proofs"], bad)).toEqual(bad.map(() => false))
  })

  test("read our exported log: its note, its cosignatures, its tiles and every entry", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Required<typeof net.nodes>
    await nameWitnesses(xa!, { add: ["xb"] })
    // Two full tiles on the lowest level, and a partial one.
    await commitEntries(xa!.context, entries.concat(entries).slice(0, 597), async () => {})
    await askWitnesses(xa!.context)
    const directory = scratch()
    for await (const { path, bytes } of logTiles(xa!.context)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), bytes)
    }
    const head = await logHead(xa!.context)
    const [vkey] = head.vkeys
    const { name } = newestRoot(xb!.context.self).payload.witnessKey
    const [witness] = witnessesOf(newestRoot(xa!.context.self).payload)
    const [cosigner] = witnessKeys(witness!)
    const input = { vkey, cosigners: [formatVkey(name, 0x04, cosigner.publicKey)] }
    const log = (await logOf(xa!.context.db, xa!.context.self.id))!
    const held = await entriesFrom(xa!.context.db, log.id, 0, 1000)
    expect(held).toHaveLength(600)
    expect(tool().run(["tiles", directory], input)).toEqual({
      origin: head.origin,
      size: 600,
      signed: [head.origin, name],
      cosigned: { [name]: net.clock.now / 1000 },
      // ML-DSA-44, which Go's package does not know.
      unverified: 2,
      entries: held.map(encodeHex),
    })
    for (const path of ["checkpoint", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]) {
      const bytes = readFileSync(join(directory, path))
      writeFileSync(join(directory, path), flipBit(new Uint8Array(bytes), 8 * 40 + 3))
      expect(() => tool().run(["tiles", directory], input), path).toThrow()
      writeFileSync(join(directory, path), bytes)
    }
    const path = join(directory, "tile/entries/001")
    writeFileSync(path, flipBit(new Uint8Array(readFileSync(path)), 8 * 1000))
    expect(() => tool().run(["tiles", directory], input)).toThrow()
  })

  test("make a log that we read: its notes, cosignatures, proofs of every size to 300, and tiles", () => {
    const directory = scratch()
    const origin = "go.example/log"
    const given = { origin, witness: "go.example/witness", time: 1_790_000_000 }
    const made = tool().run(["make", directory], {
      ...given,
      entries: entries.map(encodeHex),
    }) as {
      readonly vkey: string
      readonly cosigner: string
      readonly notes: readonly string[]
      readonly inclusion: readonly Claim[]
      readonly trees: readonly Claim[]
    }
    const keys = [made.vkey, made.cosigner].map(parseVkey)
    for (const [i, note] of made.notes.entries()) {
      const { text, verified } = openNote(note, keys)
      expect(verified.map(({ name }) => name)).toEqual([origin, given.witness])
      const size = i + 1
      expect(parseCheckpoint(text)).toEqual({ origin, size, root: rootOf(size) })
      expect(verifyCosignature(note, keys[1]!)).toEqual({ timestamp: given.time })
    }
    const hashes = (proof: Claim["proof"]) => (proof ?? []).map(decodeBase64)
    const policy = parseWitnessPolicy(`log ${made.vkey}\nwitness w ${made.cosigner}\nquorum w\n`)
    for (const { index, size, leaf, root, proof } of made.inclusion) {
      const claim = {
        leafIndex: index,
        treeSize: size,
        leafHash: decodeBase64(leaf),
        root: decodeBase64(root),
        proof: hashes(proof),
      }
      expect(checkInclusion(claim)).toBe(true)
      expect(claim.proof).toEqual(proveInclusionFrom(read, index, size))
      const text = formatTlogProof({
        index,
        proof: claim.proof,
        checkpoint: made.notes[size - 1]!,
      })
      expect(verifyTlogProof(text, claim.leafHash, policy)).toBe(true)
    }
    for (const { old, size, from, root, proof } of made.trees) {
      const claim = {
        size1: old,
        size2: size,
        root1: decodeBase64(from),
        root2: decodeBase64(root),
        proof: hashes(proof),
      }
      expect(checkConsistency(claim)).toBe(true)
      expect(claim.proof).toEqual(proveConsistencyFrom(read, old, size))
    }
    expect(made.inclusion.length + made.trees.length).toBeGreaterThan(1500)

    for (const tile of tilesOf(300)) {
      const first = tile.index * tileWidth
      const ours =
        tile.level === "entries"
          ? encodeEntryBundle(entries.slice(first, first + tile.width))
          : encodeTile(tileHashes(read, tile))
      const theirs = readFileSync(join(directory, formatTilePath(tile)))
      expect(new Uint8Array(theirs), formatTilePath(tile)).toEqual(ours)
    }
  })
})
