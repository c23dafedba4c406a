import { basename } from "node:path"
import type { Command } from "commander"
import type { Hono } from "hono"
import type { Unlocking } from "../../node/keys/keystore.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, openLocally, unlockingFor, unlockingOf } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"
import { decide } from "./order.ts"

type RunOptions = { readonly socket: string; readonly passphraseFile?: string }
type InitOptions = RunOptions & { readonly out: string }

export function registerAgent(program: Command, context: CliContext): void {
  const agent = program
    .command("agent")
    .description("a process of its own that holds keys and signs what it has looked at")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity agent run /srv/agent/node.keys --socket /run/comity/agent.sock\n",
    )
  agent
    .command("init")
    .description("move this node's node key and log key to an agent; the node must be stopped")
    .requiredOption("--out <file>", "the agent's key file, under a passphrase of its own")
    .requiredOption("--socket <path>", "where the agent will listen")
    .option("--passphrase-file <file>", "the new passphrase of that file (default: asked)")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity agent init --out /srv/agent/node.keys --socket /run/comity/agent.sock\n",
    )
    .action((options: InitOptions, command: Command) => init(context, options, command))
  agent
    .command("run <file>")
    .description("hold the keys of a file and sign: a node's by rule, an officer's by asking")
    .requiredOption("--socket <path>", "where to listen")
    .option("--passphrase-file <file>", "the file's passphrase (default: asked)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity agent run /srv/agent/node.keys --socket /run/comity/agent.sock
  $ comity agent run p1.json --socket p1.sock      then: comity order sign ORDER --agent p1.sock
`,
    )
    .action((file: string, options: RunOptions, command: Command) =>
      run(context, file, options, command),
    )
  agent
    .command("advance <size>")
    .description("append dummies until our log is above what the agent signed before a crash")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity agent advance 15      as the agent says "Size 12 is not above 14"\n',
    )
    .action((size: string, _options: object, command: Command) => advance(context, size, command))
}

async function advance(context: CliContext, size: string, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const advanced = await node.call<{ size: number }>("log.advance", { size: Number(size) })
  output.document(advanced)
  output.line(`the log has ${String(advanced.size)} entries`)
}

async function init(context: CliContext, options: InitOptions, command: Command): Promise<void> {
  const output = context.output(command)
  const { moveToAgent } = await import("../../node/keys/move-keys.ts")
  const opened = await openLocally(context, context.home(command))
  try {
    const agents = await unlockingFor(context, {
      what: "the agent's key file",
      isNew: true,
      passphraseFile: options.passphraseFile,
    })
    const keep = (sealed: Uint8Array) => writeFileArgument(options.out, sealed, context.stdout)
    await moveToAgent(opened.node, options.socket, await unlockingOf(context), agents, keep)
  } finally {
    await opened.close()
  }
  output.document({ file: options.out, socket: options.socket })
  output.line(`node key and log key are in ${options.out}, and no longer in this home`)
  output.note(`Next: comity agent run ${options.out} --socket ${options.socket}`)
}

async function run(
  context: CliContext,
  file: string,
  options: RunOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const stopped = context.interrupted()
  const { prepareCrypto } = await import("../../node/node.ts")
  const { serveSocket } = await import("../../node/serve.ts")
  prepareCrypto()
  const bytes = await readFileArgument(file, 64 * 1024, context.stdin)
  const { passphraseFile } = options
  const unlocking = await unlockingFor(context, { what: basename(file), passphraseFile })
  const app = await appFor(context, file, bytes, unlocking, command)
  const serving = await serveSocket(options.socket, app)
  output.document({ socket: options.socket })
  output.line(`Signing at ${options.socket}. Interrupt to stop.`)
  if (!stopped.aborted)
    await new Promise<void>((resolve) =>
      stopped.addEventListener("abort", () => resolve(), { once: true }),
    )
  await serving.close()
}

/** A node's keys sign by rule. An officer's sign what the officer is shown, here, and agrees to. */
async function appFor(
  context: CliContext,
  file: string,
  bytes: Uint8Array,
  unlocking: Unlocking,
  command: Command,
): Promise<Hono> {
  const { nodeAgent, officerAgent } = await import("../../node/keys/agent.ts")
  const { openAgentKeys } = await import("../../node/keys/agent-keys.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const { openKeyFileContent } = await import("../../node/keys/keystore.ts")
  const content = (await openKeyFileContent(bytes, unlocking)) as { readonly type?: string }
  if (content.type === "comity/agent-keys/v1")
    return nodeAgent(await openAgentKeys(bytes, unlocking), diskFiles(`${file}.state`))
  const { openOfficerKey, readSeen, writeSeen } = await import("../../node/home.ts")
  const { reviewExport } = await import("../../node/authority/officer.ts")
  const { readPins } = await import("../../node/keys/pins.ts")
  if (content.type !== "comity/officer-key/v1")
    throw new UsageError(
      "usage.invalid",
      `${basename(file)} holds no key that an agent signs with.`,
    )
  if (context.terminal === null)
    throw new UsageError("usage.invalid", "An officer's agent asks at a terminal for each order.")
  const key = await openOfficerKey(bytes, unlocking)
  const files = diskFiles(context.home(command))
  return officerAgent(async (exported) => {
    const review = reviewExport(exported, await readPins(files, unlocking), readSeen(files))
    const line = await decide(context, review, key, {}, command)
    writeSeen(files, review.seen)
    return { ...line, order: review.order.id, seen: review.seen.size }
  })
}
