import { type SpawnOptions, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { describe, expect, test } from "vitest"
import manifest from "../../package.json" with { type: "json" }
import { scratch } from "../support/scratch.ts"

const launcher = fileURLToPath(new URL("../../cli/comity.js", import.meta.url))

async function started(file: string, args: readonly string[], options: SpawnOptions = {}) {
  const child = spawn(process.execPath, [file, ...args], {
    ...options,
    stdio: ["pipe", "pipe", "pipe"],
  })
  child.stdin.end()
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ])
  return { stdout, stderr, code, signal }
}

/**
 * A package whose launcher believes that it runs on an old Node. Its bundled Node is a script that shows
 * its arguments and does as it is told.
 */
function oldNode(bundled?: string): string {
  const root = scratch()
  mkdirSync(join(root, "cli"))
  writeFileSync(join(root, "package.json"), '{"type":"module"}')
  const source = readFileSync(launcher, "utf8")
  const pretending = source.replaceAll("process.versions.node", '"20.20.2"')
  expect(pretending).not.toBe(source)
  writeFileSync(join(root, "cli", "comity.js"), pretending)
  if (bundled !== undefined) {
    const bin = join(root, "node_modules", "node", "bin")
    mkdirSync(bin, { recursive: true })
    writeFileSync(join(bin, "node"), `#!/bin/sh\n${bundled}\n`)
    chmodSync(join(bin, "node"), 0o755)
  }
  return join(root, "cli", "comity.js")
}

describe("the launcher", () => {
  test("runs the command line in process, without a word of its own", async () => {
    const cache = scratch()
    const env = { ...process.env, XDG_CACHE_HOME: cache, NODE_COMPILE_CACHE: undefined }
    const { stdout, stderr, code } = await started(launcher, ["--version"], { env })
    expect({ stdout, stderr, code }).toEqual({
      stdout: `${manifest.version}\n`,
      stderr: "",
      code: 0,
    })
    const failed = await started(launcher, ["nope", "--json"], { env })
    expect(failed.code).toBe(2)
    expect(JSON.parse(failed.stderr).error.code).toBe("usage.invalid")
  })

  test.skipIf(process.platform === "win32")(
    "serves with a small young generation, in the same process, unless told otherwise",
    async () => {
      const root = scratch()
      mkdirSync(join(root, "cli"))
      writeFileSync(join(root, "package.json"), '{"type":"module"}')
      writeFileSync(
        join(root, "cli", "main.ts"),
        "export const runProcess = () => console.log(process.pid, process.execArgv, process.argv.slice(2))",
      )
      const file = join(root, "cli", "comity.js")
      writeFileSync(file, readFileSync(launcher, "utf8"))
      const told = async (args: readonly string[], options?: string) => {
        const env = { ...process.env, NODE_OPTIONS: options }
        const child = spawn(process.execPath, [file, ...args], { env })
        const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
        return `${stdout.replace(`${child.pid} `, "same ")}${stderr}`
      }
      const small = "[ '--max-semi-space-size=16' ]"
      expect(await told(["--home", "a b", "serve"])).toBe(
        `same ${small} [ '--home', 'a b', 'serve' ]\n`,
      )
      expect(await told(["show"])).toBe("same [] [ 'show' ]\n")
      expect(await told(["serve"], "--max-semi-space-size=4")).toBe("same [] [ 'serve' ]\n")
    },
  )

  test("runs what was built until a source is newer, and the sources without a whole build", async () => {
    const root = scratch()
    const saying = (word: string) => `export const runProcess = () => console.log("${word}")`
    mkdirSync(join(root, "cli"))
    mkdirSync(join(root, "dist", "cli"), { recursive: true })
    const write = (path: string, content: string, time: number) => {
      writeFileSync(join(root, path), content)
      utimesSync(join(root, path), time, time)
    }
    write("package.json", '{"type":"module"}', 1000)
    write("cli/comity.js", readFileSync(launcher, "utf8"), 1000)
    write("cli/main.ts", saying("sources"), 1000)
    write("dist/cli/main.js", saying("built"), 2000)
    const said = async () => (await started(join(root, "cli", "comity.js"), [])).stdout
    expect(await said()).toBe("sources\n")
    write("dist/cli/sources.json", '["cli/main.ts","package.json"]', 2000)
    expect(await said()).toBe("built\n")
    write("cli/main.ts", saying("newer sources"), 3000)
    expect(await said()).toBe("newer sources\n")
    write("dist/cli/sources.json", '["cli/main.ts","cli/gone.ts"]', 4000)
    expect(await said()).toBe("newer sources\n")
    write("dist/cli/sources.json", '["cli/ma', 4000)
    expect(await said()).toBe("newer sources\n")
    // An installed package has the times of its unpacking, and Node strips no types in it.
    const installed = join(scratch(), "node_modules", "comity")
    cpSync(root, installed, { recursive: true })
    expect((await started(join(installed, "cli", "comity.js"), [])).stdout).toBe("built\n")
  })

  test("works through a link, as npm installs it", async () => {
    const link = join(scratch(), "comity")
    symlinkSync(launcher, link)
    expect((await started(link, ["--version"])).stdout).toBe(`${manifest.version}\n`)
  })

  test("on an old Node without another, it says so instead of crashing", async () => {
    const { stdout, stderr, code, signal } = await started(oldNode(), ["--version"])
    expect({ stdout, code, signal }).toEqual({ stdout: "", code: 1, signal: null })
    expect(stderr).toMatch(/^comity needs Node 24\.7 or newer; this is Node 20\.20\.2\..*\n$/)
  })

  test("hands over arguments and exit code to the Node that comes with it", async () => {
    const file = oldNode('shift; printf "[%s]" "$@"; exit 12')
    const { stdout, code } = await started(file, ["show", "two words", "--json", ""])
    expect({ stdout, code }).toEqual({ stdout: "[show][two words][--json][]", code: 12 })
  })

  test("dies of what its child died of", async () => {
    const { code, signal } = await started(oldNode("kill -KILL $$"), [])
    expect({ code, signal }).toEqual({ code: null, signal: "SIGKILL" })
  })

  test("passes a signal on, and waits for the child to end in order", async () => {
    const file = oldNode(
      "trap 'echo ended; exit 3' TERM; echo ready; n=0; while [ $n -lt 400 ]; do sleep 0.05; n=$((n+1)); done",
    )
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "ignore"] })
    const output = text(child.stdout)
    await once(child.stdout, "data")
    child.kill("SIGTERM")
    const [code] = await once(child, "exit")
    expect(code).toBe(3)
    expect(await output).toContain("ended")
  })

  test("a bundled Node that does not start is a sentence, too", async () => {
    const file = oldNode("")
    const node = join(file, "..", "..", "node_modules", "node", "bin", "node")
    chmodSync(node, 0o644)
    const { stderr, code } = await started(file, [])
    expect(code).toBe(1)
    expect(stderr).toContain("could not start")
  })

  test("parses on the oldest Node that has modules: no syntax after ES2018", () => {
    const source = readFileSync(launcher, "utf8")
    for (const later of [/\?\./, /\?\?/, /\|\|=|&&=/, /#[a-z]+\b(?=.*\()/, /^\s*await /m])
      expect(source.replace(/^#!.*/, "").replaceAll(/\/\/.*|\/\*[\s\S]*?\*\//g, "")).not.toMatch(
        later,
      )
  })
})
