import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { appendLeaves, emptyRange, rangeRoot } from "../../../protocol/log/compact-range.ts"
import { treeRoot } from "../../../protocol/log/merkle.ts"
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  parseTilePath,
  type Tile,
  tileHashes,
  tilesOf,
} from "../../../protocol/log/tile.ts"
import { leaves, refused, runs } from "./keys.ts"

describe("tile path", () => {
  test.each<[Tile, string]>([
    [{ level: 0, index: 0, width: 256 }, "tile/0/000"],
    [{ level: 0, index: 1234067, width: 256 }, "tile/0/x001/x234/067"],
    [{ level: 63, index: 999, width: 1 }, "tile/63/999.p/1"],
    [{ level: "entries", index: 1000, width: 255 }, "tile/entries/x001/000.p/255"],
  ])("%o is %s", (tile, path) => {
    expect(formatTilePath(tile)).toBe(path)
    expect(parseTilePath(path)).toEqual(tile)
  })

  test("parse inverts format", () => {
    const level = fc.oneof(fc.nat(63), fc.constant("entries" as const))
    const tile = fc.record({
      level,
      index: fc.maxSafeNat(),
      width: fc.integer({ min: 1, max: 256 }),
    })
    fc.assert(
      fc.property(tile, (t) => {
        expect(parseTilePath(formatTilePath(t))).toEqual(t)
      }),
      runs,
    )
  })

  test.each([
    "",
    "tile/64/000",
    "tile/00/000",
    "tile/01/000",
    "tile/-1/000",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/001/000",
    "tile/0/x001",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000.p/",
    "tile/0/../000",
    "/tile/0/000",
    "tile/0/000\n",
    "tile/names/000",
    "tile/0/x999/x999/x999/x999/x999/999",
  ])("%j is no tile", (path) => {
    expect(() => parseTilePath(path)).toThrow(refused("tile.malformed"))
  })
})

describe("tiles of a tree", () => {
  test("the specification's tree of 70,000 has the tiles that it says", () => {
    const tiles = [...tilesOf(70_000)].filter(({ level }) => level !== "entries")
    const partial = tiles.filter(({ width }) => width < 256)
    expect(tiles.length - partial.length).toBe(274)
    expect(partial).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ])
    expect([...tilesOf(256)].map(formatTilePath)).toEqual([
      "tile/entries/000",
      "tile/0/000",
      "tile/1/000.p/1",
    ])
  })

  test("growing step by step meets every tile of the last size", () => {
    const seen = new Set<string>()
    let size = 0
    for (const next of [1, 1, 255, 256, 300, 511, 512, 70_000]) {
      for (const tile of tilesOf(next, size)) seen.add(formatTilePath(tile))
      size = next
    }
    for (const tile of tilesOf(70_000)) expect(seen).toContain(formatTilePath(tile))
    expect([...tilesOf(300, 300)]).toEqual([])
    expect([...tilesOf(0)]).toEqual([])
  })

  test("hashes of a tile are the complete subtrees of its level", () => {
    const read = (level: number, index: number) => {
      const part = leaves.slice(index * 2 ** level, (index + 1) * 2 ** level)
      return part.length === 2 ** level ? treeRoot(part) : undefined
    }
    const [, full, rest, top] = [...tilesOf(300)].slice(1)
    expect.assert(full !== undefined && rest !== undefined && top !== undefined)
    expect(tileHashes(read, full)).toEqual(leaves.slice(0, 256))
    expect(tileHashes(read, rest)).toEqual(leaves.slice(256))
    const firstTile = rangeRoot(appendLeaves(emptyRange, leaves.slice(0, 256)))
    expect(tileHashes(read, top)).toEqual([firstTile])
    expect(() => tileHashes(read, { ...rest, width: 45 })).toThrow(RangeError)
    expect(() => tileHashes(read, { ...rest, level: "entries" })).toThrow(TypeError)
    expect(decodeTile(encodeTile(leaves.slice(0, 3)), 3)).toEqual(leaves.slice(0, 3))
    expect(() => decodeTile(new Uint8Array(95), 3)).toThrow(refused("tile.malformed"))
  })
})

describe("entry bundle", () => {
  test("decode inverts encode", () => {
    const bundle = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
    fc.assert(
      fc.property(bundle, (entries) => {
        expect(decodeEntryBundle(encodeEntryBundle(entries), entries.length)).toEqual(entries)
      }),
      runs,
    )
  })

  test("a bundle with anything cut, added or miscounted is refused", () => {
    const bytes = encodeEntryBundle([Uint8Array.of(1, 2), Uint8Array.of(3)])
    for (const [bad, width] of [
      [bytes, 1],
      [bytes, 3],
      [bytes.slice(0, -1), 2],
      [bytes.slice(0, 5), 2],
      [Uint8Array.of(...bytes, 0), 2],
      [Uint8Array.of(...bytes, 0), 3],
    ] as const)
      expect(() => decodeEntryBundle(bad, width)).toThrow(refused("tile.malformed"))
  })

  test("what no bundle can hold is our mistake", () => {
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(RangeError)
    expect(() => encodeEntryBundle(leaves)).toThrow(RangeError)
  })
})
