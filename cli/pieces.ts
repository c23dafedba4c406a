import { deflateRawSync, inflateRawSync } from "node:zlib"
import { maxProposalBytes } from "../node/authority/ceremony.ts"
import { sha256 } from "../protocol/crypto/hash.ts"
import { encodeHex, equalBytes, utf8 } from "../protocol/encoding.ts"
import { UsageError } from "./usage-error.ts"

/**
 * A file as numbered pieces, each short enough for a QR code on a terminal of 80 columns, in characters
 * that it packs densely and that people can type. docs/spec/local.md#pieces
 */

const mark = "COMITY-PIECE:"
const bytesPerPiece = 320
const maxPieces = 999

/** @throws `usage.invalid` for more than 999 of them */
export function cut(file: Uint8Array): readonly string[] {
  const packed = deflateRawSync(file, { level: 9 })
  const count = Math.ceil(packed.length / bytesPerPiece)
  if (count > maxPieces)
    throw new UsageError("usage.invalid", `That makes ${count} pieces: carry the file instead.`)
  const digest = encodeHex(sha256(file)).toUpperCase()
  return Array.from({ length: count }, (_, i) => {
    const part = packed.subarray(i * bytesPerPiece, (i + 1) * bytesPerPiece)
    const text = `${i + 1}/${count}:${digest}:${encodeHex(part).toUpperCase()}`
    return `${mark}${text}:${checkOf(text)}.`
  })
}

function checkOf(text: string): string {
  return encodeHex(sha256(utf8(text)).subarray(0, 4)).toUpperCase()
}

/**
 * The file from its pieces, in any order, some perhaps twice, with any white space in them.
 *
 * @throws `piece.malformed`, `piece.foreign`, `piece.missing`
 */
export function join(text: string): Uint8Array {
  const pieces = text.replace(/\s/g, "").toUpperCase().split(mark).slice(1)
  if (pieces.length === 0) throw new UsageError("piece.missing", "There is no piece in that.")
  const read = pieces.map(readPiece)
  const { digest, count } = read[0]!
  const stranger = read.find((one) => one.digest !== digest || one.count !== count)
  if (stranger !== undefined)
    throw new UsageError(
      "piece.foreign",
      `Piece ${read[0]!.number}/${count} and piece ${stranger.number}/${stranger.count} are of two files.`,
      { hint: "The long number after the first colons tells which belong together." },
    )
  const parts = new Map(read.map(({ number, part }) => [number, part]))
  const numbers = Array.from({ length: count }, (_, i) => i + 1)
  const missing = numbers.filter((number) => !parts.has(number))
  if (missing.length > 0)
    throw new UsageError("piece.missing", `Of ${count} pieces, these are missing: ${missing}.`)
  const file = unpacked(Buffer.concat(numbers.map((number) => parts.get(number)!)))
  if (file === null || !equalBytes(sha256(file), Buffer.from(digest, "hex")))
    throw new UsageError("piece.malformed", "The pieces do not make the file that they name.", {
      hint: "Somebody has altered them: have them made again.",
    })
  return file
}

/** @throws `piece.malformed` */
function readPiece(text: string, place: number) {
  const [, body = "", number, count, digest = "", part = "", check] =
    /^(([1-9]\d{0,2})\/([1-9]\d{0,2}):([\dA-F]{64}):((?:[\dA-F]{2})+)):([\dA-F]{8})\./.exec(text) ??
    []
  if (check === undefined || check !== checkOf(body) || Number(number) > Number(count)) {
    const [named] = /^\d+\/\d+(?=:)/.exec(text) ?? []
    throw new UsageError(
      "piece.malformed",
      `Piece ${named ?? `in place ${place + 1}`} is not as it was printed.`,
      { hint: "Compare it with the paper, or scan it again. There are digits and A to F only." },
    )
  }
  return {
    number: Number(number),
    count: Number(count),
    digest,
    part: Buffer.from(part, "hex"),
  }
}

function unpacked(packed: Uint8Array): Uint8Array | null {
  try {
    return inflateRawSync(packed, { maxOutputLength: maxProposalBytes })
  } catch {
    return null
  }
}
