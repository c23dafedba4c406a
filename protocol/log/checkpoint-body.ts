import { decodeBase64, encodeBase64 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"

/** What a log says of itself: "at this size, this is my root". C2SP tlog-checkpoint */
export type Checkpoint = {
  readonly origin: string
  readonly size: number
  readonly root: Uint8Array
}

/** The three lines that are signed. C2SP tlog-checkpoint, Note text */
export function formatCheckpoint(checkpoint: Checkpoint): string {
  return `${checkpoint.origin}\n${checkpoint.size}\n${encodeBase64(checkpoint.root)}\n`
}

/**
 * Extension lines, which no member's log writes (PROTOCOL §7), are refused. C2SP tlog-checkpoint
 *
 * @throws `checkpoint.malformed`
 */
export function parseCheckpoint(text: string): Checkpoint {
  const checkpoint = findCheckpoint(text)
  if (checkpoint === null) throw new ProtocolError("checkpoint.malformed")
  return checkpoint
}

/** `parseCheckpoint`, or null for any other text. */
export function findCheckpoint(text: string): Checkpoint | null {
  const [origin = "", sizeText = "", rootText = ""] = text.split("\n", 3)
  const size = Number(sizeText)
  if (origin === "" || !Number.isSafeInteger(size) || rootText.length !== 44) return null
  const root = findBase64(rootText)
  if (root?.length !== 32) return null
  const checkpoint = { origin, size, root }
  // One text for each checkpoint: signs, leading zeros, exponents and further lines all fail here.
  return size >= 0 && formatCheckpoint(checkpoint) === text ? checkpoint : null
}

function findBase64(text: string): Uint8Array | null {
  try {
    return decodeBase64(text)
  } catch {
    return null
  }
}
