import type { ReadStream } from "node:tty"
import manifest from "../package.json" with { type: "json" }
import type { World } from "./context.ts"

/** The version is asked for by scripts, again and again: it loads nothing else. */
export async function runProcess(): Promise<void> {
  const args = process.argv.slice(2)
  process.stdout.on("error", endQuietly)
  if (args.length === 1 && args[0] === "--version") {
    process.stdout.write(`${manifest.version}\n`)
    return
  }
  const { run } = await import("./program.ts")
  process.exitCode = await run(args, processWorld(), manifest.version)
}

function processWorld(): World {
  const { env, stdin, stdout, stderr } = process
  return {
    environment: env,
    stdin,
    stdout,
    stderr,
    terminal: stdin.isTTY && stderr.isTTY ? { input: stdin as ReadStream, output: stderr } : null,
    interrupted,
  }
}

/** Whoever read our output has gone, as `head` does. */
function endQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(1)
  throw error
}

/** The first signal asks, a second of its kind ends. */
function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => controller.abort())
  return controller.signal
}
