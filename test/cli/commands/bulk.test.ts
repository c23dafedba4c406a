import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, test } from "vitest"
import { authorise, Homes, type TestHome } from "../../support/home.ts"

const homes = new Homes()
const folder = homes.path("practices")
let xa: TestHome
let xb: TestHome

const text = (title: string, kind: string) =>
  `---\ntitle: ${title}\nkind: ${kind}\nlanguage: en\n---\nWhat is done at the gate.\n`

beforeAll(async () => {
  mkdirSync(join(folder, "older"), { recursive: true })
  for (let i = 10; i < 30; i++)
    writeFileSync(join(folder, `${i}.md`), text(`Practice ${i}`, "good-practice"))
  writeFileSync(join(folder, "older", "1.md"), text("Lesson 1", "lesson-learned"))
  writeFileSync(join(folder, ".draft.md"), text("Hidden", "good-practice"))
  writeFileSync(join(folder, "notes.txt"), "no practice")
  writeFileSync(homes.path("elsewhere.md"), text("Elsewhere", "good-practice"))
  symlinkSync(homes.path("elsewhere.md"), join(folder, "link.md"))
  xa = await homes.found("XA")
  xb = await homes.found("XB")
  await homes.introduce(xa, xb)
})
afterAll(() => homes.remove())

test("a folder becomes drafts once, and one order for each rule", async () => {
  const { drafts } = await xa.json("draft", "add", folder)
  expect(drafts.map(({ name }: { name: string }) => name)).toEqual([
    ...Array.from({ length: 20 }, (_, i) => `${i + 10}.md`),
    join("older", "1.md"),
  ])
  const requested = await xa.json("release", "request", folder, "--to", "xb")
  expect(requested).toMatchObject({ grants: 21 })
  expect(requested.orders).toHaveLength(2)
  expect((await xa.json("draft", "list")).drafts).toHaveLength(21)
  for (const order of requested.orders) await authorise(xa, order)
  const serving = await xa.serve()
  await xb.json("sync")
  await serving.stop()
  const { records } = await xb.json("inbox")
  expect(records).toHaveLength(21)
  expect(records.map(({ title }: { title: string }) => title)).not.toContain("Hidden")
  expect(records.map(({ title }: { title: string }) => title)).not.toContain("Elsewhere")
})

test("a list, and errors that are named and stop the release alone", async () => {
  const list = homes.path("past.csv")
  writeFileSync(list, "title;language;body\nA gate;en;Watched.\nNo language;xx-;Watched.\n")
  const { drafts } = await xa.json("draft", "add", list)
  expect(drafts).toMatchObject([
    { name: "line 2", title: "A gate", findings: [] },
    { name: "line 3", findings: [{ rule: "language", severity: "error" }] },
  ])
  const before = (await xa.json("order", "list")).orders.length
  expect(await xa.error("release", "request", list, "--to", "xb")).toMatchObject({
    code: "draft.errors",
  })
  expect((await xa.json("order", "list")).orders).toHaveLength(before)
  mkdirSync(homes.path("empty"))
  expect(await xa.error("draft", "add", homes.path("empty"))).toMatchObject({
    code: "file.missing",
  })
})
