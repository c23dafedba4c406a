import { describe, expect, test } from "vitest"
import { displayWidth, formatTable } from "../../cli/table.ts"

describe("a table", () => {
  test("columns are aligned, without white space behind", () => {
    const lines = formatTable(
      ["NAME", "STATE"],
      [
        ["xb", "XB"],
        ["longer", "XC"],
      ],
    )
    expect(lines).toEqual(["NAME    STATE", "xb      XB", "longer  XC"])
  })

  test("wide characters count for two, combining ones for none", () => {
    expect(displayWidth("同行评审")).toBe(8)
    expect(displayWidth("cafe\u0301")).toBe(4)
    expect(displayWidth("👩🏽‍🔬")).toBe(2)
    const [header, row] = formatTable(["A", "B"], [["评审", "x"]])
    expect([header, row]).toEqual(["A     B", "评审  x"])
  })

  test("a right-to-left cell does not draw its neighbours into its order", () => {
    const [, row] = formatTable(["A", "B"], [["مراجعة", "12"]])
    expect(row).toBe("\u2068مراجعة\u2069  12")
  })

  test("a cell can neither leave its line nor close an isolate of ours", () => {
    const lines = formatTable(["A", "B"], [["مر\u2069\nx", "y"]])
    expect(lines).toHaveLength(2)
    expect(lines[1]!.match(/\u2069/g)).toHaveLength(1)
  })

  test("a short row and no rows are no error", () => {
    expect(formatTable(["A", "B"], [["1"]])).toEqual(["A  B", "1"])
    expect(formatTable(["A", "B"], [])).toEqual(["A  B"])
  })
})
