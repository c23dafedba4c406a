import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { concat, decodeUtf8, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { decodeShape, digest, integer, literal, object } from "../../protocol/shape.ts"
import type { Files } from "../env.ts"
import { NodeError } from "../errors.ts"

/**
 * How far our own log has come, kept outside the database: a database brought back from a backup, or
 * from a disk that lied about a sync, shows by it and signs nothing. DESIGN §4
 */
export type HighWater = { readonly epoch: number; readonly size: number; readonly root: string }

const name = "high-water"

const shape = object({
  type: literal("comity/high-water/v1"),
  n: integer(1, Number.MAX_SAFE_INTEGER),
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  size: integer(0, Number.MAX_SAFE_INTEGER),
  root: digest,
})

/**
 * Two places, written in turn where they stand, each with its digest: a file that is made anew for each
 * mark costs three syncs, and a power cut spoils only the place that is being written.
 */
const placeBytes = 4096

/** Counted, not compared by how far they are: a signer that peers let resume may begin again further back. */
type Place = HighWater & { readonly n: number }

/** Null before the first. @throws `store.corrupt` */
export function readHighWater(files: Pick<Files, "read">): HighWater | null {
  const bytes = files.read(name)
  if (bytes === null) return null
  const { epoch, size, root } = placesOf(bytes).newest
  return { epoch, size, root }
}

/** Between the commit of a checkpoint and its first showing; it has reached the disk on return. */
export function writeHighWater(files: Files, mark: HighWater): void {
  const bytes = files.read(name)
  if (bytes === null) {
    const place = encodePlace({ ...mark, n: 1 })
    files.write(name, concat(place, place))
  } else {
    const { newest, free } = placesOf(bytes)
    files.overwrite(name, free * placeBytes, encodePlace({ ...mark, n: newest.n + 1 }))
  }
}

/** The later of two, and where the next one goes. @throws `store.corrupt` */
function placesOf(bytes: Uint8Array): { readonly newest: Place; readonly free: 0 | 1 } {
  const isWhole = bytes.length === 2 * placeBytes
  const first = isWhole ? decodePlace(bytes.subarray(0, placeBytes)) : null
  const second = isWhole ? decodePlace(bytes.subarray(placeBytes)) : null
  if (first !== null && (second === null || second.n < first.n)) return { newest: first, free: 1 }
  if (second !== null) return { newest: second, free: 0 }
  throw new NodeError("store.corrupt", "The high-water file is damaged.", {
    hint: "Keep a copy of the home and run comity doctor; do not delete the file.",
  })
}

/** A line of JSON, one with its digest, and blanks. */
function encodePlace({ n, epoch, size, root }: Place): Uint8Array {
  const line = encodeCanonical({ type: "comity/high-water/v1", n, epoch, size, root })
  const place = new Uint8Array(placeBytes).fill(blank)
  place.set(concat(line, utf8(`\n${encodeHex(sha256(line))}\n`)))
  return place
}

const blank = 0x20

function decodePlace(place: Uint8Array): Place | null {
  try {
    const [line = "", hash] = decodeUtf8(place).split("\n")
    if (encodeHex(sha256(utf8(line))) !== hash) return null
    return decodeShape(shape, ingest(utf8(line), 4096), "json.profile")
  } catch (cause) {
    if (cause instanceof ProtocolError) return null
    throw cause
  }
}

/** Whether the database is not where the file says that it has been. */
export function isBehind(highWater: HighWater | null, state: HighWater): boolean {
  if (highWater === null || state.epoch > highWater.epoch) return false
  if (state.epoch < highWater.epoch || state.size < highWater.size) return true
  return state.size === highWater.size && state.root !== highWater.root
}
