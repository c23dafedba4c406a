import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { type Measurement, median } from "../measure.ts"
import { temporaryDirectory } from "../member.ts"

const launcher = fileURLToPath(new URL("../../cli/comity.js", import.meta.url))
const build = fileURLToPath(new URL("../../build.ts", import.meta.url))

/** A home whose secrets open with a raw key or a passphrase, and the compile cache of an earlier run. */
function makeHome(variable: "COMITY_KEY_FILE" | "COMITY_PASSPHRASE_FILE") {
  const directory = temporaryDirectory()
  const secret = join(directory, "secret")
  writeFileSync(secret, randomBytes(32).toString("hex"), { mode: 0o600 })
  const home = join(directory, "home")
  const env = { ...process.env, [variable]: secret, XDG_CACHE_HOME: join(directory, "cache") }
  const founding = ["init", "--home", home, "--state", "XA", "--name", "Authority XA"]
  execFileSync(process.execPath, [launcher, ...founding], { env, stdio: "ignore" })
  return { home, env }
}

type Serving = { readonly child: ChildProcess; readonly readyMs: number }

/** Resolves when the node's own health page says that it is ready. */
async function serve({ home, env }: ReturnType<typeof makeHome>): Promise<Serving> {
  const start = performance.now()
  const args = [launcher, "serve", "--home", home, "--listen", "127.0.0.1:0", "--json"]
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "ignore"] })
  let text = ""
  for await (const chunk of child.stdout) {
    text += chunk
    if (text.includes("\n}") || /^\{.*\}\s*$/s.test(text)) break
  }
  const { url } = JSON.parse(text) as { url: string }
  const answer = await fetch(`${url}/readyz`)
  if (answer.status !== 200) throw new Error("not ready")
  return { child, readyMs: performance.now() - start }
}

async function stop({ child }: Serving): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve))
  child.kill("SIGTERM")
  await exited
}

/** ms, one start after another; the first fills the cache, and is not counted */
async function startsOf(made: ReturnType<typeof makeHome>, count: number): Promise<number> {
  await stop(await serve(made))
  const starts: number[] = []
  for (let i = 0; i < count; i++) {
    const serving = await serve(made)
    starts.push(serving.readyMs)
    await stop(serving)
  }
  return median(starts)
}

function timeOf(args: readonly string[], env: NodeJS.ProcessEnv): number {
  const start = performance.now()
  execFileSync(process.execPath, args, { env, stdio: "ignore" })
  return performance.now() - start
}

const nothing = ["--input-type=module", "-e", "0"]

export const command: Measurement = {
  names: ["start", "start.passphrase", "idle", "cli.version"],
  run: async ({ isQuick }) => {
    const count = isQuick ? 3 : 15
    // As it is installed: the launcher does not take a build that is older than a source.
    execFileSync(process.execPath, [build], { stdio: "ignore" })
    const made = makeHome("COMITY_KEY_FILE")
    const start = await startsOf(made, count)
    const withPassphrase = await startsOf(makeHome("COMITY_PASSPHRASE_FILE"), count)
    const times = (args: readonly string[]) =>
      Array.from({ length: count + 1 }, () => timeOf(args, made.env)).slice(1)
    const bare = median(times(nothing))
    const idling = await serve(made)
    await sleep(10_000)
    const status = readFileSync(`/proc/${idling.child.pid}/status`, "utf8")
    await stop(idling)
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
    return [
      { name: "start", value: start, unit: "ms", floor: bare, n: count },
      { name: "start.passphrase", value: withPassphrase, unit: "ms", floor: bare, n: count },
      { name: "idle", value: kilobytes / 1024, unit: "MB" },
      {
        name: "cli.version",
        value: median(times([launcher, "--version"])),
        unit: "ms",
        floor: bare,
        n: count,
      },
    ]
  },
}
