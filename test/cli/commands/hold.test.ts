import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { comity } from "../../support/command-line.ts"
import { authorise, Homes, practice } from "../../support/home.ts"

const homes = new Homes()
afterAll(() => homes.remove())

const officers = ["--officer", "p1:competentAuthority", "--officer", "p2:informationSecurity"]

test("what is sealed when it is taken back is opened by two officers, by commands", async () => {
  const xa = await homes.found("XA", ...officers)
  const xb = await homes.found("XB", ...officers)
  await homes.introduce(xa, xb)
  const added = await xa.run(["draft", "add", "-", "--json"], { stdin: practice })
  const { record } = JSON.parse(added.stdout)
  await authorise(xa, (await xa.json("release", "request", record, "--to", "xb")).order)
  const serving = await xa.serve()
  await xb.json("sync", "xa")
  const basis = ["--as", "p1", "--reason", "Archives Act, section 5"]
  expect(await xb.json("hold", "seal", record, ...basis)).toMatchObject({ review: null })
  await authorise(xa, (await xa.json("withdraw", record, "--reason", "over")).order)
  await xb.json("sync", "xa")
  await serving.stop()
  expect((await xb.run(["hold", "list"])).stdout).toMatch(/withdrawn, sealed for two of p1, p2$/m)
  expect((await xa.json("receipts", record)).receipts.at(-1)).toMatchObject({ state: "sealed" })

  const why = ["--reason", "order of the court"]
  expect(await xb.error("hold", "unseal", record, ...why, "--as", "p1")).toMatchObject({
    code: "hold.officers",
    exit: 6,
  })
  const [request, ...given] = ["request", "p1.share", "p2.share"].map((name) => join(xb.home, name))
  const done = async (...args: string[]) => expect((await xb.run(args)).exit).toBe(0)
  await done("hold", "request", record, ...why, "-o", request!)
  for (const [i, file] of given.entries())
    await done("hold", "share", request!, "--as", `p${i + 1}`, "-o", file, "--yes")
  const shares = given.flatMap((file) => ["--share", file])
  const { content } = await xb.json("hold", "unseal", record, ...why, ...shares)
  expect(content.body).toBeTruthy()
  const both = await xb.json("hold", "unseal", record, ...why, "--as", "p1", "--as", "p2")
  expect(both.content).toEqual(content)
  const { log } = await xb.json("hold", "log")
  expect(log.map(({ act, officers: by }: Record<string, string>) => [act, by])).toEqual([
    ["seal", ""],
    ["open", "p1 p2"],
    ["open", "p1 p2"],
  ])

  // From a backup it comes back as it was: sealed, and for two.
  const [file, back] = [homes.path("xb.backup"), homes.path("xb-back")]
  await xb.json("backup", file)
  const there = async (...args: string[]) => {
    const { exit, stdout, stderr } = await comity(["--home", back, ...args, "--json"], {
      environment: homes.environment,
    })
    return JSON.parse(exit === 0 ? stdout : stderr)
  }
  expect(await there("restore", file)).toMatchObject({ home: back })
  expect((await there("hold", "list")).holds).toMatchObject([
    { record, locked: false, openers: ["p1", "p2"] },
  ])
  expect((await there("search", "inventory")).records).toEqual([])
  expect((await there("show", record)).error.code).toBe("record.withdrawn")
  const unsealing = ["hold", "unseal", record, ...why]
  expect((await there(...unsealing, "--as", "p2")).error.code).toBe("hold.officers")
  expect((await there(...unsealing, "--as", "p1", "--as", "p2")).content).toEqual(content)

  await xb.json("hold", "end", record, "--as", "p2", "--reason", "closed")
  expect((await xb.json("hold", "list")).holds).toEqual([])
})
