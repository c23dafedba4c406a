import { readFileSync } from "node:fs"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { safeAttachmentName } from "../../../node/order/attachment-name.ts"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { attachmentNameShape } from "../../../protocol/record/record.ts"
import { decodeShape } from "../../../protocol/shape.ts"
import { describeVectors, vectorPath } from "../../support/vectors.ts"

function attempt(name: string): string | null {
  try {
    return safeAttachmentName(name)
  } catch (error) {
    if (error instanceof ProtocolError && error.code === "name.refused") return null
    throw error
  }
}

function expectSafe(name: string): void {
  const safe = attempt(name)
  if (safe === null) return
  expect(decodeShape(attachmentNameShape, safe, "record.malformed")).toBe(safe)
  expect(safe).not.toMatch(/[/\\:*?"<>|%~$`]|\.\.|^[\s.-]|[\s.]$/)
  expect(safe).not.toMatch(/^(con|prn|aux|nul|com\d|lpt\d)\s*(\.|$)/i)
  expect(new TextEncoder().encode(safe).length).toBeLessThanOrEqual(255)
  expect(safe.normalize("NFC")).toBe(safe)
  expect(encodeCanonical(safe).length).toBeGreaterThan(2)
  expect(safeAttachmentName(safe)).toBe(safe)
}

describe("a name becomes one that can be saved anywhere", () => {
  test.each([
    ["report.pdf", "report.pdf"],
    ["Rapport d’été 2026.pdf", "Rapport d’été 2026.pdf"],
    ["تقرير.pdf", "تقرير.pdf"],
    ["评审报告.docx", "评审报告.docx"],
    ["../../etc/passwd", "etc_passwd"],
    ["..\\..\\windows\\system.ini", "windows_system.ini"],
    ["C:\\secret.txt:stream", "C__secret.txt_stream"],
    ["%2e%2e%2fetc", "2e_2e_2fetc"],
    ["CON", "file-CON"],
    ["nul.txt", "file-nul.txt"],
    ["COM¹.log", "file-COM¹.log"],
    [".htaccess", "htaccess"],
    ["-rf", "rf"],
    ["plan.pdf . .", "plan.pdf"],
    ["plan\u202efdp.exe", "planfdp.exe"],
    ["plan.txt\0.pdf", "plan.txt.pdf"],
    ["a\u2028b\u3000c", "ab c"],
  ])("%j", (name, safe) => {
    expect(safeAttachmentName(name)).toBe(safe)
    expectSafe(name)
  })

  test("a long name keeps its ending", () => {
    const safe = safeAttachmentName(`${"评".repeat(300)}.docx`)
    expect(safe).toMatch(/^评+\.docx$/)
    expectSafe(`${"评".repeat(300)}.docx`)
  })

  test.each(["", ".", "..", "...", "/", "\u202e", " ", "///", "\0", "‥", "\ud800"])(
    "nothing readable is left of %j",
    (name) => expect(attempt(name)).toBeNull(),
  )

  test("whatever the name, the result is safe and stays as it is", () => {
    const piece = fc.oneof(
      fc.constantFrom("..", "/", "\\", "CON", ".", "-", " ", "\u202e", "／", "․", "e\u200b\u0301"),
      fc.string({ unit: "binary", maxLength: 60 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => expectSafe(pieces.join(""))),
      { numRuns: 50 },
    )
  })
})

describeVectors("naughty strings as names", () => {
  test("each is refused or safe", () => {
    const strings = JSON.parse(readFileSync(vectorPath("text/blns.json"), "utf8")) as string[]
    expect(strings.length).toBeGreaterThan(400)
    strings.forEach(expectSafe)
  })
})
