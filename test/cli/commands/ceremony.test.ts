import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough, Writable } from "node:stream"
import { renderUnicodeCompact } from "uqr"
import { expect, test } from "vitest"
import { wordsIn, wordsOf } from "../../../protocol/words.ts"
import { comity, type Ran } from "../../support/command-line.ts"
import { scratch } from "../../support/scratch.ts"

/** One machine: a directory, a key that opens what it holds, and what its user types. */
function machine(root: string, name: string) {
  const dir = join(root, name)
  mkdirSync(dir)
  const keyFile = join(dir, "raw.key")
  writeFileSync(keyFile, Buffer.alloc(32, name), { mode: 0o600 })
  const home = join(dir, "home")
  const run = (args: readonly string[]): Promise<Ran> =>
    comity([...args, "--home", home], { environment: { COMITY_KEY_FILE: keyFile } })
  const ok = async (args: readonly string[]) => {
    const ran = await run([...args, "--json"])
    if (ran.exit !== 0) throw new Error(`${args.join(" ")}: ${ran.stderr}`)
    return JSON.parse(ran.stdout === "" ? "{}" : ran.stdout)
  }
  const fails = async (args: readonly string[]) => {
    const ran = await run([...args, "--json"])
    const last = ran.stderr.trim().split("\n").at(-1) ?? ""
    return { exit: ran.exit, code: ran.exit === 0 ? null : JSON.parse(last).error.code }
  }
  return { dir, home, run, ok, fails, file: (of: string) => join(dir, of) }
}

const practice = `---
title: Follow-up by a second office
language: en
---
## What is done
Findings are followed up by an office that took no part in the work.
`

