import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { comity, isCommand, type Ran } from "../../support/command-line.ts"
import { authorise, freePort, Homes, practice, type TestHome } from "../../support/home.ts"

/**
 * What a tired official does wrong, and what is said then: a code that scripts can rely on, one sentence,
 * and a hint in which every command is one that there is. DESIGN.md §10
 */
const homes = new Homes()
const file = homes.path("practice.md")
const twelve = `${"abandon ".repeat(11)}about`

let xa: TestHome
let xb: TestHome
let record: string
let order: string

beforeAll(async () => {
  writeFileSync(file, practice)
  xa = await homes.found("XA")
  xb = await homes.found("XB")
  await homes.introduce(xa, xb)
  const stranger = await homes.found("XC")
  await xa.json("peer", "add", homes.path("xc.card"), "--name", "harbour")
  expect(stranger.words).not.toBe(twelve)
  record = (await xa.json("draft", "add", file)).record
  order = (await xa.json("release", "request", record, "--to", "xb")).order
  mkdirSync(homes.path("empty"))
  writeFileSync(homes.path("bad.md"), "---\nprofile: ippas\nkind: good-practice\n---\nText.\n")
})
afterAll(() => homes.remove())

/** The error as it reads, after the checks that hold for every error. */
async function mistake(ran: Promise<Ran>): Promise<string> {
  const { exit, stdout, stderr } = await ran
  expect(stdout).toBe("")
  const [, code] = / \(([a-z]+\.[a-z-]+)\)$/m.exec(stderr) ?? []
  expect(code, stderr).toBeDefined()
  expect(stderr).not.toMatch(
    /undefined|\[object|Error:| {4}at |\$\.|match pattern|Invalid|expected/,
  )
  for (const words of commandsIn(stderr)) expect(await isCommand(words), words.join(" ")).toBe(true)
  return `${exit} ${code}`
}

/** `comity order sign …` → ["order", "sign"] */
function commandsIn(text: string): readonly string[][] {
  return [...text.matchAll(/(?<![\w:] )\bcomity ((?:[a-z]+ ?)+)/g)].map(([, words = ""]) =>
    words.trim().split(" ").slice(0, 2),
  )
}

const at = (home: () => TestHome, ...args: string[]) => ({ home, args })
const inXa = (...args: string[]) => at(() => xa, ...args)
const inXb = (...args: string[]) => at(() => xb, ...args)

describe("before anything has left", () => {
  test.each([
    ["a record that is not there", inXa("show", "ffff"), "5 record.unknown"],
    ["an id with a slip in it", inXa("show", "4f1z"), "5 record.unknown"],
    ["no id at all", inXa("show", ""), "5 record.unknown"],
    ["why, of a record that is not there", inXa("why", "ffff", "--peer", "xb"), "5 record.unknown"],
    ["why, of nothing", inXa("why", "", "--peer", "xb"), "5 record.unknown"],
    ["a draft that is not there", inXa("draft", "rm", "4f1z"), "5 draft.unknown"],
    ["an order that is not there", inXa("publish", "zz"), "5 order.unknown"],
    ["a proof that is not there", inXa("inconsistency", "show", "81zz"), "5 inconsistency.unknown"],
    ["an order's id with a slip", inXa("order", "sign", "4f1z", "--as", "p1"), "5 file.missing"],
    ["a member nobody knows", inXa("sync", "xq"), "5 peer.unknown"],
    ["an unverified member", inXa("sync", "harbour"), "13 peer.unverified"],
    ["nothing to search for", inXa("search", " "), "2 query.malformed"],
    ["an entry beyond the log", inXa("log", "proof", "99"), "2 request.malformed"],
    ["a proof of no record", inXa("log", "proof", "two"), "5 record.unknown"],
    ["a proof of nothing", inXa("log", "proof"), "2 usage.invalid"],
    ["a size without a number", inXa("log", "proof", "--from", "two"), "2 usage.invalid"],
    ["the own card", inXa("peer", "add", homes.path("xa.card")), "2 recipient.self"],
    ["a card a second time", inXa("peer", "add", homes.path("xb.card")), "9 peer.exists"],
    ["a practice for a card", inXa("peer", "add", file), "4 card.malformed"],
    ["a card that is not there", inXa("peer", "add", homes.path("xd.card")), "5 file.missing"],
    ["a directory for a card", inXa("peer", "add", homes.directory), "1 file.unreadable"],
    ["half an address", inXa("peer", "move", "xb", "comity.example"), "2 request.malformed"],
    ["a name like an id", inXa("peer", "rename", "xb", "deadbeef"), "2 request.malformed"],
    ["a name that is taken", inXa("peer", "rename", "xb", "harbour"), "9 peer.exists"],
    ["too few words", inXa("peer", "verify", "xb", "--words", "zoo"), "2 words.malformed"],
    ["the words of another", inXa("peer", "verify", "xb", "--words", twelve), "4 peer.words"],
    ["words without --words", inXa("peer", "verify", "xb", "zoo", "zoo"), "2 usage.invalid"],
    ["an unknown profile", inXa("draft", "add", file, "--profile", "ipas"), "5 profile.unknown"],
    ["a folder without practices", inXa("draft", "add", homes.path("empty")), "5 file.missing"],
    ["a card file that exists", inXa("id", "show", "--card", file), "9 file.exists"],
    ["no such directory", inXa("id", "show", "--card", `${file}/x/y`), "1 file.unwritable"],
    ["a file for the tiles", inXa("log", "export", file), "1 file.unwritable"],
    ["an unknown option", inXa("inbox", "--all"), "2 usage.invalid"],
    ["an unknown command", inXa("imbox"), "2 usage.invalid"],
    ["too many arguments", inXa("inbox", "xb"), "2 usage.invalid"],
    ["an unknown help topic", inXa("help", "imbox"), "2 usage.invalid"],
    ["a second founding", inXa("init", "--state", "XA", "--name", "A"), "9 home.exists"],
    ["a port that is none", inXa("serve", "--listen", "8440"), "2 usage.invalid"],
  ])("%s", async (_name, { home, args }, expected) => {
    expect(await mistake(home().run(args))).toBe(expected)
  })

  test.each([
    ["to nobody", ["--to", ""], "2 recipient.none"],
    ["to nobody, with commas", ["--to", " , "], "2 recipient.none"],
    ["to ourselves", ["--to", "xa"], "2 recipient.self"],
    ["to an unknown member", ["--to", "xb,xq"], "5 peer.unknown"],
    ["to an unverified member", ["--to", "xb,harbour"], "13 peer.unverified"],
    ["to an unknown group", ["--to", "@nordic"], "5 group.unknown"],
    ["to everybody", ["--to", "public"], "1 recipient.audience"],
    ["until a day that is none", ["--to", "xb", "--until", "2027-02-30"], "2 terms.invalid"],
    ["until tomorrow", ["--to", "xb", "--until", "tomorrow"], "2 terms.invalid"],
    ["until a day that is past", ["--to", "xb", "--until", "2020-01-01"], "2 terms.invalid"],
    ["for no purpose", ["--to", "xb", "--purpose", ""], "2 terms.invalid"],
    ["under a caveat of two lines", ["--to", "xb", "--caveat", "a\nb"], "2 terms.invalid"],
    ["onward perhaps", ["--to", "xb", "--onward", "perhaps"], "2 usage.invalid"],
    ["without --to", [], "2 usage.invalid"],
  ])("a release %s makes no order", async (_name, options, expected) => {
    const before = await xa.json("order", "list")
    const requested = xa.run(["release", "request", record, ...options])
    expect(await mistake(requested)).toBe(expected)
    expect(await xa.json("order", "list")).toEqual(before)
  })

  test("a draft with errors is kept, and can't be released until they are mended", async () => {
    const kept = await xa.run(["draft", "add", homes.path("bad.md")])
    expect(kept.exit).toBe(0)
    const [bad = ""] = kept.stdout.split(" ")
    expect(kept.stderr).toContain(`comity draft edit ${bad.slice(0, 12)}`)
    const request = ["release", "request", bad, "--to", "xb"]
    expect((await xa.error(...request)).code).toBe("draft.errors")
    await xa.json("draft", "edit", bad, file)
    await xa.json(...request, "--dry-run")
    await xa.json("draft", "rm", bad)
  })

  test("`release RECORD` without the word request", async () => {
    const { exit, stderr } = await xa.run(["release", record, "--to", "xb"])
    expect([exit, stderr]).toEqual([2, expect.stringContaining("comity release --help")])
  })
})

describe("a secret on the command line", () => {
  test.each([["--passphrase=hunter2"], ["--passphrase", "hunter2"], ["--key=hunter2"]])(
    "%s is refused and not repeated",
    async (...option) => {
      const { exit, stderr } = await xa.run(["inbox", ...option])
      expect(exit).toBe(2)
      expect(stderr).toContain("COMITY_PASSPHRASE_FILE")
      expect(stderr).not.toContain("hunter2")
    },
  )

  test("nor is one taken from the environment", async () => {
    const ran = comity(["inbox", "--home", xa.home], {
      environment: { COMITY_PASSPHRASE: "hunter2" },
    })
    expect(await mistake(ran)).toBe("11 key.unavailable")
    expect((await ran).stderr).toMatch(/COMITY_PASSPHRASE is ignored[\s\S]*COMITY_PASSPHRASE_FILE/)
  })
})

describe("a home that is not one", () => {
  const init = ["init", "--state", "XD", "--name", "Authority XD"]
  const inbox = (home: string, environment: Record<string, string> = homes.environment) =>
    comity(["inbox", "--home", home], { environment })

  test("missing: its path is named", async () => {
    expect(await mistake(inbox(homes.path("nowhere")))).toBe("10 home.missing")
    expect((await inbox(homes.path("nowhere"))).stderr).toContain(homes.path("nowhere"))
  })

  test("the wrong key, none, or a file of another kind", async () => {
    const wrong = homes.path("wrong")
    writeFileSync(wrong, "00".repeat(32), { mode: 0o600 })
    for (const environment of [
      { COMITY_KEY_FILE: wrong },
      { COMITY_PASSPHRASE_FILE: wrong },
      { COMITY_KEY_FILE: file },
      { COMITY_KEY_FILE: homes.path("nowhere") },
      {},
    ] as Record<string, string>[])
      expect(await mistake(inbox(xa.home, environment))).toBe("11 key.unavailable")
  })

  test.each([
    ["a file", () => file],
    ["inside a file", () => `${file}/home`],
    ["where no directory can be made", () => "/proc/nowhere"],
  ])("%s", async (_name, home) => {
    const ran = comity([...init, "--home", home()], { environment: homes.environment })
    expect(await mistake(ran)).toBe("1 store.failed")
  })

  test("a passphrase: the right one, and one with Caps Lock", async () => {
    const [right, wrong] = [homes.path("right"), homes.path("caps")]
    writeFileSync(right, "correct horse\n", { mode: 0o600 })
    writeFileSync(wrong, "CORRECT HORSE\n", { mode: 0o600 })
    const home = homes.path("sealed")
    const environment = { COMITY_PASSPHRASE_FILE: right }
    const founded = await comity([...init, "--home", home], { environment })
    expect([founded.exit, founded.stderr]).toEqual([0, expect.stringContaining("root-keys/")])
    expect((await inbox(home, environment)).exit).toBe(0)
    expect(await mistake(inbox(home, { COMITY_PASSPHRASE_FILE: wrong }))).toBe("11 key.unavailable")
  })

  test("a secret that others can read is pointed out, and not between the lines of JSON", async () => {
    const open = homes.path("open")
    writeFileSync(open, "4b".repeat(32), { mode: 0o644 })
    const said = await inbox(xa.home, { COMITY_KEY_FILE: open })
    expect([said.exit, said.stderr]).toEqual([0, expect.stringContaining("chmod 600")])
    const environment = { COMITY_KEY_FILE: open }
    const { stderr } = await comity(["--home", xa.home, "show", "ffff", "--json"], { environment })
    expect(JSON.parse(stderr).error.code).toBe("record.unknown")
  })

  test.each([
    [["--state", "XAA"]],
    [["--name", " "]],
    [["--network", "prod"]],
    [["--network", "operational"]],
    [["--officer", "p1"]],
    [["--approvals", "3"]],
    [["--root-keys", "2", "--root-threshold", "3"]],
    [["--url", "comity.example"]],
    [["--ceiling", "SECRET"]],
  ])("init %j founds nothing", async (options) => {
    const home = homes.path("none")
    const ran = comity([...init, ...options, "--home", home], { environment: homes.environment })
    expect(await mistake(ran)).toBe("2 usage.invalid")
    expect(await mistake(inbox(home))).toBe("10 home.missing")
  })

  test("root keys are never written over those of another member", async () => {
    const stick = homes.path("stick")
    mkdirSync(stick)
    writeFileSync(`${stick}/root-1.json`, "the only copy")
    const ran = comity([...init, "--home", homes.path("none"), "--root-out", stick], {
      environment: homes.environment,
    })
    expect(await mistake(ran)).toBe("9 home.exists")
    expect(readFileSync(`${stick}/root-1.json`, "utf8")).toBe("the only copy")
  })

  test("a role that no profile asks for is pointed out before it is in a root document", async () => {
    const { exit, stderr } = await comity(
      [...init, "--home", homes.path("slip"), "--officer", "p1:competentAuthorty"],
      { environment: homes.environment },
    )
    expect(exit).toBe(0)
    expect(stderr).toMatch(/role competentAuthorty.*competentAuthority/)
  })
})

describe("from the first signature to the withdrawal", () => {
  const sign = (person: string, ...more: string[]) =>
    xa.run(["order", "sign", order, "--as", person, ...more])

  test("signing with nobody there to confirm, as somebody else, as nobody, twice", async () => {
    expect(await mistake(xa.run(["publish", order]))).toBe("6 order.unsatisfied")
    expect(await mistake(sign("p1"))).toBe("2 usage.unconfirmed")
    expect(await mistake(sign("p9", "--yes"))).toBe("5 officer.unknown")
    expect(await mistake(sign("../keys", "--yes"))).toBe("5 officer.unknown")
    expect(await mistake(sign("p1", "--yes", "--role", "operator"))).toBe("5 officer.unknown")
    expect(await mistake(xa.run(["order", "sign", order]))).toBe("2 usage.invalid")
    expect((await sign("p1", "--yes")).exit).toBe(0)
    expect(await mistake(sign("p1", "--yes"))).toBe("9 officer.signed")
  })

  test("publishing with one signature says who is missing, and only who is missing", async () => {
    const { exit, stderr } = await xa.run(["publish", order])
    expect(exit).toBe(6)
    expect(stderr).toContain(": 1 person as informationSecurity.")
  })

  test("publishing twice, and changing one's mind after it", async () => {
    await sign("p2", "--yes")
    await xa.json("publish", order)
    expect(await mistake(xa.run(["publish", order]))).toBe("9 order.closed")
    expect(await mistake(sign("p2", "--yes"))).toBe("9 order.closed")
    expect(await mistake(xa.run(["order", "cancel", order]))).toBe("9 order.closed")
    expect(await mistake(xa.run(["draft", "rm", record]))).toBe("9 draft.released")
  })

  test("fetching from a member whose node does not run, alone and among others", async () => {
    const one = await xb.run(["sync", "xa"])
    expect([one.exit, one.stdout]).toEqual([7, expect.stringContaining("1 failed")])
    expect(one.stderr).toContain("(peer.unreachable)")
    await xb.json("peer", "add", homes.path("xc.card"))
    const { words } = await comity(["--home", homes.path("xc"), "id", "show", "--json"], {
      environment: homes.environment,
    }).then(({ stdout }) => JSON.parse(stdout))
    await xb.json("peer", "verify", "xc", "--words", words)
    const node = await xa.serve()
    const both = await xb.run(["sync", "--json"])
    await node.stop()
    expect(both.exit).toBe(3)
    expect(JSON.parse(both.stdout).peers).toMatchObject([
      { name: "xa", received: 1, failed: 0 },
      { name: "xc", failed: 1, code: "peer.unreachable" },
    ])
    expect(JSON.parse(both.stderr).error.code).toBe("peer.unreachable")
    const nobody = `http://127.0.0.1:${await freePort()}`
    expect(await mistake(xa.run(["peer", "add", nobody]))).toBe("7 peer.unreachable")
  })

  test.each([
    ["released", inXb("release", "request", "RECORD", "--to", "xa")],
    ["withdrawn", inXb("withdraw", "RECORD", "--reason", "not mine")],
    ["edited", inXb("draft", "edit", "RECORD", "FILE")],
    ["removed", inXb("draft", "rm", "RECORD")],
    ["asked about its receipts", inXb("receipts", "RECORD")],
  ])("a record of somebody else is not %s", async (name, { home, args }) => {
    const named = args.map((arg) => (arg === "RECORD" ? record : arg === "FILE" ? file : arg))
    const expected = name === "released" ? "6 onward.refused" : "1 record.not-ours"
    expect(await mistake(home().run(named))).toBe(expected)
  })

  test("evidence to a file that is there, or for whom it was not released", async () => {
    expect(await mistake(xb.run(["evidence", record, "-o", file]))).toBe("9 file.exists")
    const { stderr, exit } = await xa.run(["evidence", record, "-o", "-", "--peer", "harbour"])
    expect([exit, stderr]).toEqual([1, expect.stringContaining("It stands for xb")])
  })

  test("withdrawing without a reason, twice, and asking for it afterwards", async () => {
    expect(await mistake(xa.run(["withdraw", record]))).toBe("2 usage.invalid")
    expect(await mistake(xa.run(["withdraw", record, "--reason", " "]))).toBe("2 terms.invalid")
    const withdrawal = await xa.json("withdraw", record, "--reason", "superseded")
    await authorise(xa, withdrawal.order)
    const again = xa.run(["withdraw", record, "--reason", "superseded"])
    expect(await mistake(again)).toBe("1 record.withdrawn")
    expect(await mistake(xa.run(["evidence", record, "-o", "-"]))).toBe("1 record.withdrawn")
    const node = await xa.serve()
    await xb.json("sync", "xa")
    await node.stop()
    expect(await mistake(xb.run(["show", record]))).toBe("1 record.withdrawn")
  })
})

describe("a home brought back from an old copy", () => {
  let next: string

  test("whose database alone is old signs nothing more", async () => {
    const copy = homes.path("copy")
    cpSync(xa.home, copy, { recursive: true })
    next = (await xa.json("draft", "add", file)).record
    await authorise(xa, (await xa.json("release", "request", next, "--to", "xb")).order)
    const node = await xa.serve()
    await xb.json("sync", "xa")
    await node.stop()
    const current = homes.path("current")
    cpSync(xa.home, current, { recursive: true })
    copyFileSync(`${copy}/comity.db`, `${xa.home}/comity.db`)
    const late = (await xa.json("draft", "add", file)).record
    const { order } = await xa.json("release", "request", late, "--to", "xb")
    for (const person of ["p1", "p2"])
      await xa.json("order", "sign", order, "--as", person, "--yes")
    expect(await mistake(xa.run(["publish", order]))).toBe("12 store.rolled-back")
  })

  test("as a whole is noticed by whoever has seen more", async () => {
    rmSync(xa.home, { recursive: true })
    cpSync(homes.path("copy"), xa.home, { recursive: true })
    const node = await xa.serve()
    const { exit, stderr } = await xb.run(["sync", "xa", "--json"])
    await node.stop()
    expect([exit, JSON.parse(stderr).error.code]).toEqual([12, "checkpoint.rollback"])
  })
})
