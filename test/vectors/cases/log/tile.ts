import { sha256 } from "../../../../protocol/crypto/hash.ts"
import { encodeHex } from "../../../../protocol/encoding.ts"
import { completedNodes, emptyRange } from "../../../../protocol/log/compact-range.ts"
import { leafHash } from "../../../../protocol/log/merkle.ts"
import {
  decodeEntryBundle,
  decodeTile,
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  parseTilePath,
  tileHashes,
  tilesOf,
} from "../../../../protocol/log/tile.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  type Input,
  insist,
  number,
  type Run,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  if (input.path !== undefined) {
    const tile = parseTilePath(text(input, "path"))
    insist(formatTilePath(tile) === input.path, "tile.malformed")
    return tile
  }
  if (input.bundle !== undefined) {
    const entries = decodeEntryBundle(bytes(input, "bundle"), number(input, "width"))
    insist(encodeHex(encodeEntryBundle(entries)) === input.bundle, "tile.malformed")
    return { entries: entries.map(encodeHex) }
  }
  if (input.tile !== undefined) {
    const hashes = decodeTile(bytes(input, "tile"), number(input, "width"))
    insist(encodeHex(encodeTile(hashes)) === input.tile, "tile.malformed")
    return { hashes: hashes.map(encodeHex) }
  }
  return { tiles: tilesOfLog(number(input, "size"), (input.since as number | undefined) ?? 0) }
}

/** Paths and digests of the tiles of a log whose i-th entry is 33 bytes of i mod 251. */
function tilesOfLog(size: number, since: number) {
  const entries = Array.from({ length: size }, (_, i) => new Uint8Array(33).fill(i % 251))
  const { nodes } = completedNodes(emptyRange, entries.map(leafHash))
  const stored = new Map(nodes.map(({ level, index, hash }) => [`${level} ${index}`, hash]))
  return [...tilesOf(size, since)].map((tile) => {
    const { level, index, width } = tile
    const content =
      level === "entries"
        ? encodeEntryBundle(entries.slice(256 * index, 256 * index + width))
        : encodeTile(tileHashes((at, i) => stored.get(`${at} ${i}`), tile))
    return { path: formatTilePath(tile), digest: encodeHex(sha256(content)) }
  })
}

function cases(): Cases {
  const path = (of: string): Input => ({ path: of })
  const code = "tile.malformed"
  const entry = `0021${filled(33, 7)}`
  return {
    about:
      "C2SP tlog-tiles: paths, tiles of hashes, bundles of entries, and the tiles of a log whose i-th entry is 33 bytes of i mod 251",
    valid: [
      ["a full tile", path("tile/0/000")],
      ["a partial tile", path("tile/0/001.p/5")],
      ["a tile beyond a thousand", path("tile/1/x001/234")],
      ["a tile beyond a million", path("tile/0/x001/x234/067.p/255")],
      ["the highest level", path("tile/63/000.p/1")],
      ["a bundle", path("tile/entries/000.p/4")],
      ["no entry", { bundle: "", width: 0 }],
      ["two entries", { bundle: entry + entry, width: 2 }],
      ["entries of other lengths", { bundle: `0000${entry}000101`, width: 3 }],
      ["two hashes", { tile: filled(64, 1), width: 2 }],
      ["a log of one", { size: 1 }],
      ["a log of 256", { size: 256 }],
      ["a log of 300", { size: 300 }],
      ["what is new since 256", { size: 300, since: 256 }],
      ["what is new since 299", { size: 300, since: 299 }],
      ["nothing new", { size: 300, since: 300 }],
    ],
    hostile: [
      ["no such level", path("tile/64/000"), code],
      ["a level below zero", path("tile/-1/000"), code],
      ["a level with a leading zero", path("tile/00/000"), code],
      ["two digits", path("tile/0/00"), code],
      ["a leading zero group", path("tile/0/x000/001"), code],
      ["no x", path("tile/0/001/234"), code],
      ["an x too many", path("tile/0/x001/x234"), code],
      ["width 0", path("tile/0/000.p/0"), code],
      ["width 256, partial", path("tile/0/000.p/256"), code],
      ["width 257", path("tile/0/000.p/257"), code],
      ["a width with a leading zero", path("tile/0/000.p/05"), code],
      ["a path that climbs", path("tile/0/../000"), code],
      ["a slash in front", path("/tile/0/000"), code],
      ["a slash behind", path("tile/0/000/"), code],
      ["a query", path("tile/0/000?x=1"), code],
      ["an escape", path("tile/0/%30%30%30"), code],
      ["a line feed behind", path("tile/0/000\n"), code],
      ["an index beyond 2⁵³", path("tile/0/x999/x999/x999/x999/x999/999"), code],
      ["another resource", path("checkpoint"), code],
      ["nothing", path(""), code],
      ["a bundle one byte short", { bundle: entry.slice(0, -2), width: 1 }, code],
      ["a bundle one byte long", { bundle: `${entry}00`, width: 1 }, code],
      ["a bundle of fewer entries", { bundle: entry, width: 2 }, code],
      ["a bundle of more entries", { bundle: entry + entry, width: 1 }, code],
      ["a bundle that ends in a length", { bundle: `${entry}00`, width: 2 }, code],
      ["a tile one byte short", { tile: filled(63, 1), width: 2 }, code],
      ["a tile of more hashes", { tile: filled(96, 1), width: 2 }, code],
      ["an empty tile", { tile: "", width: 1 }, code],
    ],
  }
}

export const tile: Format = { run, cases }
