import type { Command } from "commander"
import type { CliContext } from "../context.ts"
import { openLocally } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

const defaultListen = "127.0.0.1:8440"

export function registerServe(program: Command, context: CliContext): void {
  program
    .command("serve")
    .description("run the node: serve peers, follow those that are verified")
    .option(
      "--listen <host:port>",
      `where peers reach it (default: that of --url, else ${defaultListen})`,
    )
    .addHelpText(
      "after",
      `
Examples:
  $ comity serve
  $ comity serve --listen 0.0.0.0:8440        (behind a proxy that speaks TLS 1.3)
`,
    )
    .action((options: { readonly listen?: string }, command: Command) =>
      run(context, options, command),
    )
}

async function run(
  context: CliContext,
  options: { readonly listen?: string },
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const home = context.home(command)
  const stopped = context.interrupted()
  const { serve } = await import("../../node/serve.ts")
  const { afterFailedWrite, signerStopped } = await import("../../node/errors.ts")
  const opened = await openLocally(context, home)
  try {
    const where = listenOn(options.listen ?? loopbackOf(opened.config.url) ?? defaultListen)
    const serving = await serve(opened.node, { home, ...where })
    output.document({ url: serving.url, socket: serving.socket })
    output.line(`Serving peers at ${serving.url}. Interrupt to stop.`)
    if (!stopped.aborted)
      await new Promise<void>((resolve) =>
        stopped.addEventListener("abort", () => resolve(), { once: true }),
      )
    output.note("Stopping.")
    await serving.close()
    // Whatever restarts it, and whoever reads its last words, should know.
    if (opened.node.stopped?.code === afterFailedWrite.code) throw signerStopped()
  } finally {
    await opened.close()
  }
}

/** A node whose own address is on this machine listens there. */
function loopbackOf(url: string | null): string | null {
  if (url === null) return null
  const { hostname, port, protocol } = new URL(url)
  const isLoopback = /^(localhost|127\..*|\[::1\])$/.test(hostname)
  return isLoopback && protocol === "http:" ? `${hostname}:${port === "" ? "80" : port}` : null
}

function listenOn(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port = ""] =
    /^(?:\[([0-9a-f:.]+)\]|([^:\s]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 65_535)
    throw new UsageError("usage.invalid", `--listen ${text} is not HOST:PORT.`, {
      hint: "For example: --listen 127.0.0.1:8440",
    })
  return { host, port: Number(port) }
}
