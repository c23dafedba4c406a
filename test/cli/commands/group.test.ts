import { readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { authorise, Homes, practice, type TestHome } from "../../support/home.ts"

const homes = new Homes()
afterAll(() => homes.remove())

async function close({ home, json }: TestHome): Promise<void> {
  const [proposal, signature] = ["last.proposal", "last.sig"].map((name) => join(home, name))
  const closing = ["--close", "2099-12-31", "--answers", "The ministry"]
  await json("key", "propose", ...closing, "-o", proposal!)
  const signatures = []
  const keys = readdirSync(join(home, "root-keys")).filter((name) => /^root-.*[.]json$/.test(name))
  for (const [i, key] of keys.entries()) {
    const to = `${signature}-${i}`
    await json("key", "sign", proposal!, "--key", join(home, "root-keys", key), "-o", to, "--yes")
    signatures.push(to)
  }
  await json("key", "publish", proposal!, ...signatures)
}

const officers = ["--officer", "p1:competentAuthority", "--officer", "p2:informationSecurity"]

test("a group is founded, accepted, shown and released to, by commands", async () => {
  const xa = await homes.found("XA", ...officers)
  const xb = await homes.found("XB", ...officers)
  await homes.introduce(xa, xb)
  const words = ["--purpose", "Security in ports", "--invite", "xb"]
  const { order } = await xa.json("group", "create", "harbours", ...words)
  await authorise(xa, order)
  const servingA = await xa.serve()
  await xb.json("sync", "xa")
  expect((await xb.json("group", "list")).groups).toMatchObject([
    { group: "@harbours", convener: "xa", listed: false, accepted: false, members: ["xa"] },
  ])
  expect(await xa.error("group", "add", "@harbours", "xb")).toMatchObject({
    code: "group.unaccepted",
    exit: 6,
  })
  await authorise(xb, (await xb.json("group", "accept", "@harbours")).order)
  await servingA.stop()

  const servingB = await xb.serve()
  await xa.json("sync", "xb")
  expect((await xa.run(["group", "show", "@harbours"])).stdout).toMatch(/^accepted {2}xb$/m)
  await authorise(xa, (await xa.json("group", "add", "@harbours", "xb")).order)
  await servingB.stop()
  expect(await xa.error("group", "show", "@ports")).toMatchObject({
    code: "group.unknown",
    exit: 5,
  })

  const added = await xa.run(["draft", "add", "-", "--json"], { stdin: practice })
  const { record } = JSON.parse(added.stdout)
  const to = ["release", "request", record, "--to", "@harbours"]
  const dry = await xa.run([...to, "--dry-run"])
  expect(dry.stdout).toMatch(/sees the whole record: good-practice under ippas, in en, \d+ bytes/)
  expect(dry.stdout).toContain("knows who signed")
  expect((await xa.json("order", "list")).orders).toHaveLength(2)
  expect((await xa.json(...to)).preview).toMatchObject([{ recipient: "xb", version: 1 }])

  const open = await xa.run(["draft", "add", "-", "--json"], {
    stdin: "---\ntitle: Gates are watched in pairs\n---\nOne looks out, one looks in.\n",
  })
  const passing = ["release", "request", JSON.parse(open.stdout).record, "--to", "xb"]
  const inside = await xa.run([...passing, "--onward", "inside:@harbours", "--dry-run"])
  expect(inside.stdout).toMatch(/onward inside group version [0-9a-f]{12}, for peer learning/)
  expect(inside.stdout).toMatch(/knows who is in @harbours, .*: (?:xa, xb|xb, xa)$/m)
  expect(await xa.error(...passing, "--onward", "inside:")).toMatchObject({ exit: 2 })

  await close(xb)
  const servingClosed = await xb.serve()
  await xa.json("sync", "xb")
  await servingClosed.stop()
  expect((await xa.run(["group", "show", "@harbours"])).stdout).toMatch(/^left by closing {2}xb$/m)
  const both = await xa.run([...to.with(-1, "@harbours,xb"), "--dry-run"])
  expect(both.stdout).toContain("xb has closed, and with that left @harbours")
  expect(await xa.error(...to)).toMatchObject({ code: "recipient.none", exit: 2 })
})
