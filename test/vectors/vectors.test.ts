import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { protocolErrorCodes } from "../../protocol/errors.ts"
import { cases } from "./cases.ts"
import { answer, type VectorFile } from "./formats.ts"
import { serialise, vectorFile, vectorFilePath } from "./generate.ts"

test("every format has its file, and every file its format", () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".json"))
  expect(files.sort()).toEqual(
    Object.keys(cases)
      .map((format) => `${format}.json`)
      .sort(),
  )
})

describe.each(Object.keys(cases))("vectors of %s", (format) => {
  const content = readFileSync(vectorFilePath(format), "utf8")
  const file = JSON.parse(content) as VectorFile

  test("the generator makes the same bytes again", async () => {
    expect(serialise(await vectorFile(format)) === content).toBe(true)
  })

  test.each(file.valid.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    expect(await answer(format, vector.input)).toEqual({ output: vector.output })
  })

  test.each(file.hostile.map((vector) => [vector.name, vector] as const))(
    "refused: %s",
    async (_, vector) => {
      expect(protocolErrorCodes).toContain(vector.code)
      expect(await answer(format, vector.input)).toEqual({ code: vector.code })
    },
  )
})
