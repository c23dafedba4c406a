import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
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
  epoch: integer(1, Number.MAX_SAFE_INTEGER),
  size: integer(0, Number.MAX_SAFE_INTEGER),
  root: digest,
})

/** Null before the first. @throws `store.corrupt` */
export function readHighWater(files: Files): HighWater | null {
  const bytes = files.read(name)
  if (bytes === null) return null
  try {
    const { epoch, size, root } = decodeShape(shape, ingest(bytes, 4096), "json.profile")
    return { epoch, size, root }
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new NodeError("store.corrupt", "The high-water file is damaged.", {
      hint: "Keep a copy of the home and run comity doctor; do not delete the file.",
      cause,
    })
  }
}

/** Between the commit of a checkpoint and its first showing; it has reached the disk on return. */
export function writeHighWater(files: Files, { epoch, size, root }: HighWater): void {
  files.write(name, encodeCanonical({ type: "comity/high-water/v1", epoch, size, root }))
}

/** Whether the database is not where the file says that it has been. */
export function isBehind(highWater: HighWater | null, state: HighWater): boolean {
  if (highWater === null || state.epoch > highWater.epoch) return false
  if (state.epoch < highWater.epoch || state.size < highWater.size) return true
  return state.size === highWater.size && state.root !== highWater.root
}
