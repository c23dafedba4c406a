import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { comity } from "../../support/command-line.ts"
import { authorise, type Document, Homes, practice, type TestHome } from "../../support/home.ts"

/**
 * The documents of `--json` that others rely on, field by field, along one exchange from draft to
 * withdrawal. Fields may be added, never renamed.
 */
const homes = new Homes()
const file = homes.path("practice.md")
const id = expect.stringMatching(/^[0-9a-f]{32}$/)
const digest = expect.stringMatching(/^[0-9a-f]{64}$/)
const day = expect.stringMatching(/^\d{4}-\d{2}-\d{2}$/)

let xa: TestHome
let xb: TestHome
let xc: TestHome
let record: string

beforeAll(async () => {
  writeFileSync(file, practice)
  xa = await homes.found("XA")
  xb = await homes.found("XB")
  xc = await homes.found("XC")
  await homes.introduce(xa, xb)
  await xa.json("peer", "add", homes.path("xc.card"))
  await xa.json("peer", "verify", "xc", "--words", xc.words)
})
afterAll(() => homes.remove())

test("init and id show: who a member is", async () => {
  const shown = await xa.json("id", "show")
  expect(shown).toEqual({
    member: digest,
    state: "XA",
    name: "Authority XA",
    network: "training",
    words: expect.stringMatching(/^(?:[a-z]+ ){11}[a-z]+$/),
    rootVersion: 1,
  })
  expect(shown).toMatchObject({ member: xa.member, words: xa.words })
})

test("a card goes to stdout and comes from stdin", async () => {
  const { exit, stdout } = await xb.run(["id", "show", "--card", "-", "--json"])
  expect([exit, stdout]).toEqual([0, readFileSync(homes.path("xb.card"), "utf8")])
  const { exit: again, stderr } = await xa.run(["peer", "add", "-", "--json"], { stdin: stdout })
  expect([again, JSON.parse(stderr).error.code]).toEqual([9, "peer.exists"])
})

test("peer list, before, inside and behind --json", async () => {
  const expected = {
    peers: [
      { name: "xb", member: xb.member, state: "XB", verified: true, url: xb.url, rootVersion: 1 },
      { name: "xc", member: xc.member, state: "XC", verified: true, url: xc.url, rootVersion: 1 },
    ],
  }
  for (const args of [
    ["--json", "peer", "list"],
    ["peer", "--json", "list"],
    ["peer", "list", "--json"],
  ]) {
    const { exit, stdout } = await xa.run(args)
    expect(exit).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject(expected)
  }
})

test("profile list says what was adopted, and without a home that nothing was", async () => {
  const general = { id: "general", title: "General exchange", digest, kinds: ["any"] }
  const { profiles } = await xa.json("profile", "list")
  expect(profiles).toContainEqual({ ...general, adopted: true })
  expect(profiles.every((one: Document) => one.adopted)).toBe(true)
  const nowhere = await comity(["profile", "list", "--json", "--home", homes.path("nowhere")])
  expect(JSON.parse(nowhere.stdout).profiles).toContainEqual({ ...general, adopted: false })
  const closed = await comity(["--home", xa.home, "profile", "list", "--json"])
  expect(closed.exit).toBe(0)
})

test("draft add, with what was found in it", async () => {
  const draft = await xa.json("draft", "add", file)
  expect(draft).toMatchObject({ record: id, version: 1, findings: [], profile: "ippas" })
  record = draft.record
  const bad = await xa.run(["draft", "add", "-", "--json"], { stdin: "---\ntitel: T\n---\n" })
  const { findings } = JSON.parse(bad.stdout)
  expect(findings).toContainEqual({
    rule: "key",
    line: 2,
    severity: "error",
    text: expect.stringContaining("did you mean title?"),
  })
  await xa.json("draft", "rm", JSON.parse(bad.stdout).record)
})

test("draft check needs no home", async () => {
  const good = await comity(["draft", "check", "-", "--json"], { stdin: practice })
  expect([good.exit, good.stderr]).toEqual([0, ""])
  const bad = await comity(["draft", "check", "-", "--json"], { stdin: "no title" })
  expect([bad.exit, JSON.parse(bad.stderr).error.code]).toEqual([1, "draft.errors"])
  expect(JSON.parse(bad.stdout).findings).toHaveLength(1)
})