test("a member is founded, changed and spoken for, with root keys and officers' keys that never meet its server", async () => {
  const root = scratch()
  const carried = (name: string) => join(root, name)
  const [server, safe1, safe2, later, p3, peer] = [
    ...["server", "safe1", "safe2", "later", "p3", "peer"].map((name) => machine(root, name)),
  ] as const

  // Each holder makes a key; what may follow them is made apart.
  for (const safe of [safe1, safe2, later])
    await safe!.ok(["key", "generate", "--out", safe!.dir, "--count", safe === later ? "2" : "1"])
  const files = (at: typeof safe1, ending: string) =>
    readdirSync(at!.dir)
      .filter((name) => name.startsWith("root-") && name.endsWith(ending))
      .map((name) => at!.file(name))
  const publics = [safe1, safe2].flatMap((safe) => ["--root-key", ...files(safe, ".pub")])
  const next = files(later, ".pub").flatMap((file) => ["--next-key", file])

  const founding = ["init", "--state", "XA", "--name", "Authority XA", "--network", "exercise:c"]
  const v1 = carried("v1.proposal")
  await server!.ok([...founding, ...publics, ...next, "-o", v1])
  expect(await server!.fails(["id", "show"])).toEqual({ exit: 10, code: "home.missing" })
  const shown = await safe1!.ok(["key", "show", v1])
  expect(shown).toMatchObject({ version: 1, network: "exercise:c" })
  expect(shown.changes).toContainEqual(expect.stringMatching(/adds p1 as competentAuthority/))
  const sign = async (safe: typeof safe1, proposal: string, name: string) => {
    const [key] = files(safe, ".json")
    await safe!.ok(["key", "sign", proposal, "--key", key!, "-o", carried(name), "--yes"])
    return carried(name)
  }
  const one = await sign(safe1, v1, "1.sig")
  expect(await server!.fails(["key", "publish", v1, one, one])).toEqual({
    exit: 6,
    code: "root.unsigned",
  })
  // The second safe shares no medium with the server: a camera reads the one's screen for the other.
  const seen = async (at: typeof safe1, file: string, to: string) => {
    const { pieces } = await at!.ok(["key", "ceremony", "--codes", file])
    const { stdout } = await at!.run(["key", "ceremony", "--codes", file])
    for (const piece of pieces) expect(stdout).toContain(renderUnicodeCompact(piece))
    writeFileSync(carried(`${to}.txt`), stdout)
    return carried(`${to}.txt`)
  }
  const joined = (at: typeof safe1, text: string, to: string) =>
    at!.ok(["key", "ceremony", "--pieces", text, "-o", carried(to)])
  await joined(safe2, await seen(server, v1, "v1.seen"), "v1.seen")
  expect(readFileSync(carried("v1.seen"))).toEqual(readFileSync(v1))
  const two = await sign(safe2, carried("v1.seen"), "2.sig")
  await joined(server, await seen(safe2, two, "2.seen"), "2.seen")
  expect(await safe2!.fails(["key", "ceremony", "--codes", files(safe2, ".json")[0]!])).toEqual({
    exit: 4,
    code: "signed.malformed",
  })
  const torn = readFileSync(carried("2.seen.txt"), "utf8").replace(/COMITY-PIECE:1\//, "")
  writeFileSync(carried("torn.txt"), torn)
  expect(
    await server!.fails(["key", "ceremony", "--pieces", carried("torn.txt"), "-o", "-"]),
  ).toEqual({ exit: 5, code: "piece.missing" })
  const founded = await server!.ok(["key", "publish", v1, one, carried("2.seen")])
  expect(founded).toMatchObject({ member: shown.member, words: shown.words, rootVersion: 1 })
  expect(readdirSync(server!.home).sort()).not.toContain("founding.json")

  // An officer on a machine of their own.
  await server!.ok(["id", "show", "--card", carried("xa.card")])
  const request = carried("p3.request")
  await p3!.ok([
    ...["officer", "new", "--person", "p3", "--role", "regulator"],
    ...["--card", carried("xa.card"), "-o", request],
  ])
  const policy = carried("policy.yaml")
  writeFileSync(policy, "- {act: any, persons: 2}\n- {act: release, role: regulator}\n")
  expect(await server!.run(["policy", "check", policy])).toMatchObject({ exit: 1 })
  const v2 = carried("v2.proposal")
  await server!.ok(["key", "propose", "--enrol", request, "--policy", policy, "-o", v2])
  const unconfirmed = await safe1!.run([
    ...["key", "sign", v2, "--key", files(safe1, ".json")[0]!, "-o", carried("no.sig")],
  ])
  expect(unconfirmed).toMatchObject({ exit: 2 })
  expect(
    await safe1!.fails(["key", "sign", v2, "--key", files(later, ".json")[0]!, "-o", "-", "--yes"]),
  ).toMatchObject({ exit: 11 })
  const both = [await sign(safe1, v2, "3.sig"), await sign(safe2, v2, "4.sig")]
  expect(await server!.ok(["key", "publish", v2, ...both])).toEqual({ version: 2, index: 2 })
  expect(await server!.ok(["policy", "check"])).toEqual({ ok: true, unmet: [] })

  // A release that p3 signs offline, seeing by name whom p3 has pinned.
  await peer!.ok(["init", "--state", "XB", "--name", "Authority XB", "--network", "exercise:c"])
  const { member } = await peer!.ok(["id", "show", "--card", carried("xb.card")])
  await server!.ok(["peer", "add", carried("xb.card")])
  await server!.ok(["peer", "verify", "xb", "--words", wordsOf(member)])
  const draft = carried("draft.md")
  writeFileSync(draft, practice)
  const { record } = await server!.ok(["draft", "add", draft])
  const { order, needs } = await server!.ok(["release", "request", record, "--to", "xb"])
  expect(needs).toBe(2)
  const exported = carried("order.json")
  await server!.ok(["order", "export", order, "-o", exported])
  const signed = (name: string) => ["order", "sign", exported, "--as", "p3", "-o", name, "--yes"]
  const strange = await p3!.run(signed(carried("unpinned.sig")))
  expect(strange).toMatchObject({ exit: 0 })
  expect(strange.stderr).toContain("not known on this machine")
  await p3!.ok(["pin", "add", "friends", carried("xb.card"), "--words", wordsOf(member)])
  const known = await p3!.run(signed(carried("pinned.sig")))
  expect(known.stderr).toContain("to friends\n")
  expect(known.stderr).not.toContain("not known")
  const view = await server!.ok(["order", "import", carried("pinned.sig")])
  expect(view).toMatchObject({
    satisfied: false,
    signatures: [{ person: "p3", role: "regulator" }],
  })
  await server!.ok(["order", "sign", order, "--as", "p1", "--yes"])
  expect(await server!.ok(["publish", order])).toMatchObject({ queued: ["xb"] })

  // A refusal by file.
  const second = await server!.ok(["release", "request", record, "--to", "xb"])
  await server!.ok(["order", "export", second.order, "-o", carried("second.json")])
  const refusing = ["order", "refuse", carried("second.json"), "--as", "p3", "--reason", "too soon"]
  await p3!.ok([...refusing, "-o", carried("refusal.json")])
  expect(await server!.ok(["order", "import", carried("refusal.json")])).toMatchObject({
    state: "refused",
    refusedBy: "p3",
    reason: "too soon",
  })

  // The root keys announced at the founding take over; the server hides it, a peer has it all the same.
  await peer!.ok(["peer", "add", carried("xa.card")])
  const fresh = machine(root, "fresh")
  await fresh.ok(["key", "generate", "--out", fresh.dir])
  const v3 = carried("v3.proposal")
  await server!.ok([
    ...["key", "propose", "--revoke", "p1@2", "-o", v3],
    ...files(later, ".pub").flatMap((file) => ["--root-key", file]),
    ...["--next-key", files(fresh, ".pub")[0]!],
  ])
  const takers = files(later, ".json")
  const signatures = [await sign(safe1, v3, "5.sig"), await sign(safe2, v3, "6.sig")]
  for (const [i, key] of takers.entries()) {
    const file = carried(`later-${i}.sig`)
    await later!.ok(["key", "sign", v3, "--key", key, "-o", file, "--yes"])
    signatures.push(file)
  }
  await safe1!.ok(["key", "publish", v3, ...signatures, "--out", carried("xa-v3.root")])
  const v2Document = JSON.parse(readFileSync(carried("xa.card"), "utf8")).roots
  expect(v2Document).toHaveLength(1)
  expect(await peer!.fails(["peer", "update", carried("xa-v3.root")])).toEqual({
    exit: 4,
    code: "root.chain",
  })
  await server!.ok(["id", "show", "--card", carried("xa-2.card")])
  expect(await peer!.ok(["peer", "update", carried("xa-2.card")])).toMatchObject({ rootVersion: 2 })
  expect(await peer!.ok(["peer", "update", carried("xa-v3.root")])).toMatchObject({
    rootVersion: 3,
  })
})

/** Somebody at a terminal, who answers what is asked in turn. */
function typing(answers: readonly string[]) {
  const input = Object.assign(new PassThrough(), { setRawMode: () => {} })
  const left = [...answers]
  const asked: string[] = []
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString()
      // A question ends without a line break; readline repeats it as it draws the line.
      const question = /(?:\? |: |\] )$/.test(text) ? text : null
      if (question !== null && asked.at(-1) !== question) {
        asked.push(question)
        setImmediate(() => input.write(`${left.shift() ?? ""}\r`))
      }
      done()
    },
  })
  return { terminal: { input, output }, asked }
}

