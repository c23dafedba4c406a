import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { logOps } from "../../cli/conform/log.ts"
import { ed25519PublicKey, signEd25519 } from "../../protocol/crypto/sign.ts"
import { decodeBase64, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { parseAddCheckpoint } from "../../protocol/log/add-checkpoint.ts"
import { formatCheckpoint, parseCheckpoint } from "../../protocol/log/checkpoint.ts"
import {
  appendLeaf,
  appendLeaves,
  completedNodes,
  emptyRange,
  type ReadNode,
  rangeRoot,
} from "../../protocol/log/compact-range.ts"
import { cosignatureMessage } from "../../protocol/log/cosignature.ts"
import {
  checkConsistency,
  checkInclusion,
  leafHash,
  proveConsistency,
  proveInclusion,
} from "../../protocol/log/merkle.ts"
import {
  formatVkey,
  type NoteSigner,
  openNote,
  parseNote,
  parseSignatures,
  parseVkey,
  signNote,
} from "../../protocol/log/note.ts"
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  parseTilePath,
  tileHashes,
  tilesOf,
} from "../../protocol/log/tile.ts"
import { describeVectors, vectorPath } from "../support/vectors.ts"

const read = (path: string) => readFileSync(vectorPath(path))
const readJson = (path: string): unknown => JSON.parse(read(path).toString())
const hex = (base64: string) => encodeHex(decodeBase64(base64))

describeVectors("transparency-dev Merkle proofs", () => {
  type Case = { proof: string[] | null; desc: string; wantErr: boolean; _file: string } & {
    _policy?: string
  }
  type Inclusion = Case & { leafIdx: number; treeSize: number; root: string; leafHash: string }
  type Consistency = Case & { size1: number; size2: number; root1: string; root2: string }
  const { inclusion, consistency } = readJson("merkle/proofs.json") as {
    inclusion: Inclusion[]
    consistency: Consistency[]
  }
  const decided = <T extends Case>(cases: T[]) => cases.filter((c) => c._policy === undefined)
  const proofOf = (c: Case) => (c.proof ?? []).map(hex)

  test.each(decided(inclusion).map((c) => [c._file, c] as const))("%s", (_file, c) => {
    const { leafIdx: leafIndex, treeSize } = c
    const hashes = { leafHash: hex(c.leafHash), root: hex(c.root), proof: proofOf(c) }
    expect(logOps["merkle.inclusion"]({ leafIndex, treeSize, ...hashes })).toBe(!c.wantErr)
  })

  test.each(decided(consistency).map((c) => [c._file, c] as const))("%s", (_file, c) => {
    const { size1, size2 } = c
    const hashes = { root1: hex(c.root1), root2: hex(c.root2), proof: proofOf(c) }
    expect(logOps["merkle.consistency"]({ size1, size2, ...hashes })).toBe(!c.wantErr)
  })

  test("from size 0 the rule is that of tlog-witness: an empty proof, and the empty root", () => {
    const open = consistency.filter((c) => c._policy !== undefined)
    expect(open.length).toBeGreaterThan(0)
    for (const c of open) {
      const { size1, size2 } = c
      const claim = { size1, size2, root1: hex(c.root1), root2: hex(c.root2), proof: proofOf(c) }
      const isEmptyRoot = claim.root1 === encodeHex(rangeRoot(emptyRange))
      const holds = isEmptyRoot && claim.proof.length === 0
      const isSame = size2 > 0 || claim.root1 === claim.root2
      expect(logOps["merkle.consistency"](claim)).toBe(holds && isSame)
    }
  })
})

describeVectors("signed notes of C2SP and Go", () => {
  type NoteCase = { name: string; vkeys: string[]; note: string; expect: "ok" | "reject" } & {
    verified?: string[]
    unverified?: string[]
    reason?: string
  }
  const vectors = readJson("tlog/signed-note.json") as {
    skey: string
    skey_signs: string
    skey_expected_note: string
    cases: NoteCase[]
  }

  test.each(vectors.cases.map((c) => [c.name, c] as const))("%s", (_name, c) => {
    const open = () => logOps["note.open"]({ text: c.note, vkeys: c.vkeys })
    if (c.expect === "reject") {
      const code = c.reason === "malformed" ? "note.malformed" : "note.unverified"
      expect(open).toThrow(expect.objectContaining({ code }))
      return
    }
    expect(open()).toEqual({ text: parseNote(c.note).text, names: c.verified })
    const { unverified } = openNote(c.note, c.vkeys.map(parseVkey))
    expect(unverified.map(({ name }) => name)).toEqual(c.unverified ?? [])
  })

  test("every vkey reads back the same", () => {
    for (const vkey of vectors.cases.flatMap(({ vkeys }) => vkeys)) {
      const { name, algorithm, publicKey } = parseVkey(vkey)
      expect(formatVkey(name, algorithm, publicKey)).toBe(vkey)
    }
  })

  test("Go's key gives Go's note", async () => {
    const [, , name = "", id = "", ...material] = vectors.skey.split("+")
    const seed = decodeBase64(material.join("+")).slice(1)
    const publicKey = ed25519PublicKey(seed)
    expect(formatVkey(name, 0x01, publicKey).split("+")[1]).toBe(id)
    const sign = (message: Uint8Array) => signEd25519(message, seed)
    const signer: NoteSigner = { name, algorithm: 0x01, publicKey, sign }
    expect(await signNote(vectors.skey_signs, [signer])).toBe(vectors.skey_expected_note)
  })
})

