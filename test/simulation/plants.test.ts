import { stripTypeScriptTypes } from "node:module"
import { expect, test } from "vitest"
import { planted, plants } from "./plants.ts"

test.each(plants.map((plant) => [plant.name, plant] as const))(
  "%s still has its place, and only there",
  (_name, plant) => {
    const sources = planted(plant)
    expect(sources.size).toBe(new Set(plant.edits.map(({ file }) => file)).size)
    for (const source of sources.values()) expect(() => stripTypeScriptTypes(source)).not.toThrow()
  },
)

test("no two planted bugs have one name", () => {
  expect(new Set(plants.map(({ name }) => name)).size).toBe(plants.length)
})