test("the guide asks for what a step needs, names its command, and runs that", async () => {
  const root = scratch()
  const safe = machine(root, "safe")
  const keyFile = join(safe.dir, "raw.key")
  const led = (answers: readonly string[]) =>
    comity(["key", "ceremony", "--home", safe.home], {
      environment: { COMITY_KEY_FILE: keyFile },
      terminal: typing(answers).terminal,
    })
  const made = await led(["1", safe.file("stick"), ""])
  expect(made).toMatchObject({ exit: 0 })
  expect(made.stderr).toContain("$ comity key generate --out")
  expect(readdirSync(safe.file("stick")).map((name) => name.slice(13))).toEqual([".json", ".pub"])
  expect(await led(["9"])).toMatchObject({ exit: 2 })
  expect(await led(["1", ""])).toMatchObject({ exit: 2 })
})

test("the id is shown in the language asked for, and whole as a QR code", async () => {
  const root = scratch()
  const server = machine(root, "server")
  const { member } = await server.ok(["init", "--state", "XA", "--name", "Authority XA"])
  const { words } = await server.ok(["id", "show", "--language", "fr"])
  expect(words).toBe(await wordsIn(member, "fr"))
  const shown = await server.run(["id", "show", "--language", "digits", "--qr"])
  expect(shown.stdout).toContain(await wordsIn(member, "digits"))
  expect(shown.stdout).toContain(renderUnicodeCompact(`comity/training/${member}`).trim())
  expect(await server.run(["id", "show", "--language", "tlh"])).toMatchObject({ exit: 2 })
})

test("without a terminal the steps are printed, and a proposal has a sheet for the file", async () => {
  const root = scratch()
  const server = machine(root, "server")
  const { stdout } = await comity(["key", "ceremony"])
  expect(stdout).toContain("1. Make root keys")
  expect(stdout).toContain("$ comity key sign FILE --key KEY -o OUT")
  await server.ok(["init", "--state", "XA", "--name", "Authority XA"])
  await server.ok(["key", "propose", "--name", "Another name", "-o", server.file("v2")])
  const sheet = await server.run(["key", "ceremony", "--sheet", server.file("v2")])
  expect(sheet.stdout).toContain("name: Authority XA → Another name")
  expect(sheet.stdout).toMatch(/[0-9a-f]{64} {3}signed \[ \] {3}holder/)
})
