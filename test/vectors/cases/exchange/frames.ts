import { concat, encodeHex, u32be, utf8 } from "../../../../protocol/encoding.ts"
import {
  decodeEntries,
  decodeFrames,
  encodeEntries,
  encodeFrame,
  formatHead,
  framesHeader,
  frameTypes,
  parseHead,
} from "../../../../protocol/exchange/frames.ts"
import { seededRandom } from "../../../support/world.ts"
import { a } from "../../cast.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  insist,
  type Run,
  repeated,
  shown,
  text,
} from "../../format.ts"

const run: Run = async (input) => {
  if (input.head !== undefined) {
    const head = parseHead(text(input, "head"))
    insist(formatHead(head) === input.head, "frames.malformed")
    return head
  }
  if (input.entries !== undefined) {
    const { origin, start, entries } = decodeEntries(bytes(input, "entries"))
    const again = encodeEntries({ origin, start, entries })
    insist(encodeHex(again) === encodeHex(bytes(input, "entries")), "frames.malformed")
    return { origin, start, entries: entries.map(encodeHex) }
  }
  const found = bytes(input, "bytes")
  const frames = await decodeFrames(found)
  const again = [framesHeader(), ...frames.map((frame) => encodeFrame(frame.type, frame.bytes))]
  insist(again.map(encodeHex).join("") === input.bytes, "frames.malformed")
  return { frames: frames.map((frame) => ({ type: frame.type, bytes: encodeHex(frame.bytes) })) }
}

