import { expect, test } from "vitest"
import { builtInProfiles } from "../../../protocol/profiles/registry.ts"
import { comity } from "../../support/command-line.ts"

test("the list needs no home, and gives each profile's digest", async () => {
  const { exit, stdout } = await comity(["profile", "list", "--json"])
  expect(exit).toBe(0)
  const { profiles } = JSON.parse(stdout)
  expect(profiles.map(({ id, digest }: Record<string, string>) => [id, digest])).toEqual(
    builtInProfiles.map(({ profile, digest }) => [profile.id, digest]),
  )
  for (const profile of profiles)
    expect(profile).toMatchObject({ title: expect.any(String), kinds: expect.any(Array) })
})

test("in words it is a table", async () => {
  const { stdout } = await comity(["profile", "list"])
  expect(stdout.split("\n")[0]).toMatch(/^PROFILE +TITLE/)
  expect(stdout).toContain("ippas")
})
