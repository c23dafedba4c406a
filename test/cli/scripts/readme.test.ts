import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { afterAll, beforeAll, expect, test, vi } from "vitest"
import { comity as comityHere } from "../../support/command-line.ts"
import { authorise, freePort, Homes, practice, type TestHome } from "../../support/home.ts"

/**
 * "Use it" of the README, word for word, by the real command in processes of its own: what stands in
 * capitals or quotes there is filled in, and nothing else. The other member is run by its own operator.
 */
// Some twenty processes one after the other, on whatever machine this is.
vi.setConfig({ testTimeout: 180_000 })

const launcher = resolve("cli/comity.js")
const homes = new Homes()
const cwd = homes.directory
const environment = { ...homes.environment, COMITY_HOME: homes.path("xa") }
const children = new Set<ChildProcess>()

let xb: TestHome
let other: { stop(): Promise<void> }
let url: string

beforeAll(async () => {
  writeFileSync(homes.path("practice.md"), practice)
  url = `http://127.0.0.1:${await freePort()}`
  xb = await homes.found("XB")
  other = await xb.serve()
})
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL")
  await other?.stop()
  homes.remove()
})

type Ended = { readonly exit: number; readonly stdout: string; readonly stderr: string }

/** `until` ends the wait before the process does, when its stdout has that. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, [launcher, ...args], {
    cwd,
    env: {
      PATH: process.env.PATH,
      HOME: cwd,
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  })
  children.add(child)
  const said = { stdout: "", stderr: "" }
  for (const stream of ["stdout", "stderr"] as const)
    child[stream].setEncoding("utf8").on("data", (text: string) => {
      said[stream] += text
    })
  const ended = once(child, "close").then(([exit]): Ended => {
    children.delete(child)
    return { exit, ...said }
  })
  const until = async (pattern: RegExp): Promise<void> => {
    const gone = ended.then(({ stderr }) => Promise.reject(new Error(stderr)))
    while (!pattern.test(said.stdout)) await Promise.race([once(child.stdout, "data"), gone])
    gone.catch(() => {})
  }
  return { child, ended, until }
}

/** Runs one to its end; an unexpected failure shows what it said. */
async function comity(...args: string[]): Promise<Ended> {
  const ended = await start(args).ended
  expect(ended, args.join(" ")).toMatchObject({ exit: 0 })
  return ended
}

/** What the README does not say, in this process: it costs a fifth. */
async function aside(...args: string[]): Promise<Ended> {
  return comityHere(args, { environment })
}

/** The commands of one block of the README, comments off, quotes resolved. */
function readme(title: string): readonly string[][] {
  const text = readFileSync("README.md", "utf8")
  const block =
    new RegExp(`\\*\\*${title}\\*\\*[^\n]*\n+\`\`\`\n([^]*?)\`\`\``).exec(text)?.[1] ?? ""
  const lines = block.split("\n").filter((line) => line !== "")
  return lines.map((line) => {
    const words = [...line.replace(/ {2,}#.*/, "").matchAll(/"([^"]*)"|(\S+)/g)]
    const [npx, name, ...args] = words.map(([, quoted, plain]) => quoted ?? plain ?? "")
    expect([npx, name]).toEqual(["npx", "comity"])
    return args
  })
}

function filled(args: readonly string[], values: { readonly [word: string]: string }): string[] {
  return args.map((arg) => values[arg] ?? arg)
}

let node: ReturnType<typeof start>
let words: string

test("found a member and run its node", async () => {
  const steps = readme("Found a member and run its node")
  expect(steps).toHaveLength(5)
  for (const step of steps) {
    const args = filled(step, { "https://comity.xa.example": url, "…": xb.words })
    if (args[0] === "serve") {
      node = start(args)
      await node.until(/Serving peers at/)
      continue
    }
    const { stdout } = await comity(...args)
    if (args[0] === "init") words = /^words +(.*)$/m.exec(stdout)?.[1] ?? ""
  }
  await xb.json("peer", "add", homes.path("xa.card"))
  await xb.json("peer", "verify", "xa", "--words", words)

  const second = await aside("serve")
  expect([second.exit, second.stderr]).toEqual([9, expect.stringContaining("(home.in-use)")])
  expect(second.stderr).toContain(`(process ${node.child.pid})`)
})

test("publish a practice", async () => {
  const values: Record<string, string> = {}
  const steps = readme("Publish a practice")
  expect(steps).toHaveLength(8)
  for (const step of steps) {
    const args = filled(step, values)
    // Nobody is at a terminal here to confirm.
    const { stdout } = await comity(...args, ...(args[1] === "sign" ? ["--yes"] : []))
    if (args[0] === "draft") values.RECORD = stdout.slice(0, 32)
    const [, order] = /^order ([0-9a-f]{32})$/m.exec(stdout) ?? []
    if (order !== undefined) values.ORDER = order
    if (args[0] === "receipts") expect(stdout).toMatch(/^xb +(?:queued|delivered) /m)
  }
  // The withdrawal: "an order like any other: sign it, publish it".
  for (const person of ["p1", "p2"])
    await aside("order", "sign", values.ORDER!, "--as", person, "--yes")
  expect(await aside("publish", values.ORDER!)).toMatchObject({ exit: 0 })
  // Both nodes run: the withdrawal arrives, and its receipt comes back, without another command.
  const receipts = async (): Promise<string> => (await aside("receipts", values.RECORD!)).stdout
  await expect.poll(receipts, { timeout: 20_000, interval: 100 }).toMatch(/^xb +purged/m)
})

test("follow what peers share", async () => {
  const { record } = await xb.json("draft", "add", homes.path("practice.md"))
  await authorise(xb, (await xb.json("release", "request", record, "--to", "xa")).order)
  const steps = readme("Follow what peers share")
  expect(steps).toHaveLength(6)
  for (const step of steps) {
    const args = filled(step, { RECORD: record, "12 words of XB": xb.words })
    if (args[0] === "subscribe") {
      const following = start(args)
      await following.until(/^xb: \d+ received/m)
      following.child.kill("SIGINT")
      expect(await following.ended).toMatchObject({ exit: 0 })
      continue
    }
    const { stdout } = await comity(...args)
    if (args[0] === "inbox" || args[0] === "search")
      expect(stdout).toMatch(new RegExp(`^${record.slice(0, 12)} +xb .* verified `, "m"))
    if (args[0] === "show") expect(stdout.match(/^✔ [1-8] /gm)).toHaveLength(8)
    if (args[0] === "verify") expect(stdout).toMatch(/^VERIFIED$/m)
  }
})

test("a node stops when it is asked to, and leaves the home to the next command", async () => {
  node.child.kill("SIGTERM")
  expect(await node.ended).toMatchObject({ exit: 0, stderr: "Stopping.\n" })
  const { stdout } = await aside("id", "show", "--json")
  expect(JSON.parse(stdout)).toMatchObject({ state: "XA", words })
})