test("why, while nothing has left", async () => {
  expect(await xa.json("why", record, "--peer", "xb")).toEqual({
    record,
    peer: "xb",
    have: false,
    reason: "not-released",
    detail: expect.stringContaining("xb"),
  })
})

test("release request, dry and in earnest; order list and show", async () => {
  const request = ["release", "request", record.slice(0, 6), "--to", "xb"]
  const dry = await xa.json(...request, "--dry-run")
  expect(dry).toMatchObject({ order: null, orders: [], needs: 2, signed: 0, grants: 1 })
  expect((await xa.json("order", "list")).orders).toEqual([])
  expect((await xa.json("draft", "list")).drafts).toMatchObject([{ version: 1, released: 0 }])

  const requested = await xa.json(...request, "--until", "2099-12-31", "--caveat", "not for print")
  const { order } = requested
  expect(requested).toMatchObject({ order: id, orders: [order], needs: 2, signed: 0, grants: 1 })
  expect(await xa.json("why", record, "--peer", xb.member.slice(0, 8))).toMatchObject({
    have: false,
    reason: "order-open",
  })
  expect((await xa.json("order", "list")).orders).toMatchObject([
    { order, act: "release", state: "open", needs: 2, signed: 0 },
  ])
  await xa.json("order", "sign", order, "--as", "p2", "--yes")
  expect(await xa.json("order", "show", order.slice(0, 4))).toMatchObject({
    order,
    act: "release",
    grants: [
      {
        recipient: "xb",
        record,
        version: 1,
        terms: { onward: "no", expires: "2099-12-31", caveats: ["not for print"] },
      },
    ],
    signatures: [{ person: "p2", role: "informationSecurity" }],
    satisfied: false,
  })
  expect(await xa.json("order", "cancel", order)).toMatchObject({ state: "cancelled" })
  expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({
    have: false,
    reason: "order-cancelled",
  })
  const second = await xa.json(...request)
  const refused = await xa.json("order", "refuse", second.order, "--reason", "names a site")
  expect(refused).toMatchObject({ state: "refused", reason: "names a site" })
  expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({ reason: "order-refused" })
})

test("an order signed elsewhere, by file: exported, signed on another machine, imported", async () => {
  const { order } = await xa.json("release", "request", record, "--to", "XB")
  const exported = await xa.run(["order", "export", order, "-o", "-"])
  expect(exported.exit).toBe(0)
  // The officer's machine has an empty home and the key file.
  const key = homes.path("p1.json")
  writeFileSync(key, readFileSync(`${xa.home}/officers/p1.json`))
  const officer = { environment: homes.environment, stdin: exported.stdout }
  const elsewhere = ["--home", homes.path("officer"), "order", "sign", "-", "--key", key, "--yes"]
  const signature = homes.path("p1.sig")
  const signed = await comity([...elsewhere, "-o", signature, "--json"], officer)
  expect(signed.exit).toBe(0)
  expect(JSON.parse(signed.stdout)).toMatchObject({ order })
  expect(await xa.json("order", "import", signature)).toMatchObject({
    signatures: [{ person: "p1", role: "competentAuthority" }],
    satisfied: false,
  })
  expect(await xa.error("order", "import", signature)).toMatchObject({
    code: "officer.signed",
    exit: 9,
  })
  await xa.json("order", "sign", order, "--as", "p2", "--yes")
  expect(await xa.json("publish", order)).toMatchObject({
    order,
    index: expect.any(Number),
    size: expect.any(Number),
    delivered: [],
    queued: ["xb"],
  })
})

test("receipts and why, before it was fetched", async () => {
  expect(await xa.json("receipts", record)).toMatchObject({
    record,
    receipts: [{ peer: "xb", state: "queued", day }],
  })
  expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({
    have: false,
    reason: "queued",
  })
})

