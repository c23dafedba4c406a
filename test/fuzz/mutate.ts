import { encodeBase64url } from "../../protocol/encoding.ts"

/** New inputs from old ones: by bytes, by tokens, and along the structure where there is one. */
export type Draw = (below: number) => number

/** mulberry32: the same seed gives the same inputs. */
export function drawsFrom(seed: number): Draw {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const maxBytes = 64 * 1024
const oddBytes = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x20, 0x22, 0x5c, 0x2c, 0x3a, 0x30]

/** What breaks parsers of texts, whatever they parse. */
const tokens = [
  ...["{}", "[]", '""', "null", "true", "-0", "0.0", "1e400", "9007199254740993", "01", "\\u0000"],
  ...[
    "\\ud800",
    "\\",
    '"',
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "\u0000",
    "\uFEFF",
  ],
  ...["\u202E", "\u2028", "e\u0301", "\u00E9", "\uD83D\uDE00", "\uFFFF", "🇫🇮", "ｅ", "İ", "ß"],
  ...[
    "\r\n",
    "\n\n",
    "\t",
    " ",
    "  ",
    "— ",
    "+",
    "=",
    "==",
    ";",
    ",",
    ":",
    "?",
    "#",
    "%00",
    "%",
    "&",
  ],
  ...["../", "//", "/.", "\\\\", "@", "[::1]", "0x7f.1", "localhost", "comity", "/1", "-1", "0"],
  ...["AAAA", "A", "0".repeat(64), "f".repeat(63), "2026-02-30", "9999-12-31", "1970-01-01"],
  ...["*", "^", "(", ")", "NEAR", "OR", '"*', "--", "'", "$", "`", "<script>", "&lt;", "](", "!["],
  ...["none", "Ed25519", "ML-DSA-65", "operational", "exercise:", "training", "public", "any"],
]
const encoder = new TextEncoder()
const tokenBytes = tokens.map((token) => encoder.encode(token))

export function mutateBytes(seed: Uint8Array, pool: readonly Uint8Array[], draw: Draw): Uint8Array {
  let bytes = seed
  for (let rounds = 1 + draw(4); rounds > 0; rounds--) bytes = mutateOnce(bytes, pool, draw)
  return bytes.length > maxBytes ? bytes.slice(0, maxBytes) : bytes
}

function mutateOnce(bytes: Uint8Array, pool: readonly Uint8Array[], draw: Draw): Uint8Array {
  const at = draw(bytes.length + 1)
  switch (draw(11)) {
    case 0:
      return changed(bytes, draw, (byte) => byte ^ (1 << draw(8)))
    case 1:
      return changed(bytes, draw, () => oddBytes[draw(oddBytes.length)]!)
    case 2:
      return changed(bytes, draw, () => draw(256))
    case 3:
      return spliced(
        bytes,
        at,
        0,
        Uint8Array.from({ length: 1 + draw(8) }, () => draw(256)),
      )
    case 4:
      return spliced(bytes, at, draw(16), none)
    case 5:
      return spliced(bytes, at, 0, bytes.slice(at, at + 1 + draw(64)))
    case 6:
      return spliced(bytes, at, draw(2) * draw(8), tokenBytes[draw(tokenBytes.length)]!)
    case 7: {
      const other = pool[draw(pool.length)]!
      const from = draw(other.length + 1)
      return spliced(bytes, at, draw(32), other.slice(from, from + draw(128)))
    }
    case 8:
      return bytes.slice(0, at)
    case 9:
      return spliced(bytes, at, 0, repeated(bytes.slice(at, at + 1 + draw(8)), 1 << draw(12)))
    default: {
      const to = draw(bytes.length + 1)
      const [start, end] = at < to ? [at, to] : [to, at]
      const moved = bytes.slice(start, Math.min(end, start + 64))
      return spliced(spliced(bytes, start, moved.length, none), draw(bytes.length), 0, moved)
    }
  }
}

const none = new Uint8Array(0)

function changed(bytes: Uint8Array, draw: Draw, change: (byte: number) => number): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(change(0) & 255)
  const copy = bytes.slice()
  const at = draw(copy.length)
  copy[at] = change(copy[at]!) & 255
  return copy
}

function spliced(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const end = Math.min(bytes.length, at + remove)
  const result = new Uint8Array(at + insert.length + bytes.length - end)
  result.set(bytes.subarray(0, at))
  result.set(insert, at)
  result.set(bytes.subarray(end), at + insert.length)
  return result
}

function repeated(bytes: Uint8Array, times: number): Uint8Array {
  const count = Math.max(1, Math.min(times, Math.floor(maxBytes / Math.max(1, bytes.length))))
  const result = new Uint8Array(bytes.length * count)
  for (let i = 0; i < count; i++) result.set(bytes, i * bytes.length)
  return result
}

/** A JSON text that is still one, with another value somewhere, or a text that is none any more. */
export function mutateJson(seed: Uint8Array, pool: readonly Uint8Array[], draw: Draw): Uint8Array {
  const value = parsed(seed)
  if (value === undefined || draw(5) === 0) return mutateBytes(seed, pool, draw)
  let next: unknown = value
  for (let rounds = 1 + draw(3); rounds > 0; rounds--) next = changeOne(next, draw, 0)
  const text = JSON.stringify(sorted(next)) ?? "null"
  return encoder.encode(draw(12) === 0 ? loosened(text, draw) : text)
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}

