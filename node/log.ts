import { encodeHex, utf8 } from "../protocol/encoding.ts"
import { logVerifierKeys } from "../protocol/log/checkpoint.ts"
import {
  proveConsistencyFrom,
  proveInclusionFrom,
  rangeRoot,
} from "../protocol/log/compact-range.ts"
import { formatVkey } from "../protocol/log/note.ts"
import {
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  tileHashes,
  tilesOf,
  tileWidth,
} from "../protocol/log/tile.ts"
import { formatTlogProof } from "../protocol/log/tlog-proof.ts"
import { logKeyOf } from "../protocol/member/root.ts"
import { type Context, ownRoot } from "./context.ts"
import { NodeError } from "./errors.ts"
import { entriesFrom, fromNodes, type LogState, logOf } from "./store/queries/logs.ts"

/** Our own log, for other people's tools. docs/spec/log.md */
export type LogHead = {
  readonly origin: string
  readonly size: number
  readonly root: string
  readonly vkeys: readonly string[]
  readonly cosignedBy: readonly string[]
  /** the signed checkpoint, C2SP tlog-checkpoint */
  readonly checkpoint: string
}

export async function logHead(context: Context): Promise<LogHead> {
  const log = await ownLog(context)
  const keys = logVerifierKeys({ origin: log.origin, logKey: logKeyOf(ownRoot(context)) })
  return {
    origin: log.origin,
    size: log.range.size,
    root: encodeHex(rangeRoot(log.range)),
    vkeys: keys.map(({ name, algorithm, publicKey }) => formatVkey(name, algorithm, publicKey)),
    cosignedBy: [],
    checkpoint: log.checkpoint ?? "",
  }
}

async function ownLog(context: Context): Promise<LogState> {
  const log = await logOf(context.db, context.self.id)
  if (log === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "Our own log is missing.")
  return log
}

/** Inclusion of an entry under the newest checkpoint (C2SP tlog-proof). @throws `request.malformed` */
export async function logProof(
  context: Context,
  index: number,
): Promise<{ readonly index: number; readonly entry: string; readonly proof: string }> {
  const log = await ownLog(context)
  const size = log.range.size
  if (index >= size)
    throw new NodeError("request.malformed", `The log has ${size} entries, from 0 to ${size - 1}.`)
  const [entry] = await entriesFrom(context.db, log.id, index, 1)
  const proof = await fromNodes(context.db, log.id, (read) => proveInclusionFrom(read, index, size))
  return {
    index,
    entry: encodeHex(entry!),
    proof: formatTlogProof({ index, proof, checkpoint: log.checkpoint! }),
  }
}

/** That the newest tree continues that of `from` entries. RFC 6962 §2.1.2 */
export async function logConsistency(
  context: Context,
  from: number,
): Promise<{ readonly from: number; readonly size: number; readonly proof: readonly string[] }> {
  const log = await ownLog(context)
  const size = log.range.size
  if (from < 1 || from > size)
    throw new NodeError("request.malformed", `The log has ${size} entries: give 1 to ${size}.`)
  const proof = await fromNodes(context.db, log.id, (read) =>
    proveConsistencyFrom(read, from, size),
  )
  return { from, size, proof: proof.map(encodeHex) }
}

/**
 * The log as static files, for anyone's tools: `checkpoint`, and every tile. C2SP tlog-tiles
 *
 * @returns path → bytes, the checkpoint last, so that a reader never finds one ahead of its tiles
 */
export async function* logTiles(
  context: Context,
): AsyncGenerator<{ readonly path: string; readonly bytes: Uint8Array }> {
  const { db } = context
  const log = await ownLog(context)
  for (const tile of tilesOf(log.range.size)) {
    const first = tile.index * tileWidth
    const bytes =
      tile.level === "entries"
        ? encodeEntryBundle(await entriesFrom(db, log.id, first, tile.width))
        : encodeTile(await fromNodes(db, log.id, (read) => tileHashes(read, tile)))
    yield { path: formatTilePath(tile), bytes }
  }
  yield { path: "checkpoint", bytes: utf8(log.checkpoint!) }
}
