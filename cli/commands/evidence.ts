import type { Command } from "commander"
import { decodeBase64 } from "../../protocol/encoding.ts"
import type { Verdict } from "../../protocol/evidence.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { exitCodes, hintOf, wordsOf } from "../errors.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { styled } from "../output.ts"
import { UsageError } from "../usage-error.ts"
import { readPolicy } from "./log.ts"

export function registerEvidence(program: Command, context: CliContext): void {
  program
    .command("evidence <record>")
    .description(
      "write one file that proves the release of a record, to be verified without a node",
    )
    .requiredOption("-o, --output <file>", "- for stdout")
    .option(
      "--peer <name>",
      "for a record of ours: whose grant to show; public for that to everybody",
    )
    .option("--reason <text>", "an officer's reason where the terms say no; kept on record")
    .addHelpText("after", "\nExample:\n  $ comity evidence 4f1c -o practice.evidence\n")
    .action(
      async (
        record: string,
        options: { output: string; peer?: string; reason?: string },
        command: Command,
      ) => {
        const output = context.output(command)
        await using node = await connect(context, command)
        const { peer, reason } = options
        const answer = await node.call<{
          record: string
          version: number
          recipient: string
          reveals: string
          file: string
        }>("evidence", {
          record,
          ...(peer === undefined ? {} : { peer }),
          ...(reason === undefined ? {} : { reason }),
        })
        const { file, ...about } = answer
        await writeFileArgument(options.output, decodeBase64(file), context.stdout)
        output.note(answer.reveals)
        if (options.output === "-") return
        output.document({ ...about, file: options.output })
        output.line(`Evidence written to ${options.output}`)
      },
    )
}

export function registerVerify(program: Command, context: CliContext): void {
  program
    .command("verify <file>")
    .description("verify an evidence file; needs no node, no home and no network")
    .option(
      "--pin <words|id>",
      "a member you trust to be who it is: 12 words or member id; repeat for each",
      (value: string, all: readonly string[]) => [...all, value],
      [] as readonly string[],
    )
    .option("--require-witnesses", "fail where witnesses have not cosigned")
    .option(
      "--policy <file>",
      "fail where witnesses that you pinned yourself have not (tlog-policy)",
    )
    .addHelpText(
      "after",
      '\nExample:\n  $ comity verify practice.evidence --pin "abandon ability able …"\n',
    )
    .action((file: string, options: VerifyOptions, command: Command) =>
      verify(context, file, options, command),
    )
}

type VerifyOptions = {
  readonly pin: readonly string[]
  readonly requireWitnesses?: boolean
  readonly policy?: string
}

async function verify(
  context: CliContext,
  file: string,
  options: VerifyOptions,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const [{ readPin, verifyEvidence }, { prepareCrypto }] = await Promise.all([
    import("../../protocol/evidence.ts"),
    import("../../node/node.ts"),
  ])
  const pins = (await Promise.all(options.pin.map(readPin))).flat()
  const policy = options.policy === undefined ? null : await readPolicy(context, options.policy)
  prepareCrypto()
  const bytes = await bytesOf(context, file)
  const asked = {
    requireWitnesses: options.requireWitnesses === true,
    ...(policy === null ? {} : { policy }),
  }
  const { verdict, ground, steps, code, origin, record } =
    bytes === null ? unreadable : verifyEvidence(bytes, pins, asked)
  output.document({
    verdict,
    ground,
    steps,
    ...(code === undefined ? {} : { code }),
    ...(origin === undefined ? {} : { origin }),
    ...(record === undefined ? {} : { record: record.id, title: record.title }),
  })
  for (const { ok, step, text } of steps)
    output.line(
      ok ? styled("green", "✔") : styled("red", "✘"),
      ` ${String(step)} ${ok ? text : text.split(":", 1)[0]!}`,
    )
  if (record !== undefined) output.line(styled("bold", record.title))
  output.line(styled(verdict === "failed" ? "red" : "green", verdict.toUpperCase()))
  for (const line of ground) output.line(`  ${line}`)
  if (code === undefined) return
  const said = steps.at(-1)?.text.split(": ").slice(1).join(": ")
  output.failure(code, wordsOf(code, said ?? `${file} cannot be read.`), hintOf(code))
  context.exit(exitCodes.verificationFailed)
}

/** A file that is there and cannot be read proves nothing: a verdict, not a mistake of whoever asked. */
async function bytesOf(context: CliContext, file: string): Promise<Uint8Array | null> {
  try {
    // More than is allowed: what is too large is refused by its own code.
    return await readFileArgument(file, 4 * limits.evidenceBytes, context.stdin)
  } catch (cause) {
    if (cause instanceof UsageError && cause.code === "file.unreadable") return null
    throw cause
  }
}

const unreadable: Omit<Verdict, "code"> & { readonly code: string } = {
  verdict: "failed",
  ground: [],
  steps: [],
  code: "file.unreadable",
}
