import { ProtocolError } from "../errors.ts"

const lengthBytes = 8
const smallest = 4 * 1024
const lastDoubling = 256 * 1024

/**
 * The least padded size that holds a length field and `length` bytes: 4 KiB · 2ⁿ up to 256 KiB, then
 * Padmé (Nikitin et al., PoPETs 2019, §4), which costs at most 12 % and leaks O(log log L) bits.
 * PROTOCOL §3
 */
export function paddedSize(length: number): number {
  if (!Number.isSafeInteger(length) || length < 0) throw new RangeError("length to pad")
  const needed = lengthBytes + length
  let size = smallest
  while (size < needed && size < lastDoubling) size *= 2
  return needed <= size ? size : padme(needed)
}

function padme(length: number): number {
  const exponent = Math.floor(Math.log2(length))
  const step = 2 ** (exponent - (Math.floor(Math.log2(exponent)) + 1))
  return Math.ceil(length / step) * step
}

/** `u64be length ‖ bytes ‖ zeros` up to the padded size; sealed objects and parcels. PROTOCOL §3, §8 */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(paddedSize(bytes.length))
  fill(padded, [bytes], bytes.length)
  return padded
}

/**
 * Hands the padded form of `parts`, one after the other, to `use`, which keeps nothing of it: what is to
 * be sealed lies in one place, and is wiped from it. PROTOCOL §3
 */
export function withPadded<T>(parts: readonly Uint8Array[], use: (padded: Uint8Array) => T): T {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const size = paddedSize(length)
  const padded = size <= desk.length ? desk.subarray(0, size) : new Uint8Array(size)
  try {
    fill(padded, parts, length)
    return use(padded)
  } finally {
    padded.fill(0, 0, lengthBytes + length)
  }
}

/** All zeros but while something is sealed. */
const desk = new Uint8Array(lastDoubling)

function fill(padded: Uint8Array, parts: readonly Uint8Array[], length: number): void {
  const view = new DataView(padded.buffer, padded.byteOffset, lengthBytes)
  view.setUint32(0, Math.floor(length / 2 ** 32))
  view.setUint32(4, length >>> 0)
  let at = lengthBytes
  for (const part of parts) {
    padded.set(part, at)
    at += part.length
  }
}

/**
 * The bytes inside, as a view; any other padding than `pad` makes is refused, so that a size has one
 * meaning and no room is left for a hidden channel. PROTOCOL §3
 *
 * @throws `sealed.padding`
 */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < smallest) throw new ProtocolError("sealed.padding", { detail: "size" })
  const view = new DataView(padded.buffer, padded.byteOffset, lengthBytes)
  const length = view.getUint32(0) * 2 ** 32 + view.getUint32(4)
  const end = lengthBytes + length
  if (end > padded.length || paddedSize(length) !== padded.length)
    throw new ProtocolError("sealed.padding", { detail: "length" })
  if (!isZero(padded, end)) throw new ProtocolError("sealed.padding", { detail: "zeros" })
  return padded.subarray(lengthBytes, end)
}

/** Whether all is zero from `start` on: by words of four bytes, from where the buffer has one. */
function isZero(bytes: Uint8Array, start: number): boolean {
  const { buffer, byteOffset, length } = bytes
  let [bits, at] = [0, start]
  while (at < length && (byteOffset + at) % 4 !== 0) bits |= bytes[at++]!
  if (at === length) return bits === 0
  const words = new Int32Array(buffer, byteOffset + at, (length - at) >> 2)
  for (let i = 0; i < words.length; i++) bits |= words[i]!
  for (at += 4 * words.length; at < length; at++) bits |= bytes[at]!
  return bits === 0
}
