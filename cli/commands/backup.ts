import { resolve } from "node:path"
import type { Command } from "commander"
import type { BackedUp, Restored } from "../../node/backup.ts"
import type { Recovery } from "../../node/recover.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { exitCodes } from "../errors.ts"
import { connect, unlockingOf } from "../node-client.ts"
import { decisionBy } from "../officer-key.ts"
import type { Output } from "../output.ts"
import { UsageError } from "../usage-error.ts"

export function registerBackup(program: Command, context: CliContext): void {
  program
    .command("backup <file>")
    .description("write the home into one encrypted file, while the node runs")
    .addHelpText(
      "after",
      `
Example:
  $ comity backup /media/stick/xa-2026-11-25.backup

It opens with the passphrase or key of the home. Root keys and the keys that peers seal to are not in it.
`,
    )
    .action(async (file: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const made = await node.call<BackedUp>("backup", { file: resolve(file) })
      output.document(made)
      output.line(`${made.file}: ${String(made.bytes)} bytes, our log at size ${String(made.size)}`)
      output.note("Keep it where a fire or a thief in this room does not reach it.")
    })
  program
    .command("restore <file>")
    .description("bring a backup back into an empty home")
    .option("--verify-only", "check the whole file, and write nothing")
    .addHelpText(
      "after",
      `
Examples:
  $ comity restore xa.backup --verify-only
  $ comity restore xa.backup --home /srv/comity

What a restored home may sign, peers say first: comity recover, or comity serve, asks them.
`,
    )
    .action(
      async (file: string, { verifyOnly }: { readonly verifyOnly?: boolean }, command: Command) => {
        const { restore } = await import("../../node/backup.ts")
        const { prepareCrypto } = await import("../../node/node.ts")
        const { existsSync } = await import("node:fs")
        if (!existsSync(file)) throw new UsageError("file.missing", `There is no file ${file}.`)
        prepareCrypto()
        const output = context.output(command)
        const home = context.home(command)
        const unlocking = await unlockingOf(context)
        const restored: Restored = await restore(file, home, unlocking, verifyOnly === true)
        output.document(restored)
        output.line(
          `member ${restored.member} in network ${restored.network}, its log at size ${String(restored.size)}`,
        )
        if (restored.home === null) output.note("The backup is whole; nothing was written.")
        else
          output.note(
            `Restored into ${restored.home}. It signs nothing before peers were asked: comity recover.`,
          )
      },
    )
  program
    .command("recover")
    .description("take back from peers what this home has lost, and let it sign again")
    .option("--resume", "go on although nobody could be reached; an officer answers for it")
    .option(
      "--give-up <index...>",
      "count entries that nobody can open as lost; an officer decides",
    )
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--reason <text>", "why; kept here with the signature")
    .addHelpText(
      "after",
      `
Examples:
  $ comity recover
  $ comity recover --resume --as p1 --reason "fire in the building; no peer had our log"
  $ comity recover --give-up 118 --as p1 --reason "an order that no recipient ever fetched"
`,
    )
    .action((options: RecoverOptions, command: Command) => recover(context, options, command))
}

type RecoverOptions = {
  readonly resume?: boolean
  readonly giveUp?: readonly string[]
  readonly as?: string
  readonly reason?: string
}

async function recover(
  context: CliContext,
  options: RecoverOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  if (options.resume !== true && options.giveUp === undefined) {
    await using node = await connect(context, command)
    return print(context, output, await node.call<Recovery>("recover", {}))
  }
  if (options.as === undefined || options.reason === undefined)
    throw new UsageError("usage.invalid", "An officer decides this: --as PERSON --reason TEXT.")
  const indexes = (options.giveUp ?? []).map((index) => {
    if (/^\d{1,15}$/.test(index)) return Number(index)
    throw new UsageError("usage.invalid", `${index} is no number of an entry.`)
  })
  await using node = await connect(context, command)
  const { as, reason } = options
  const about =
    options.resume === true
      ? ({ act: "resume", subject: "signer" } as const)
      : ({ act: "lose", subject: indexes.join(" ") } as const)
  const signed = await decisionBy(context, node, { as }, { ...about, reason }, command)
  const statement = encodeBase64(signed)
  const done = await node.call<Recovery>(
    options.resume === true ? "recover.resume" : "recover.giveUp",
    options.resume === true ? { statement } : { indexes, statement },
  )
  print(context, output, done)
}

const words = {
  sound: "Nothing is missing: this home may sign.",
  regaining: "This home may sign; it serves nothing yet, as orders of its own are still missing.",
  waiting: "Not all have said how far our log has come: nothing is signed.",
  forked: "Peers hold entries under our signature that contradict ours: nothing is signed.",
} as const

function print(context: CliContext, output: Output, done: Recovery): void {
  output.document(done)
  for (const { peer, answer, size } of done.answers)
    output.line(`${peer}: ${answer}${size === undefined ? "" : `, holds ${String(size)} entries`}`)
  if (done.answers.length === 0) output.line("no verified peer with an address is known")
  if (done.regained > 0) output.line(`${String(done.regained)} entries were taken back`)
  if (done.unopened.length > 0)
    output.line(`orders not known again yet, by index: ${done.unopened.join(", ")}`)
  output.line(words[done.state])
  if (done.reason !== null && done.state !== "sound") output.note(done.reason)
  if (done.state === "forked") context.exit(exitCodes.forked)
  if (done.state === "waiting") context.exit(exitCodes.unreachable)
  if (done.state === "regaining") context.exit(exitCodes.partlyDone)
}
