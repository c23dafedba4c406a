import { copyFileSync, readFileSync, writeFileSync } from "node:fs"
import { afterAll, beforeAll, expect, test } from "vitest"
import { comity, type Ran } from "../../support/command-line.ts"
import { freePort, Homes, type TestHome } from "../../support/home.ts"

/** "From nothing to a shared practice", as the page has it: its file, its commands, their number, its mistakes. */
const [, section = ""] = /^## From nothing to a shared practice\n([\s\S]*?)\n## /m.exec(
  readFileSync("docs/mechanisms.md", "utf8"),
) ?? [""]
const practice = /```markdown\n([\s\S]*?)```/.exec(section)?.[1] ?? ""
const commands = (/```\n(comity [\s\S]*?)```/.exec(section)?.[1] ?? "")
  .trim()
  .split("\n")
  .map((line) =>
    [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!),
  )
const mistakes = [...section.matchAll(/^\| ([^|]+) \| `([a-z.]+)` \| ([^|]+) \|$/gm)].map(
  ([, mistake, code, next]) => [mistake!, code!, next!] as const,
)

const homes = new Homes()
const environment = { ...homes.environment, COMITY_HOME: homes.path("xa") }
const stop = new AbortController()
let xb: TestHome
let other: { stop(): Promise<void> }
let served: Promise<Ran> | undefined
let record = ""

const run = (...args: string[]) => comity(args, { environment })

beforeAll(async () => {
  writeFileSync(homes.path("practice.md"), practice)
  xb = await homes.found("XB")
  other = await xb.serve()
})
afterAll(async () => {
  stop.abort()
  await served
  await other.stop()
  homes.remove()
})

test("so many commands lead from nothing to a practice that another member has, in less than five minutes", async () => {
  const [, all, once, each] = /^(\d+) commands: (\d+) once, (\d+) for every/m.exec(section) ?? []
  expect(commands).toHaveLength(Number(all))
  expect(commands.findIndex(([, name]) => name === "draft")).toBe(Number(once))
  expect(Number(once) + Number(each)).toBe(Number(all))

  const started = performance.now()
  const url = `http://127.0.0.1:${await freePort()}`
  const values: Record<string, string> = { "https://comity.xa.example": url, "…": xb.words }
  for (const file of ["practice.md", "xa.card", "xb.card"]) values[file] = homes.path(file)
  for (const [name, ...words] of commands) {
    expect(name).toBe("comity")
    const args = words.map((word) => values[word] ?? word)
    if (args[0] === "serve") {
      await new Promise<void>((resolve, reject) => {
        const said = { environment, interrupt: stop.signal, onStdout: () => resolve() }
        served = comity(args, said)
        served.then(({ stderr }) => reject(new Error(stderr)), reject)
      })
      continue
    }
    // Nobody is at a terminal here to confirm.
    const { exit, stdout, stderr } = await run(...args, ...(args[1] === "sign" ? ["--yes"] : []))
    expect({ args, exit, stderr }).toMatchObject({ exit: 0 })
    if (args[0] === "draft") values.RECORD = stdout.slice(0, 32)
    values.ORDER = /^order ([0-9a-f]{32})$/m.exec(stdout)?.[1] ?? values.ORDER ?? ""
    // The other member adds the newcomer too: theirs to do, on their own telephone.
    if (args[0] === "id") await welcome()
  }
  record = values.RECORD!
  const inbox = async () => (await xb.run(["inbox"])).stdout
  await expect.poll(inbox, { timeout: 20_000, interval: 100 }).toContain(record.slice(0, 12))
  expect((performance.now() - started) / 60_000).toBeLessThan(5)
})

async function welcome(): Promise<void> {
  const { words } = JSON.parse((await run("id", "show", "--json")).stdout)
  await xb.json("peer", "add", homes.path("xa.card"))
  await xb.json("peer", "verify", "xa", "--words", words)
}

/** What a tired official types for each mistake; the last word is said by the command. */
const made: { readonly [mistake: string]: () => Promise<Ran> } = {
  "another passphrase": async () => {
    const [right, wrong] = [homes.path("right"), homes.path("wrong")]
    writeFileSync(right, "correct horse\n", { mode: 0o600 })
    writeFileSync(wrong, "CORRECT HORSE\n", { mode: 0o600 })
    const home = ["--home", homes.path("sealed")]
    await comity([...home, "init", "--state", "XD", "--name", "D"], {
      environment: { COMITY_PASSPHRASE_FILE: right },
    })
    return comity([...home, "inbox"], { environment: { COMITY_PASSPHRASE_FILE: wrong } })
  },
  "another file": () => run("draft", "add", homes.path("xb.card")),
  "a mechanism, a kind or an area that there is not": async () => {
    for (const [word, slip] of [
      ["good-practice", "good-practise"],
      ["M2", "M7"],
    ] as const)
      await refusedDraft(practice.replace(word, slip), /one of/)
    return refusedDraft(practice.replace("ippas", "ipas"), /did you mean ippas/)
  },
  "a field that is missing": () =>
    refusedDraft(practice.replace(/^whyBetter.*\n/m, ""), /whyBetter: .*Why it is better/),
  "a peer whose words nobody compared": async () => {
    const xc = await homes.found("XC")
    copyFileSync(homes.path("xc.card"), homes.path("harbour.card"))
    expect(xc.state).toBe("XC")
    await run("peer", "add", homes.path("harbour.card"), "--name", "harbour")
    return run("release", "request", record, "--to", "harbour")
  },
  "a marking that nobody has mapped": async () => {
    const operational = ["--network", "operational", "--root-out"]
    const [theirs, ours] = [homes.path("theirs"), homes.path("ours")]
    const from = await homes.found("BV", ...operational, theirs)
    const to = await homes.found("HM", ...operational, ours)
    await homes.introduce(from, to)
    const draft = await from.json("draft", "add", homes.path("practice.md"))
    const { order } = await from.json("release", "request", draft.record, "--to", "hm")
    for (const person of ["p1", "p2"])
      await from.json("order", "sign", order, "--as", person, "--yes")
    await from.json("publish", order)
    const node = await from.serve()
    const ran = await to.run(["sync", "bv"])
    await node.stop()
    return { ...ran, stderr: `${ran.stdout}${ran.stderr}` }
  },
}

/** It is kept and says what is wrong; asked to leave, it says what to do. */
async function refusedDraft(source: string, said: RegExp): Promise<Ran> {
  const file = homes.path("slip.md")
  writeFileSync(file, source)
  const kept = await run("draft", "add", file)
  expect(kept.exit).toBe(0)
  expect(`${kept.stdout}${kept.stderr}`).toMatch(said)
  expect(kept.stderr).toContain("comity draft edit")
  return run("release", "request", kept.stdout.slice(0, 32), "--to", "xb")
}

test.each(mistakes)("%s", async (mistake, code, next) => {
  const { stderr } = await made[mistake]!()
  expect(stderr).toContain(`(${code})`)
  expect(stderr).toContain(next)
})

test("each mistake of the page is made here", () => {
  expect(mistakes.map(([mistake]) => mistake)).toEqual(Object.keys(made))
})