describe("while the node runs", () => {
  let node: { stop(): Promise<void> }
  beforeAll(async () => {
    node = await xa.serve()
  })
  afterAll(() => node.stop())

  test("sync, inbox and search at the recipient", async () => {
    expect(await xb.json("sync")).toEqual({
      peers: [{ name: "xa", received: 1, already: 0, refused: 0, failed: 0 }],
    })
    expect(await xb.json("sync", "XA")).toMatchObject({ peers: [{ name: "xa", received: 0 }] })
    const held = {
      record,
      version: 1,
      title: "Two persons take the physical inventory",
      kind: "good-practice",
      profile: "ippas",
      from: "xa",
      receivedAt: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
      verdict: "verified",
      withdrawn: false,
    }
    expect((await xb.json("inbox")).records).toMatchObject([held])
    expect((await xb.json("search", "physical", "inventory")).records).toMatchObject([held])
    expect((await xb.json("search", "nowhere")).records).toEqual([])
  })

  test("show: the content, the terms, and every step that was verified", async () => {
    const shown = await xb.json("show", record.slice(0, 5))
    expect(shown).toMatchObject({
      record,
      version: 1,
      content: { title: "Two persons take the physical inventory", areas: ["M2"], language: "en" },
      marking: "TLP:AMBER+STRICT",
      terms: { onward: "no", evidence: "members", purpose: "peer learning" },
    })
    expect(shown.provenance.map(({ step, ok }: Document) => [step, ok])).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8].map((step) => [step, true]),
    )
  })

  test("why at both ends, and of a member that was not chosen", async () => {
    expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({
      have: true,
      reason: "delivered",
    })
    expect(await xa.json("why", record, "--peer", "xc")).toMatchObject({
      have: false,
      reason: "not-released",
    })
    expect(await xb.json("why", record, "--peer", "xa")).toMatchObject({
      have: true,
      reason: "origin",
    })
    await xb.json("peer", "add", homes.path("xc.card"))
    expect(await xb.json("why", record, "--peer", "xc")).toMatchObject({
      have: false,
      reason: "not-ours",
    })
    await xb.json("peer", "remove", "xc")
    expect((await xa.json("receipts", record)).receipts).toMatchObject([{ state: "delivered" }])
  })

  test("a command can't tell whether it speaks to a running node", async () => {
    const questions = [
      ["id", "show"],
      ["peer", "list"],
      ["profile", "list"],
      ["draft", "list"],
      ["draft", "show", record],
      ["order", "list"],
      ["inbox"],
      ["search", "inventory"],
      ["show", record],
      ["receipts", record],
      ["log", "head"],
      ["log", "proof", "2"],
      ["log", "consistency", "2"],
    ]
    const served: Document[] = []
    for (const question of questions) served.push(await xa.json(...question))
    const missing = await xa.error("show", "ffff")
    await node.stop()
    for (const [i, question] of questions.entries())
      expect(await xa.json(...question), question.join(" ")).toEqual(served[i])
    expect(await xa.error("show", "ffff")).toEqual(missing)
    expect(missing).toMatchObject({ code: "record.unknown", exit: 5 })
    node = await xa.serve()
  })
})

test("evidence and verify, from file and stdin", async () => {
  const path = homes.path("practice.evidence")
  expect(await xb.json("evidence", record, "-o", path)).toMatchObject({ record, file: path })
  const { stdout: bytes } = await xb.run(["evidence", record, "-o", "-"])
  expect(bytes).toBe(readFileSync(path, "utf8"))
  for (const pin of [xa.words, xa.member]) {
    const { exit, stdout, stderr } = await comity(["verify", "-", "--pin", pin, "--json"], {
      stdin: bytes,
    })
    expect([exit, stderr]).toEqual([0, ""])
    const verdict = JSON.parse(stdout)
    expect(verdict).toMatchObject({ verdict: "verified", record, origin: xa.member })
    expect(verdict.ground.join()).toContain("unwitnessed")
    expect(verdict.steps.map(({ ok, text }: Document) => [ok, typeof text])).toEqual(
      Array(8).fill([true, "string"]),
    )
    expect(verdict.code).toBeUndefined()
  }
  for (const [args, code, exit] of [
    [["verify", path], "evidence.pin", 4],
    [["verify", path, "--pin", xb.words], "evidence.pin", 4],
    [["verify", path, "--pin", xa.words, "--require-witnesses"], "evidence.witnesses", 4],
    [["verify", file, "--pin", xa.words], "json.malformed", 4],
    [["verify", homes.directory, "--pin", xa.words], "file.unreadable", 4],
  ] as const) {
    const failed = await comity([...args, "--json"])
    expect(failed.exit, code).toBe(exit)
    expect(JSON.parse(failed.stdout)).toMatchObject({ verdict: "failed", ground: [], code })
    expect(JSON.parse(failed.stderr).error.code).toBe(code)
  }
  for (const [args, code, exit] of [
    [["verify", path, "--pin", "not twelve words"], "words.malformed", 2],
    [["verify", homes.path("nothing"), "--pin", xa.words], "file.missing", 5],
  ] as const) {
    const { stdout, stderr, ...failed } = await comity([...args, "--json"])
    expect([failed.exit, stdout, JSON.parse(stderr).error.code]).toEqual([exit, "", code])
  }
})

