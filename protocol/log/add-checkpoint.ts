import { decodeBase64, encodeBase64 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"

/** What a log asks a witness to cosign. C2SP tlog-witness, add-checkpoint */
export type AddCheckpoint = {
  /** of the last checkpoint that the witness cosigned, as far as the log knows */
  readonly oldSize: number
  /** consistency from that size to the checkpoint's */
  readonly proof: readonly Uint8Array[]
  /** the signed checkpoint, verbatim */
  readonly checkpoint: string
}

export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  const lines = proof.map((hash) => `${encodeBase64(hash)}\n`).join("")
  return `old ${oldSize}\n${lines}\n${checkpoint}`
}

/**
 * The form alone: nothing of the checkpoint is looked at.
 *
 * @throws `witness.malformed`, also for more than 63 proof lines
 */
export function parseAddCheckpoint(text: string): AddCheckpoint {
  const end = text.indexOf("\n\n")
  const [oldLine = "", ...proofLines] = text.slice(0, Math.max(end, 0)).split("\n")
  if (proofLines.length > limits.proofLines) throw malformed("too many proof lines")
  const request: AddCheckpoint = {
    oldSize: Number(oldLine.slice("old ".length)),
    proof: proofLines.map(hashOf),
    checkpoint: text.slice(end + 2),
  }
  // One text for each request: signs, leading zeros and stray lines fail here.
  const isSane = Number.isSafeInteger(request.oldSize) && request.oldSize >= 0
  if (!isSane || formatAddCheckpoint(request) !== text) throw malformed("form")
  return request
}

function hashOf(line: string): Uint8Array {
  try {
    const hash = decodeBase64(line)
    if (hash.length === 32) return hash
  } catch {
    // no hash either
  }
  throw malformed("proof line")
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("witness.malformed", { detail })
}

/** The media type in which a witness answers 409 with the size that it knows. C2SP tlog-witness */
export const sizeMediaType = "text/x.tlog.size"

export function formatSize(size: number): string {
  return `${size}\n`
}

/** @throws `witness.malformed` */
export function parseSize(text: string): number {
  const size = Number(text.slice(0, -1))
  if (!Number.isSafeInteger(size) || size < 0 || formatSize(size) !== text) throw malformed("size")
  return size
}
