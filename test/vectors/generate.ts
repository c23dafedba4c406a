import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { resolve, type Vector, type VectorFile } from "./format.ts"
import { answer, formats } from "./formats.ts"

/** The file of one format: outputs are computed, the codes of hostile vectors are stated and checked. */
export async function vectorFile(format: string): Promise<VectorFile> {
  const { about, valid, hostile } = await formats[format]!.cases()
  const file: { valid: Vector[]; hostile: Vector[] } = { valid: [], hostile: [] }
  for (const [name, input] of valid) {
    const { output, code } = await answer(format, resolve(input, file.valid))
    if (output === undefined) throw new Error(`${format}, ${name}: refused with ${code}`)
    file.valid.push({ name, input, output })
  }
  for (const [name, input, code] of hostile) {
    const given = await answer(format, resolve(input, file.valid))
    if (given.code !== code) throw new Error(`${format}, ${name}: ${given.code ?? "accepted"}`)
    file.hostile.push({ name, input, code })
  }
  return { format, about, ...file }
}

export const vectorFilePath = (format: string) => join(import.meta.dirname, `${format}.json`)

export function serialise(file: VectorFile): string {
  return `${JSON.stringify(file, null, 1)}\n`
}

if (import.meta.main)
  for (const format of Object.keys(formats))
    writeFileSync(vectorFilePath(format), serialise(await vectorFile(format)))