describeVectors("C2SP examples", () => {
  const examples = readJson("tlog/c2sp-examples.json") as {
    checkpoint: string
    cosigned_message: string
    add_checkpoint_request: string
    add_checkpoint_response: string
  }
  const { text } = parseNote(examples.checkpoint)

  test("the checkpoint is read, its body reads back the same", () => {
    expect(logOps["checkpoint.parse"]({ text })).toEqual({
      origin: "example.com/behind-the-sofa",
      size: 20852163,
      root: hex("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="),
    })
    expect(formatCheckpoint(parseCheckpoint(text))).toBe(text)
  })

  test("the cosigned message is the example's", () => {
    expect(cosignatureMessage(1679315147, text)).toEqual(utf8(examples.cosigned_message))
  })

  test("notes and lines of a witness's request and answer are read", () => {
    const { oldSize, proof, checkpoint } = parseAddCheckpoint(examples.add_checkpoint_request)
    expect([oldSize, proof.length]).toEqual([20852014, 4])
    const note = parseNote(checkpoint)
    expect(note.text).toBe(text)
    expect(note.signatures.length).toBe(2)
    expect(parseSignatures(examples.add_checkpoint_response)).toMatchObject([
      { name: "witness.example/w1" },
    ])
  })
})

describeVectors("a log of Tessera", () => {
  const file = (name: string) => read(`tlog/tessera-log/testdata/log/${name}`)
  const bytes = (name: string) => new Uint8Array(file(name))
  const sizes = Array.from({ length: 16 }, (_, size) => size)
  const checkpoints = sizes
    .filter((size) => size !== 0)
    .map((size) => parseCheckpoint(parseNote(file(`checkpoint.${size}`).toString()).text))

  const last = 15
  const entries = decodeEntryBundle(bytes(`tile/entries/000.p/${last}`), last)
  const leaves = entries.map(leafHash)

  test("every checkpoint's root is that of the entries and of the tiles at its size", () => {
    for (const { size, root } of checkpoints) {
      const bundle = decodeEntryBundle(bytes(`tile/entries/000.p/${size}`), size)
      expect(encodeEntryBundle(bundle)).toEqual(bytes(`tile/entries/000.p/${size}`))
      expect(rangeRoot(appendLeaves(emptyRange, bundle.map(leafHash)))).toEqual(root)
      const tile = decodeTile(bytes(`tile/0/000.p/${size}`), size)
      expect(rangeRoot(appendLeaves(emptyRange, tile))).toEqual(root)
      const input = { leaves: bundle.map(encodeHex) }
      expect(logOps["merkle.root"](input)).toBe(encodeHex(root))
    }
    const empty = parseCheckpoint(parseNote(file("checkpoint.0").toString()).text)
    expect(empty.root).toEqual(rangeRoot(emptyRange))
    expect(file("checkpoint")).toEqual(file(`checkpoint.${last}`))
  })

  test("our tiles of the same entries are its files, under the same paths", () => {
    const nodes = new Map<string, Uint8Array>()
    for (const { level, index, hash } of completedNodes(emptyRange, leaves).nodes)
      nodes.set(`${level}/${index}`, hash)
    const readNode: ReadNode = (level, index) => nodes.get(`${level}/${index}`)
    for (const size of sizes)
      for (const tile of tilesOf(size)) {
        const path = formatTilePath(tile)
        expect(parseTilePath(path)).toEqual(tile)
        if (tile.level === "entries")
          expect(encodeEntryBundle(entries.slice(0, size))).toEqual(bytes(path))
        else expect(encodeTile(tileHashes(readNode, tile))).toEqual(bytes(path))
      }
  })

  test("every entry is in every later tree, and every tree is a prefix of it", () => {
    let range = emptyRange
    for (const { size: treeSize, root } of checkpoints) {
      range = appendLeaf(range, leaves[treeSize - 1]!)
      expect(rangeRoot(range)).toEqual(root)
      for (let leafIndex = 0; leafIndex < treeSize; leafIndex++) {
        const proof = proveInclusion(leaves, leafIndex, treeSize)
        const claim = { leafIndex, treeSize, leafHash: leaves[leafIndex]!, root, proof }
        expect(checkInclusion(claim)).toBe(true)
      }
      for (const { size: size1, root: root1 } of checkpoints.slice(0, treeSize)) {
        const proof = proveConsistency(leaves, size1, treeSize)
        const claim = { size1, size2: treeSize, root1, root2: root, proof }
        expect(checkConsistency(claim)).toBe(true)
      }
    }
  })
})