function cases(): Cases {
  const draw = seededRandom("vectors")
  const at = (...parts: readonly Uint8Array[]) => ({ bytes: shown(concat(...parts)) })
  const header = framesHeader()
  const types = Object.keys(frameTypes) as (keyof typeof frameTypes)[]
  const entries = {
    origin: a.origin,
    start: 3,
    entries: [1, 2].map((i) => new Uint8Array(33).fill(i)),
  }
  const entriesBytes = encodeEntries(entries)
  const head = { feed: filled(16, 0xfe), n: 3, size: 12 }
  const parcelHeader = concat(Uint8Array.of(4), u32be(9))
  return {
    about: "containers of frames; the content of an entries frame; the head of a feed",
    valid: [
      ["no frame", at(header)],
      ["one of each type", at(header, ...types.map((type, i) => encodeFrame(type, draw(i))))],
      ["entries", { entries: shown(entriesBytes) }],
      ["one frame without bytes", at(header, encodeFrame("sealed", new Uint8Array(0)))],
      [
        "the same frame twice",
        at(header, encodeFrame("keys", utf8("{}")), encodeFrame("keys", utf8("{}"))),
      ],
      [
        "one entry from the start",
        { entries: shown(encodeEntries({ ...entries, start: 0, entries: [new Uint8Array(33)] })) },
      ],
      [
        "the head of a long feed",
        { head: formatHead({ ...head, n: 9007199254740991, size: 9007199254740991 }) },
      ],
      ["head", { head: formatHead(head) }],
      ["head of a feed that has nothing", { head: formatHead({ ...head, n: 0, size: 0 }) }],
    ],
    hostile: [
      ["a container of another kind", at(utf8("comity/bundle\u0000\u0001")), "frames.malformed"],
      ["text for a container", at(utf8("HTTP/1.1 200 OK\r\n\r\n")), "frames.malformed"],
      ["one byte of the magic", at(header.slice(0, 1)), "frames.malformed"],
      ["the magic twice", at(header, header), "frames.malformed"],
      ["a type alone", at(header, Uint8Array.of(4)), "frames.malformed"],
      [
        "a byte behind the last frame",
        at(header, encodeFrame("keys", utf8("{}")), Uint8Array.of(4)),
        "frames.malformed",
      ],
      [
        "an unknown type behind good ones",
        at(header, encodeFrame("keys", utf8("{}")), Uint8Array.of(0xff), u32be(0)),
        "frames.malformed",
      ],
      [
        "a length in little-endian",
        at(header, Uint8Array.of(4, 1, 0, 0, 0, 0)),
        "frames.too-large",
      ],
      [
        "one byte longer than a frame may be",
        at(header, Uint8Array.of(4), u32be(8_454_145)),
        "frames.too-large",
      ],
      [
        "entries: a name longer than all",
        { entries: `ff${shown(entriesBytes).slice(2)}` },
        "frames.malformed",
      ],
      [
        "entries: a name one byte longer",
        { entries: `53${shown(entriesBytes).slice(2)}` },
        "frames.malformed",
      ],
      [
        "entries: a name that is no text",
        { entries: `02c0af${"00".repeat(8)}${"00".repeat(33)}` },
        "frames.malformed",
      ],
      ["entries: one byte more", { entries: `${shown(entriesBytes)}00` }, "frames.malformed"],
      [
        "entries: 4,097 of them",
        { entries: repeated("00", 1 + 8 + 33 * 4097) },
        "frames.malformed",
      ],
      ["entries: a start alone", { entries: "00".repeat(9) }, "frames.malformed"],
      ["head: nothing", { head: "" }, "frames.malformed"],
      ["head: a feed alone", { head: head.feed }, "frames.malformed"],
      [
        "head: a feed in capitals",
        { head: `${head.feed.toUpperCase()}, 3, 12` },
        "frames.malformed",
      ],
      ["head: a feed of 15 bytes", { head: `${head.feed.slice(2)}, 3, 12` }, "frames.malformed"],
      ["head: a sign", { head: `${head.feed}, +3, 12` }, "frames.malformed"],
      ["head: an exponent", { head: `${head.feed}, 3e0, 12` }, "frames.malformed"],
      ["head: a fraction", { head: `${head.feed}, 3.5, 12` }, "frames.malformed"],
      ["head: beyond 2⁵³", { head: `${head.feed}, 3, 9007199254740992` }, "frames.malformed"],
      ["head: a line feed behind", { head: `${head.feed}, 3, 12\n` }, "frames.malformed"],
      ["no bytes", at(), "frames.malformed"],
      ["half the magic", at(header.slice(0, 7)), "frames.malformed"],
      ["another version", at(header.slice(0, -1), Uint8Array.of(2)), "frames.malformed"],
      ["type 0", at(header, Uint8Array.of(0), u32be(0)), "frames.malformed"],
      ["a type that nobody defined", at(header, Uint8Array.of(11), u32be(0)), "frames.malformed"],
      ["ends inside a frame", at(header, parcelHeader, new Uint8Array(8)), "frames.malformed"],
      ["ends inside a length", at(header, parcelHeader.slice(0, 4)), "frames.malformed"],
      [
        "longer than any frame may be",
        at(header, Uint8Array.of(4), u32be(0xffffffff)),
        "frames.too-large",
      ],
      [
        "no entry",
        { entries: shown(encodeEntries({ ...entries, entries: [] })) },
        "frames.malformed",
      ],
      ["an entry of 32 bytes", { entries: shown(entriesBytes.slice(0, -1)) }, "frames.malformed"],
      ["an empty entries frame", { entries: "" }, "frames.malformed"],
      [
        "a start beyond 2⁵³",
        {
          entries: shown(
            concat(Uint8Array.of(1), utf8("a"), new Uint8Array(8).fill(255), new Uint8Array(33)),
          ),
        },
        "frames.malformed",
      ],
      ["a head with a leading zero", { head: `${head.feed}, 03, 12` }, "frames.malformed"],
      ["a head without spaces", { head: `${head.feed},3,12` }, "frames.malformed"],
      ["a head with a fourth part", { head: `${head.feed}, 3, 12, 1` }, "frames.malformed"],
      ["a head below zero", { head: `${head.feed}, -1, 12` }, "frames.malformed"],
    ],
  }
}

export const frames: Format = { run, cases }
