import { readdirSync, readFileSync } from "node:fs"
import { describe, expect, test } from "vitest"
import { protocolErrorCodes } from "../../protocol/errors.ts"
import { resolve, type VectorFile } from "./format.ts"
import { answer, formats } from "./formats.ts"
import { serialise, vectorFile, vectorFilePath } from "./generate.ts"

test("every format has its file, and every file its format", () => {
  const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".json"))
  expect(files.sort()).toEqual(
    Object.keys(formats)
      .map((format) => `${format}.json`)
      .sort(),
  )
})

describe.each(Object.keys(formats))("vectors of %s", (format) => {
  const content = readFileSync(vectorFilePath(format), "utf8")
  const file = JSON.parse(content) as VectorFile

  test("the generator makes the same bytes again", async () => {
    expect(serialise(await vectorFile(format)) === content).toBe(true)
  })

  test("no two have one name or one input", () => {
    for (const kind of [file.valid, file.hostile]) {
      const names = new Set(kind.map(({ name }) => name))
      expect(names.size).toBe(kind.length)
    }
    const inputs = [...file.valid, ...file.hostile].map(({ input }) => JSON.stringify(input))
    expect(new Set(inputs).size).toBe(inputs.length)
  })

  test.each(file.valid.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    const input = resolve(vector.input, file.valid)
    expect(await answer(format, input)).toEqual({ output: vector.output })
  })

  test.each(file.hostile.map((vector) => [vector.name, vector] as const))(
    "refused: %s",
    async (_, vector) => {
      expect(protocolErrorCodes).toContain(vector.code)
      const input = resolve(vector.input, file.valid)
      expect(await answer(format, input)).toEqual({ code: vector.code })
    },
  )
})