/** The canonical order of keys, so that most inputs get past the first comparison. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  )
}

function changeOne(value: unknown, draw: Draw, depth: number): unknown {
  if (typeof value === "object" && value !== null && draw(depth + 2) < depth + 1) {
    const keys = Object.keys(value)
    if (keys.length > 0) {
      const key = keys[draw(keys.length)]!
      if (Array.isArray(value)) {
        const copy = [...value]
        copy[Number(key)] = changeOne(copy[Number(key)], draw, depth + 1)
        return copy
      }
      const members = value as Record<string, unknown>
      return { ...members, [key]: changeOne(members[key], draw, depth + 1) }
    }
  }
  return replaced(value, draw)
}

function replaced(value: unknown, draw: Draw): unknown {
  if (typeof value === "string" && draw(3) > 0) return changedText(value, draw)
  if (typeof value === "number" && draw(3) > 0)
    return [value + 1, value - 1, -value, value * 2 ** 30, 0, 2 ** 53, -1, 0.5][draw(8)]
  if (Array.isArray(value) && draw(3) > 0) return changedList(value, draw)
  if (typeof value === "object" && value !== null && draw(3) > 0) return changedObject(value, draw)
  const others = [null, true, false, 0, -1, 2 ** 53 - 1, 1.5, "", "x", [], {}, [[[[]]]], "é"]
  return draw(20) === 0 ? nested(draw(40)) : others[draw(others.length)]
}

function changedText(value: string, draw: Draw): string {
  const at = draw(value.length + 1)
  switch (draw(7)) {
    case 0:
      return value.slice(0, at) + tokens[draw(tokens.length)]! + value.slice(at)
    case 1:
      return value.slice(0, at) + value.slice(at + 1 + draw(4))
    case 2:
      return value.toUpperCase()
    case 3:
      return value.repeat(1 + draw(6)).slice(0, 20_000)
    case 4:
      return tokens[draw(tokens.length)]!
    case 5:
      return insideChanged(value, draw)
    default: {
      const alphabet = "0123456789abcdefABCDEFghxyz-_+/= "
      return value.slice(0, at) + alphabet[draw(alphabet.length)]! + value.slice(at + 1)
    }
  }
}

/** A payload or a header of a signed object: JSON once more. */
function insideChanged(value: string, draw: Draw): string {
  const inside = parsed(new Uint8Array(Buffer.from(value, "base64url")))
  if (inside === undefined) return value.split("").reverse().join("")
  const text = JSON.stringify(sorted(changeOne(inside, draw, 0))) ?? "null"
  return encodeBase64url(encoder.encode(draw(12) === 0 ? loosened(text, draw) : text))
}

function changedList(value: readonly unknown[], draw: Draw): unknown[] {
  const at = draw(value.length + 1)
  switch (draw(5)) {
    case 0:
      return value.toSpliced(at, 1)
    case 1:
      return value.toSpliced(at, 0, value[draw(value.length)])
    case 2:
      return value.toReversed()
    case 3:
      return Array.from({ length: 70 }, (_, i) => value[i % Math.max(1, value.length)])
    default:
      return [...value, ...value].slice(0, 2000)
  }
}

function changedObject(value: object, draw: Draw): object {
  const entries = Object.entries(value)
  const at = draw(entries.length + 1)
  switch (draw(4)) {
    case 0:
      return Object.fromEntries(entries.toSpliced(at, 1))
    case 1:
      return { ...value, [tokens[draw(tokens.length)]!]: entries[at]?.[1] ?? 1 }
    case 2:
      return Object.fromEntries(
        entries.map(([key, member], i) => [i === at ? `${key}x` : key, member]),
      )
    default:
      return Object.fromEntries(
        entries.map(([key], i) => [key, entries[(i + at) % entries.length]![1]]),
      )
  }
}

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

/** The same value in a form that is not the canonical one. */
function loosened(text: string, draw: Draw): string {
  switch (draw(5)) {
    case 0:
      return ` ${text}`
    case 1:
      return text.replace(/^\{("[^"]*":)/, "{$1null,$1")
    case 2:
      return text.replace(/":/, '": ')
    case 3:
      return text.replace(/[a-z]/, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)
    default:
      return text.replace(/\d+/, (digits) => `${digits}.0`)
  }
}

/** Lines exchanged, doubled, left out; then by bytes like anything else. */
export function mutateLines(seed: Uint8Array, pool: readonly Uint8Array[], draw: Draw): Uint8Array {
  const lines = Buffer.from(seed).toString("latin1").split("\n")
  const at = draw(lines.length)
  const other = Buffer.from(pool[draw(pool.length)]!).toString("latin1").split("\n")
  switch (draw(7)) {
    case 0:
      return bytesOf(lines.toSpliced(at, 1))
    case 1:
      return bytesOf(lines.toSpliced(at, 0, lines[draw(lines.length)]!))
    case 2:
      return bytesOf(lines.toSpliced(at, 1, other[draw(other.length)]!))
    case 3:
      return bytesOf(lines.toSpliced(at, 0, ...Array<string>(1 + draw(200)).fill(lines[at]!)))
    default:
      return mutateBytes(seed, pool, draw)
  }
}

function bytesOf(lines: readonly string[]): Uint8Array {
  return new Uint8Array(Buffer.from(lines.join("\n"), "latin1")).slice(0, maxBytes)
}