test("log head, proof, consistency and export", async () => {
  const head = await xa.json("log", "head")
  expect(head).toMatchObject({ size: 4, root: digest, cosignedBy: [] })
  expect(head.origin).toBe(`comity/training/${xa.member}/1`)
  expect(head.vkeys[0]).toMatch(/\+[0-9a-f]{8}\+A[A-Za-z0-9+/]{42}[A-Za-z0-9+/=]{1,2}$/)
  const { proof } = await xa.json("log", "proof", "2")
  expect(proof).toMatch(/^c2sp\.org\/tlog-proof@v1\nindex 2\n/)
  expect(await xa.json("log", "consistency", "2")).toMatchObject({ from: 2, size: 4 })
  const directory = homes.path("tiles")
  expect(await xa.json("log", "export", directory)).toMatchObject({ directory })
  expect(readdirSync(directory).sort()).toEqual(["checkpoint", "tile"])
  expect(readFileSync(`${directory}/checkpoint`, "utf8")).toBe(head.checkpoint)
})

test("doctor names what it looked at, and what to do", async () => {
  const { checks } = await xa.json("doctor")
  for (const one of checks)
    expect(one).toMatchObject({
      check: expect.any(String),
      ok: expect.any(Boolean),
      text: expect.any(String),
    })
  expect(checks).toContainEqual({
    check: "root keys",
    ok: false,
    text: expect.any(String),
    fix: expect.stringContaining("root-keys/"),
  })
})

test("a second version, and the withdrawal of both", async () => {
  const edited = await xa.run(["draft", "edit", record, "-", "--json"], {
    stdin: practice.replace("two persons", "three persons"),
  })
  expect(JSON.parse(edited.stdout)).toMatchObject({ record, version: 2, released: 1 })
  const { order } = await xa.json("release", "request", record, "--to", "xb")
  await authorise(xa, order)
  let node = await xa.serve()
  expect(await xb.json("sync")).toMatchObject({ peers: [{ received: 1 }] })
  await node.stop()
  expect((await xb.json("inbox")).records).toMatchObject([{ record, version: 2 }])

  const withdrawal = await xa.json("withdraw", record, "--reason", "superseded")
  expect(withdrawal).toMatchObject({ order: id, needs: 2, signed: 0, grants: 1 })
  expect(withdrawal.orders).toEqual([withdrawal.order])
  await authorise(xa, withdrawal.order)
  expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({
    have: true,
    reason: "withdrawn",
  })
  node = await xa.serve()
  await xb.json("sync")
  await node.stop()
  expect((await xb.json("inbox")).records).toMatchObject([{ record, title: "", withdrawn: true }])
  expect(await xa.json("why", record, "--peer", "xb")).toMatchObject({
    have: false,
    reason: "withdrawn",
  })
  const { receipts } = await xa.json("receipts", record)
  expect(receipts.at(-1)).toMatchObject({ peer: "xb", state: "purged", day })
  expect(await xb.error("show", record)).toMatchObject({ code: "record.withdrawn", exit: 1 })
  const { provenance } = await xa.json("show", record)
  expect(provenance).toMatchObject([{ step: 0, ok: true }])
})

test("demo tells the whole story and ends", async () => {
  const { exit, stdout } = await comity(["demo", "--exit", "--json"])
  expect(exit).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ ms: expect.any(Number) })
})
