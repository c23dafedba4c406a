import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { concat, encodeHex, u32be, utf8 } from "../../../protocol/encoding.ts"
import {
  decodeEntries,
  decodeFrames,
  encodeEntries,
  encodeFrame,
  type Frame,
  type FrameType,
  formatHead,
  framesHeader,
  frameTypes,
  parseHead,
  readFrames,
} from "../../../protocol/exchange/frames.ts"
import { limits } from "../../../protocol/limits.ts"
import { refusal, refusalOf, runs } from "../../support/refusal.ts"

const types = Object.keys(frameTypes) as FrameType[]
const frame: fc.Arbitrary<Frame> = fc.record({
  type: fc.constantFrom(...types),
  bytes: fc.uint8Array({ maxLength: 40 }),
})
const container = (frames: readonly Frame[]) =>
  concat(framesHeader(), ...frames.map(({ type, bytes }) => encodeFrame(type, bytes)))

async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const length of lengths) {
    yield bytes.slice(at, at + length)
    at += length
  }
  yield bytes.slice(at)
}

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const one of readFrames(chunks)) frames.push(one)
  return frames
}
const plain = (frames: readonly Frame[]) =>
  frames.map(({ type, bytes }) => [type, encodeHex(bytes)])

describe("a stream of frames", () => {
  test("reads the same, however it was cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.nat(30), { maxLength: 12 }),
        async (frames, cuts) => {
          const bytes = container(frames)
          expect(plain(await read(cut(bytes, cuts)))).toEqual(plain(frames))
          expect(plain(await decodeFrames(bytes))).toEqual(plain(frames))
        },
      ),
      runs,
    )
  })

  test("reads the same byte by byte", async () => {
    const bytes = container(types.map((type, i) => ({ type, bytes: new Uint8Array(i).fill(i) })))
    const single = cut(
      bytes,
      Array.from(bytes, () => 1),
    )
    expect(plain(await read(single))).toEqual(plain(await decodeFrames(bytes)))
  })

  test("gives each frame as soon as it is whole: live is the same stream held open", async () => {
    const bytes = container([{ type: "head", bytes: utf8("x") }])
    let askedForMore = false
    async function* endless() {
      yield bytes
      askedForMore = true
      yield new Uint8Array(0)
    }
    const frames = readFrames(endless())
    expect((await frames.next()).value?.type).toBe("head")
    expect(askedForMore).toBe(false)
  })

  test("a frame keeps its bytes when the chunk they came in is used again", async () => {
    const chunk = container([{ type: "parcel", bytes: utf8("kept") }])
    const frames = readFrames(cut(chunk, []))
    const { value } = await frames.next()
    chunk.fill(0)
    expect((value as Frame).bytes).toEqual(utf8("kept"))
  })

  test("an end inside magic, header or frame is refused, at every byte", async () => {
    const bytes = container([{ type: "parcel", bytes: utf8("content") }])
    const whole = [bytes.length, framesHeader().length]
    for (let end = 0; end <= bytes.length; end++)
      expect(await refusalOf(() => decodeFrames(bytes.slice(0, end)))).toBe(
        whole.includes(end) ? null : "frames.malformed",
      )
  })

  test("another magic, version or type is refused as soon as it shows", async () => {
    const header = framesHeader()
    for (let at = 0; at < header.length; at++) {
      const other = header.slice()
      other[at]! ^= 1
      expect(await refusalOf(() => decodeFrames(other))).toBe("frames.malformed")
    }
    for (const type of [0, 11, 255])
      expect(await refusalOf(() => read(cut(concat(header, Uint8Array.of(type)), [])))).toBe(
        "frames.malformed",
      )
  })

  test("a length beyond the limit is refused before anything of that size is held", async () => {
    const claim = (length: number) => concat(framesHeader(), Uint8Array.of(4), u32be(length))
    expect(await refusalOf(() => decodeFrames(claim(limits.frameBytes + 1)))).toBe(
      "frames.too-large",
    )
    expect(await refusalOf(() => decodeFrames(claim(limits.frameBytes)))).toBe("frames.malformed")
    expect(() => encodeFrame("parcel", new Uint8Array(limits.frameBytes + 1))).toThrow(RangeError)
  })
})

