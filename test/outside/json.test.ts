import { readdirSync, readFileSync } from "node:fs"
import { basename } from "node:path"
import { expect, test } from "vitest"
import { cryptoOps } from "../../cli/conform/crypto.ts"
import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import { refusal } from "../support/refusal.ts"
import { describeVectors, vectorPath } from "../support/vectors.ts"

describeVectors("RFC 8785, its authors' pairs", () => {
  const folder = vectorPath("jcs/testdata/input")
  test.each(readdirSync(folder))("%s", (name) => {
    const json = readFileSync(`${folder}/${name}`, "utf8")
    const output = readFileSync(vectorPath(`jcs/testdata/output/${name}`), "utf8")
    expect(cryptoOps.jcs({ json })).toBe(output)
    const hexFile = vectorPath(`jcs/testdata/outhex/${basename(name, ".json")}.txt`)
    const bytes = readFileSync(hexFile, "utf8").replace(/\s+/g, "")
    expect(encodeHex(encodeCanonical(JSON.parse(json)))).toBe(bytes)
  })
})

describeVectors("JSONTestSuite through strict ingest", () => {
  const folder = vectorPath("json-test-suite")
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"))
  const bytesOf = (name: string) => new Uint8Array(readFileSync(`${folder}/${name}`))
  const code = (bytes: Uint8Array) => refusal(() => ingest(bytes, limits.requestBytes))

  test("there are files of every kind", () => {
    for (const kind of ["y_", "n_", "i_"])
      expect(files.some((name) => name.startsWith(kind))).toBe(true)
  })

  test.each(files.filter((name) => name.startsWith("n_")))("%s is not JSON", (name) => {
    // Depth is settled before the parser sees the text.
    expect(["json.malformed", "json.profile"]).toContain(code(bytesOf(name)))
  })

  test.each(files.filter((name) => name.startsWith("y_")))("%s is JSON", (name) => {
    const bytes = bytesOf(name)
    // JSON, so never "malformed"; accepted exactly when it is of our profile and written as JCS.
    const verdict = code(bytes)
    expect(verdict).not.toBe("json.malformed")
    const canonical = encodeCanonical(JSON.parse(new TextDecoder().decode(bytes)))
    if (verdict === null) expect(encodeHex(canonical)).toBe(encodeHex(bytes))
    if (verdict === "json.noncanonical") expect(code(canonical)).not.toBe("json.malformed")
  })

  test.each(files.filter((name) => name.startsWith("i_")))(
    "%s is decided without a fault",
    (name) => {
      const bytes = bytesOf(name)
      const first = code(bytes)
      expect(code(bytes)).toBe(first)
      if (first === null)
        expect(encodeHex(encodeCanonical(ingest(bytes, bytes.length) as object))).toBe(
          encodeHex(bytes),
        )
    },
  )
})
