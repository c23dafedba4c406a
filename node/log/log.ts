import { encodeHex, utf8 } from "../../protocol/encoding.ts"
import { logVerifierKeys } from "../../protocol/log/checkpoint.ts"
import {
  proveConsistencyFrom,
  proveInclusionFrom,
  rangeRoot,
} from "../../protocol/log/compact-range.ts"
import { countWitnesses } from "../../protocol/log/cosignature.ts"
import { logOrigin } from "../../protocol/log/entry.ts"
import { formatVkey } from "../../protocol/log/note.ts"
import {
  encodeEntryBundle,
  encodeTile,
  formatTilePath,
  parseTilePath,
  type Tile,
  tilesOf,
  tileWidth,
} from "../../protocol/log/tile.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import { formatWitnessPolicy } from "../../protocol/log/witness-policy.ts"
import { logKeyOf, newestRoot } from "../../protocol/member/root.ts"
import { policyOf, witnessesOf } from "../../protocol/quorum.ts"
import { findPeer } from "../authority/peers.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { entriesFrom, fromNodes, type LogState, logOf, nodesFrom } from "../store/queries/logs.ts"
import { memberById } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"

/** Our own log, for other people's tools. docs/spec/log.md */
export type LogHead = {
  readonly origin: string
  readonly size: number
  readonly root: string
  readonly vkeys: readonly string[]
  /** names of the witnesses that have cosigned it, of those that the root document names */
  readonly cosignedBy: readonly string[]
  /** the signed checkpoint, C2SP tlog-checkpoint */
  readonly checkpoint: string
}

export async function logHead(context: Context): Promise<LogHead> {
  const log = await ownLog(context)
  const root = ownRoot(context)
  const keys = logVerifierKeys({ origin: log.origin, logKey: logKeyOf(root) })
  return {
    origin: log.origin,
    size: log.range.size,
    root: encodeHex(rangeRoot(log.range)),
    vkeys: keys.map(({ name, algorithm, publicKey }) => formatVkey(name, algorithm, publicKey)),
    cosignedBy: countWitnesses(log.checkpoint!, witnessesOf(root)).map(({ name }) => name),
    checkpoint: log.checkpoint!,
  }
}

async function ownLog(context: Context): Promise<LogState> {
  const log = await logOf(context.db, context.self.id)
  if (log === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "Our own log is missing.")
  return log
}

/** The newest checkpoint with the cosignatures that it has so far. */
export async function newestCheckpoint(context: Context): Promise<string> {
  return (await ownLog(context)).checkpoint!
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
 * Which keys sign a log and which witnesses its member asks for, ours or a peer's. C2SP tlog-policy
 *
 * @throws `peer.unknown`
 */
export async function logPolicy(
  context: Context,
  name?: string,
): Promise<{ readonly origin: string; readonly rootVersion: number; readonly policy: string }> {
  const id = name === undefined ? context.self.id : (await findPeer(context, name)).member
  const member = await memberById(context.db, id)
  if (member === null) throw new NodeError("store.corrupt", "Its root documents are missing.")
  const root = newestRoot(member).payload
  const origin = logOrigin(root.network, id, root.epoch)
  const policy = formatWitnessPolicy(policyOf(root, origin))
  return { origin, rootVersion: root.version, policy }
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
  for (const tile of tilesOf(log.range.size))
    yield { path: formatTilePath(tile), bytes: await readTile(db, log, tile) }
  yield { path: "checkpoint", bytes: utf8(log.checkpoint!) }
}

/** A tile of our log as it stands, partial ones of every width too; null beyond its end. C2SP tlog-tiles */
export async function logTile(context: Context, path: string): Promise<Uint8Array | null> {
  const log = await ownLog(context)
  const tile = parseTilePath(path)
  const leaves = tile.level === "entries" ? 1 : 256 ** tile.level
  const end = (tile.index * tileWidth + tile.width) * leaves
  return end > log.range.size ? null : readTile(context.db, log, tile)
}

async function readTile(db: Db, log: LogState, tile: Tile): Promise<Uint8Array> {
  const first = tile.index * tileWidth
  if (tile.level === "entries")
    return encodeEntryBundle(await entriesFrom(db, log.id, first, tile.width))
  const nodes = await nodesFrom(db, log.id, { level: 8 * tile.level, index: first }, tile.width)
  return encodeTile(nodes)
}
