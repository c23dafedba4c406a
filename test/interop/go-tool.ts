import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, test } from "vitest"

/** Go with its own signed notes and Merkle trees, as Debian packages them. */
const packages = "/usr/share/gocode"
const isInstalled = hasGo() && existsSync(join(packages, "src/golang.org/x/mod/sumdb/tlog"))

function hasGo(): boolean {
  try {
    execFileSync("go", ["version"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

export type GoTool = {
  /** The JSON that the program answers; throws with its own words when it refuses. */
  run(args: readonly string[], input?: unknown): unknown
}

/** Tests with that program: without Go a failure in CI, elsewhere a skip that says so. */
export function describeGo(name: string, body: (tool: () => GoTool) => void): void {
  if (isInstalled) {
    describe(name, () => body(() => built()))
    return
  }
  describe(`${name}: apt-get install golang-go golang-golang-x-mod-dev`, () => {
    if (process.env.CI !== "true") return test.skip("skipped", () => {})
    test("Go is installed", () => {
      throw new Error(`no go command, or no golang.org/x/mod in ${packages}`)
    })
  })
}

let tool: GoTool | undefined

/** Built once for a test file, gone with its process. */
function built(): GoTool {
  if (tool !== undefined) return tool
  const folder = mkdtempSync(join(tmpdir(), "comity-go-"))
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }))
  const program = join(folder, "interop")
  execFileSync("go", ["build", "-o", program, join(import.meta.dirname, "go", "main.go")], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      GO111MODULE: "off",
      GOPATH: packages,
      GOCACHE: join(folder, "cache"),
    },
  })
  tool = {
    run(args, input = null) {
      const options = { input: JSON.stringify(input), maxBuffer: 256 * 1024 * 1024 }
      return JSON.parse(execFileSync(program, args, { ...options, stdio: "pipe" }).toString())
    },
  }
  return tool
}
