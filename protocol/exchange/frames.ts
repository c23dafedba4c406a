import { recode } from "../canonical.ts"
import { concat, decodeUtf8, u64be, utf8 } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"

/**
 * One container for feed, push, bundle and relay: magic, version, then frames of
 * `type u8 ‖ length u32be ‖ bytes`. docs/spec/frames.md, PROTOCOL.md §8
 */
export const framesMediaType = "application/vnd.comity.frames"
const magic = concat(utf8("comity/frames"), Uint8Array.of(0x00, 0x01))

export const frameTypes = {
  checkpoint: 1,
  proofPath: 2,
  entries: 3,
  parcel: 4,
  sealed: 5,
  evidence: 6,
  root: 7,
  keys: 8,
  receipts: 9,
  head: 10,
} as const
export type FrameType = keyof typeof frameTypes
export type Frame = { readonly type: FrameType; readonly bytes: Uint8Array }

const names = new Map<number, FrameType>(
  Object.entries(frameTypes).map(([name, code]) => [code, name as FrameType]),
)

export function framesHeader(): Uint8Array {
  return magic.slice()
}

/** Of a frame before its bytes: type and length. */
export const frameHeaderBytes = 5

/** What stands before the bytes of a frame. */
export function frameHeader(type: FrameType, length: number): Uint8Array {
  if (length > limits.frameBytes) throw new RangeError("frame")
  return Uint8Array.of(frameTypes[type], length >>> 24, length >>> 16, length >>> 8, length)
}

export function encodeFrame(type: FrameType, bytes: Uint8Array): Uint8Array {
  return concat(frameHeader(type, bytes.length), bytes)
}

/**
 * The frames of a stream, as they arrive, however it is cut into chunks: views of the chunks, which are
 * not to be written to again.
 *
 * @throws `frames.malformed` for another magic, an unknown type or an end inside a frame;
 * `frames.too-large`
 */
export async function* readFrames(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Frame, void, undefined> {
  /** what has come of a frame, or of the magic, that is not whole yet */
  let part: Uint8Array = new Uint8Array(0)
  let held = 0
  let needed = 0
  let isOpened = false
  let count = 0
  for await (const chunk of chunks)
    for (let rest = chunk; rest.length > 0; ) {
      // No more than is missing: the frames behind it stay where they came.
      const more = held === 0 ? rest : rest.subarray(0, needed - held)
      if (held > 0) part = appended(part, held, more, needed)
      const bytes = held === 0 ? rest : part.subarray(0, held + more.length)
      needed = isOpened ? frameEnd(bytes) : magic.length
      if (bytes.length < needed) {
        if (held === 0) part = rest
        held = bytes.length
        rest = rest.subarray(more.length)
        continue
      }
      rest = rest.subarray(needed - held)
      held = 0
      if (!isOpened) {
        if (magic.some((byte, i) => bytes[i] !== byte)) throw new ProtocolError("frames.malformed")
        isOpened = true
        continue
      }
      if (++count > limits.framesPerStream) throw new ProtocolError("frames.too-large")
      yield { type: names.get(bytes[0]!)!, bytes: bytes.subarray(frameHeaderBytes, needed) }
    }
  if (!isOpened || held > 0) throw new ProtocolError("frames.malformed", { detail: "cut short" })
}

/**
 * Room doubles, up to what is needed: of a frame that comes byte by byte no byte costs an object, or a copy
 * of all before, and none that is only announced costs its room.
 */
function appended(part: Uint8Array, held: number, more: Uint8Array, needed: number): Uint8Array {
  const length = held + more.length
  if (part.length >= length) {
    part.set(more, held)
    return part
  }
  const room = new Uint8Array(Math.min(needed, Math.max(2 * held, length)))
  room.set(part.subarray(0, held))
  room.set(more, held)
  return room
}

/** How many bytes the frame at the start of `bytes` needs, as far as they tell yet. */
function frameEnd(bytes: Uint8Array): number {
  if (!names.has(bytes[0]!)) throw new ProtocolError("frames.malformed")
  if (bytes.length < frameHeaderBytes) return frameHeaderBytes
  const length = ((bytes[1]! << 24) | (bytes[2]! << 16) | (bytes[3]! << 8) | bytes[4]!) >>> 0
  if (length > limits.frameBytes) throw new ProtocolError("frames.too-large")
  return frameHeaderBytes + length
}

/** All frames of a container that is held whole, at most `most`. @throws as readFrames */
export async function decodeFrames(
  bytes: Uint8Array,
  most: number = limits.framesPerStream,
): Promise<readonly Frame[]> {
  async function* whole() {
    yield bytes
  }
  const frames: Frame[] = []
  for await (const frame of readFrames(whole())) {
    if (frames.length >= most) throw new ProtocolError("frames.too-large")
    frames.push(frame)
  }
  return frames
}

const entryBytes = 33

/** Entries of one log from `start` on: `u8 length ‖ origin ‖ u64be start ‖ 33-byte entries`. */
export type EntriesFrame = {
  readonly origin: string
  readonly start: number
  readonly entries: readonly Uint8Array[]
}

export function encodeEntries({ origin, start, entries }: EntriesFrame): Uint8Array {
  const name = utf8(origin)
  return concat(Uint8Array.of(name.length), name, u64be(start), ...entries)
}

/** @throws `frames.malformed` */
export function decodeEntries(bytes: Uint8Array): EntriesFrame {
  const nameLength = bytes[0] ?? 0
  const at = 1 + nameLength + 8
  const count = (bytes.length - at) / entryBytes
  if (!Number.isInteger(count) || count < 1 || count > limits.entriesPerFrame)
    throw new ProtocolError("frames.malformed", { detail: "entries" })
  const start = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(
    1 + nameLength,
  )
  if (start > BigInt(Number.MAX_SAFE_INTEGER - limits.entriesPerFrame))
    throw new ProtocolError("frames.malformed", { detail: "entries" })
  return {
    origin: recode("frames.malformed", () => decodeUtf8(bytes.subarray(1, 1 + nameLength))),
    start: Number(start),
    entries: Array.from({ length: count }, (_, i) =>
      bytes.slice(at + i * entryBytes, at + (i + 1) * entryBytes),
    ),
  }
}

/** Where a feed ends: also the `comity-head` header, as `feed, n, size`. */
export type FeedHead = { readonly feed: string; readonly n: number; readonly size: number }

export function formatHead({ feed, n, size }: FeedHead): string {
  return `${feed}, ${n}, ${size}`
}

/** @throws `frames.malformed` */
export function parseHead(text: string): FeedHead {
  const [feed = "", n = "", size = ""] = text.split(", ")
  const head = { feed, n: Number(n), size: Number(size) }
  const isSane =
    /^[0-9a-f]{32}$/.test(feed) &&
    Number.isSafeInteger(head.n) &&
    head.n >= 0 &&
    Number.isSafeInteger(head.size) &&
    head.size >= 0
  if (!isSane || formatHead(head) !== text)
    throw new ProtocolError("frames.malformed", { detail: "head" })
  return head
}