describe("an entries frame", () => {
  const entries = fc.record({
    origin: fc.stringMatching(/^[a-z/:0-9]{0,100}$/),
    start: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 10_000 }),
    entries: fc.array(fc.uint8Array({ minLength: 33, maxLength: 33 }), {
      minLength: 1,
      maxLength: 5,
    }),
  })

  test("reads back what it wrote", () => {
    fc.assert(
      fc.property(entries, (one) => {
        expect(decodeEntries(encodeEntries(one))).toEqual(one)
      }),
      runs,
    )
  })

  test("cut anywhere but between entries it is refused with a code", () => {
    const bytes = encodeEntries({
      origin: "origin",
      start: 7,
      entries: [1, 2, 3].map((i) => new Uint8Array(33).fill(i)),
    })
    for (let end = 0; end <= bytes.length; end++) {
      const left = bytes.length - end
      const isWhole = left % 33 === 0 && left < 99
      expect(refusal(() => decodeEntries(bytes.slice(0, end))) === null).toBe(isWhole)
    }
  })

  test("at most 4,096 entries, and a start whose end is still a number", () => {
    const many = (count: number, start = 0) =>
      refusal(() =>
        decodeEntries(
          encodeEntries({
            origin: "o",
            start,
            entries: Array.from({ length: count }, () => new Uint8Array(33)),
          }),
        ),
      )
    expect(many(4096)).toBeNull()
    expect(many(4097)).toBe("frames.malformed")
    expect(many(1, Number.MAX_SAFE_INTEGER)).toBe("frames.malformed")
  })

  test("an origin that is no text is refused as no entries", () => {
    const bytes = encodeEntries({ origin: "ab", start: 0, entries: [new Uint8Array(33)] })
    bytes.set([0xc0, 0xaf], 1)
    expect(refusal(() => decodeEntries(bytes))).toBe("frames.malformed")
  })

  test("whatever the bytes, it fails with a code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        if (refusal(() => decodeEntries(bytes)) === null)
          expect(encodeEntries(decodeEntries(bytes))).toEqual(bytes)
      }),
      { numRuns: 20 * runs.numRuns },
    )
  })
})

describe("the head of a feed", () => {
  test("reads back what it wrote, and has one spelling", () => {
    const head = fc.record({
      feed: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(encodeHex),
      n: fc.maxSafeNat(),
      size: fc.maxSafeNat(),
    })
    fc.assert(
      fc.property(
        head,
        fc.constantFrom(" ", "0", "+", ",", "\n"),
        fc.nat(60),
        (one, put, place) => {
          const text = formatHead(one)
          expect(parseHead(text)).toEqual(one)
          const at = place % (text.length + 1)
          const spoilt = text.slice(0, at) + put + text.slice(at)
          if (refusal(() => parseHead(spoilt)) === null)
            expect(formatHead(parseHead(spoilt))).toBe(spoilt)
        },
      ),
      runs,
    )
  })

  test("another form is refused", () => {
    const feed = "fe".repeat(16)
    for (const text of [
      "",
      feed,
      `${feed}, 1`,
      `${feed}, 1, 2, 3`,
      `${feed},1,2`,
      `${feed}, 01, 2`,
      `${feed}, 1e3, 2`,
      `${feed}, -1, 2`,
      `${feed}, 1.5, 2`,
      `${feed.toUpperCase()}, 1, 2`,
      `${feed}, , 2`,
      `${feed}, 9007199254740993, 2`,
    ])
      expect(
        refusal(() => parseHead(text)),
        text,
      ).toBe("frames.malformed")
  })
})
