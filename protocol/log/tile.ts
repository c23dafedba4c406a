import { concat } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import type { ReadNode } from "./compact-range.ts"

/** Hashes, or entries, in a full tile. C2SP tlog-tiles */
export const tileWidth = 256

/** A row of hashes eight levels of the tree at a time, or of entries; partial below 256. C2SP tlog-tiles */
export type Tile = {
  readonly level: number | "entries"
  readonly index: number
  readonly width: number
}

/** `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`. C2SP tlog-tiles, APIs */
export function formatTilePath({ level, index, width }: Tile): string {
  const digits = String(index)
  const padded = digits.padStart(3 * Math.ceil(digits.length / 3), "0")
  // All groups of three but the last have an x, so that no file is another's directory.
  const elements = padded.replace(/\d{3}(?=\d)/g, "x$&/")
  return `tile/${level}/${elements}${width === tileWidth ? "" : `.p/${width}`}`
}

/** One path for each tile: other writings are refused. C2SP tlog-tiles, APIs. @throws `tile.malformed` */
export function parseTilePath(path: string): Tile {
  const [, levelText = "", elements = "", widthText = "256"] =
    (path.length <= 64 &&
      /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path)) ||
    []
  const tile: Tile = {
    level: levelText === "entries" ? levelText : Number(levelText),
    index: Number(elements.replace(/[x/]/g, "")),
    width: Number(widthText),
  }
  const isSane =
    (tile.level === "entries" || tile.level <= 63) &&
    Number.isSafeInteger(tile.index) &&
    tile.width >= 1 &&
    tile.width <= tileWidth
  if (!isSane || formatTilePath(tile) !== path) throw new ProtocolError("tile.malformed")
  return tile
}

/**
 * The tiles of a tree of `size` that a tree of `since` does not have yet in the same form, partial
 * ones last on their level, entry bundles first. C2SP tlog-tiles, Merkle Tree
 */
export function* tilesOf(size: number, since = 0): Generator<Tile, void, undefined> {
  if (size === since) return
  yield* rowOf("entries", size, since)
  for (let level = 0; size >= 256 ** level; level++)
    yield* rowOf(level, Math.floor(size / 256 ** level), Math.floor(since / 256 ** level))
}

function* rowOf(
  level: Tile["level"],
  hashes: number,
  since: number,
): Generator<Tile, void, undefined> {
  if (hashes === since) return
  const full = Math.floor(hashes / tileWidth)
  for (let index = Math.floor(since / tileWidth); index < full; index++)
    yield { level, index, width: tileWidth }
  const width = hashes % tileWidth
  if (width > 0) yield { level, index: full, width }
}

/**
 * The hashes of a tile, each a complete subtree of the tree. C2SP tlog-tiles, Merkle Tree
 *
 * @throws RangeError for a missing node
 */
export function tileHashes(read: ReadNode, tile: Tile): readonly Uint8Array[] {
  const { level, index, width } = tile
  if (level === "entries") throw new TypeError("entries are no hashes")
  return Array.from({ length: width }, (_, i) => {
    const hash = read(8 * level, index * tileWidth + i)
    if (hash === undefined) throw new RangeError("a node is missing")
    return hash
  })
}

/** The hashes one after another. C2SP tlog-tiles, Merkle Tree */
export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  return concat(...hashes)
}

/** C2SP tlog-tiles, Merkle Tree. @throws `tile.malformed` unless there are `width` hashes */
export function decodeTile(bytes: Uint8Array, width: number): readonly Uint8Array[] {
  if (bytes.length !== 32 * width) throw new ProtocolError("tile.malformed")
  return Array.from({ length: width }, (_, i) => bytes.slice(32 * i, 32 * (i + 1)))
}

/** Each entry behind its length in two bytes. C2SP tlog-tiles, Log entries */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length > tileWidth) throw new RangeError("more entries than a bundle holds")
  return concat(...entries.flatMap((entry) => [u16be(entry.length), entry]))
}

function u16be(value: number): Uint8Array {
  if (value > 0xffff) throw new RangeError("entry too long")
  return Uint8Array.of(value >> 8, value & 0xff)
}

/** C2SP tlog-tiles, Log entries. @throws `tile.malformed` unless there are exactly `width` entries */
export function decodeEntryBundle(bytes: Uint8Array, width: number): readonly Uint8Array[] {
  const entries: Uint8Array[] = []
  let at = 0
  while (at < bytes.length && entries.length < width) {
    const length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
    const end = at + 2 + length
    if (end > bytes.length) throw new ProtocolError("tile.malformed")
    entries.push(bytes.slice(at + 2, end))
    at = end
  }
  if (at !== bytes.length || entries.length !== width) throw new ProtocolError("tile.malformed")
  return entries
}
