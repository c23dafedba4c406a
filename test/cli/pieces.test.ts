import { createHash } from "node:crypto"
import { encode } from "uqr"
import { describe, expect, test } from "vitest"
import { cut, join } from "../../cli/pieces.ts"
import { seededRandom } from "../support/world.ts"

const file = seededRandom("pieces")(1500)
const pieces = cut(file)
const other = cut(seededRandom("other pieces")(1500))

function codeOf(text: string): string {
  try {
    join(text)
    return "ok"
  } catch (cause) {
    return (cause as { code: string }).code
  }
}

test("pieces make the file again in any order, twice, in lower case and broken anywhere", () => {
  expect(pieces).toHaveLength(5)
  const typed = [...pieces.toReversed(), pieces[2]!].map((piece) =>
    piece.toLowerCase().replace(/(.{7})/g, "$1 \n"),
  )
  expect([...join(`from the safe\n${typed.join("\nand then\n")}`)]).toEqual([...file])
  expect([...join(cut(Buffer.alloc(100_000)).join(""))]).toEqual(Array(100_000).fill(0))
})

test("each is a QR code that a terminal of 80 columns shows whole", () => {
  const many = cut(seededRandom("many pieces")(320 * 998))
  expect(Math.max(...many.map(({ length }) => length))).toBe(many[997]!.length)
  expect(encode(many[997]!).size).toBeLessThanOrEqual(79)
  expect(() => cut(seededRandom("too many")(320 * 1000))).toThrow("carry the file instead")
})

describe("refused are", () => {
  const without = (at: number) => pieces.toSpliced(at, 1)
  const withOne = (at: number, piece: string) => pieces.with(at, piece).join("\n")
  const forged = pieces.map((piece) => underDigest(piece, other[0]!.split(":")[2]!)).join("\n")

  test.each([
    ["nothing", "", "piece.missing"],
    ["all but the first", without(0).join("\n"), "piece.missing"],
    ["all but the last", without(4).join("\n"), "piece.missing"],
    ["a piece of another file", withOne(3, other[3]!), "piece.foreign"],
    ["one piece more, of another file", [...pieces, other[0]!].join("\n"), "piece.foreign"],
    ["a slip in the data", withOne(1, slip(pieces[1]!, 120)), "piece.malformed"],
    ["a slip in the digest", withOne(1, slip(pieces[1]!, 30)), "piece.malformed"],
    ["another number", withOne(1, pieces[1]!.replace(":2/5:", ":3/5:")), "piece.malformed"],
    ["one cut short", withOne(4, pieces[4]!.slice(0, -1)), "piece.malformed"],
    ["a letter for a digit", withOne(0, slip(pieces[0]!, 120, "O")), "piece.malformed"],
    ["pieces under another file's digest", forged, "piece.malformed"],
  ])("%s", (_name, text, code) => {
    expect(codeOf(text)).toBe(code)
  })
})

function slip(piece: string, at: number, typed = piece[at] === "7" ? "4" : "7"): string {
  return piece.slice(0, at) + typed + piece.slice(at + 1)
}

/** By somebody who knows how a piece is checked. */
function underDigest(piece: string, digest: string): string {
  const [mark, place, , data] = piece.split(":")
  const body = `${place}:${digest}:${data}`
  const check = createHash("sha256").update(body).digest("hex").slice(0, 8).toUpperCase()
  return `${mark}:${body}:${check}.`
}
