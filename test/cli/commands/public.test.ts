import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { afterAll, beforeAll, expect, test } from "vitest"
import { comity } from "../../support/command-line.ts"
import { Homes, type TestHome } from "../../support/home.ts"

/** The way of docs/exchanging.md, "For everybody", on homes on the disk. */
const homes = new Homes()
let xa: TestHome
let xb: TestHome
let record: string
let order: string

beforeAll(async () => {
  ;[xa, xb] = [await homes.found("XA"), await homes.found("XB")]
  await homes.introduce(xa, xb)
  writeFileSync(
    homes.path("report.md"),
    "---\ntitle: Report, redacted\nmarking: TLP:CLEAR\n---\nThe archive has two keys.\n",
  )
  record = (await xa.json("draft", "add", homes.path("report.md"))).record
})
afterAll(() => homes.remove())

const sign = (person: string, ...options: string[]) =>
  xa.error("order", "sign", order, "--as", person, ...options)

class Keyboard extends PassThrough {
  setRawMode(): this {
    return this
  }
}

/** Somebody at a terminal who types these lines, each once it was asked for. */
function typing(...lines: readonly string[]) {
  const [input, output] = [new Keyboard(), new PassThrough()]
  const left = [...lines]
  let shown = ""
  output.on("data", (chunk) => {
    shown += chunk
    if (/(\[y\/N\]|confirm:) $/.test(String(chunk))) input.write(`${left.shift() ?? ""}\r`)
  })
  return { terminal: { input, output }, shown: () => shown }
}

test("without a line of the policy that says so, nothing is ever asked of officers", async () => {
  const refused = await xa.error("release", "request", record, "--to", "public", "--dry-run")
  expect(refused).toMatchObject({ code: "order.unsatisfied", exit: 6 })
  expect(refused.message).toContain("when: public")
  writeFileSync(
    homes.path("policy.yaml"),
    "- {act: any, persons: 2}\n- {act: release, when: public, persons: 2}\n",
  )
  const [proposal, signature] = [homes.path("next.root"), homes.path("next.sig")]
  await xa.json("key", "propose", "--policy", homes.path("policy.yaml"), "-o", proposal)
  const key = join(homes.path("xa"), "root-keys", "root-1.json")
  await xa.json("key", "sign", proposal, "--key", key, "-o", signature, "--yes")
  await xa.json("key", "publish", proposal, signature)
  const { lines } = await xa.json("policy", "show")
  expect(JSON.stringify(lines)).toContain("release, when public: 2 persons in any role")
})

test("a dry run says who will read it, for how long, and what allows it", async () => {
  const { stdout } = await xa.run(["release", "request", record, "--to", "public", "--dry-run"])
  expect(stdout).toContain("EVERYBODY: “Report, redacted”, version 1")
  expect(stdout).toContain("everybody will be able to read it, for ever: nobody can call it back")
  expect(stdout).toContain("allowed: its marking, TLP:CLEAR, sets no limit to who reads it")
  expect(stdout).toContain("allowed: our policy: release, when public: 2 persons in any role")
  expect(stdout).toContain("allowed: profile general says nothing of who may read it")
  expect((await xa.json("order", "list")).orders).toEqual([])
})

test("an officer names the record again, by hand or by option: yes alone does not do", async () => {
  order = (await xa.json("release", "request", record, "--to", "public")).order
  const unconfirmed = { code: "public.unconfirmed", exit: 2 }
  expect(await sign("p1", "--yes")).toMatchObject({
    ...unconfirmed,
    hint: `If that is meant: --confirm-public ${record.slice(0, 8)}`,
  })
  const seven = ["--confirm-public", record.slice(0, 7)]
  expect(await sign("p1", "--yes", ...seven)).toMatchObject(unconfirmed)
  expect(await sign("p1", "--yes", "--confirm-public", order)).toMatchObject(unconfirmed)
  expect(await sign("p1", "--confirm-public", record)).toMatchObject({ code: "usage.unconfirmed" })

  const { environment } = homes
  const asP1 = ["--home", homes.path("xa"), "order", "sign", order, "--as", "p1"]
  const wrong = typing("y", "yes")
  const refused = await comity(asP1, { environment, terminal: wrong.terminal })
  expect([refused.exit, refused.stderr]).toEqual([2, expect.stringContaining("public.unconfirmed")])
  expect(wrong.shown()).toContain(`Type ${record.slice(0, 8)} to confirm`)
  expect(refused.stderr).toContain("to EVERYBODY: anybody, for ever")
  const right = typing("y", record.slice(0, 8))
  const signed = await comity(asP1, { environment, terminal: right.terminal })
  expect([signed.exit, signed.stderr]).toEqual([0, expect.anything()])
  expect(await xa.json("order", "show", order)).toMatchObject({ signed: 1, satisfied: false })
  expect(await xa.error("publish", order)).toMatchObject({ code: "order.unsatisfied", exit: 6 })
})

test("the second signs from a file, on a machine without a node", async () => {
  const [exported, signature] = [homes.path("order.json"), homes.path("p2.sig")]
  await xa.json("order", "export", order, "-o", exported)
  const away = ["order", "sign", exported, "--key", join(homes.path("xa"), "officers", "p2.json")]
  const on = (...options: string[]) =>
    comity(
      ["--home", homes.path("away"), ...away, "-o", signature, "--yes", ...options, "--json"],
      { environment: homes.environment },
    )
  expect(JSON.parse((await on()).stderr).error.code).toBe("public.unconfirmed")
  expect((await on("--confirm-public", record)).exit).toBe(0)
  await xa.json("order", "import", signature)
  const published = await xa.json("publish", order)
  expect(published).toMatchObject({ queued: ["xb"], delivered: [] })
})

test("whoever follows reads it; a stranger verifies the file; taken back, it is gone where it can be", async () => {
  const serving = await xa.serve()
  expect((await xb.json("sync")).peers).toMatchObject([{ name: "xa", received: 1 }])
  expect((await xb.run(["inbox"])).stdout).toContain("TLP:CLEAR, public")
  expect((await xb.run(["show", record])).stdout).toContain("everybody may read it")
  expect(await xb.json("why", record, "--peer", "xa")).toMatchObject({ have: true })
  const file = homes.path("report.evidence")
  expect((await xb.run(["evidence", record, "-o", file])).stderr).toContain("everybody may read it")
  const stranger = await comity(["verify", file, "--pin", xa.words, "--json"])
  expect(JSON.parse(stranger.stdout)).toMatchObject({
    verdict: "verified",
    title: "Report, redacted",
    ground: expect.arrayContaining([
      "released to everybody: it can be marked withdrawn, not recalled",
    ]),
  })
  expect((await comity(["verify", file, "--pin", xb.words])).exit).toBe(4)

  const { order: back } = await xa.json("withdraw", record, "--reason", "wrong", "--from", "public")
  for (const person of ["p1", "p2"]) await xa.json("order", "sign", back, "--as", person, "--yes")
  await xa.json("publish", back)
  await xb.json("sync")
  expect((await xb.run(["inbox"])).stdout).toContain("(withdrawn: content destroyed)")
  expect(await xb.error("show", record)).toMatchObject({ code: "record.withdrawn" })
  const { receipts } = await xa.json("receipts", record)
  expect(receipts.map(({ state }: { state: string }) => state)).toEqual(["delivered", "purged"])
  await serving.stop()
})
