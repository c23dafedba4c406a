import type { Command } from "commander"
import { decodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { exitCodes } from "../errors.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { styled } from "../output.ts"

export function registerEvidence(program: Command, context: CliContext): void {
  program
    .command("evidence <record>")
    .description(
      "write one file that proves the release of a record, to be verified without a node",
    )
    .requiredOption("-o, --output <file>", "- for stdout")
    .option("--peer <name>", "for a record of ours: whose grant to show")
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
    .addHelpText(
      "after",
      '\nExample:\n  $ comity verify practice.evidence --pin "abandon ability able …"\n',
    )
    .action((file: string, options: VerifyOptions, command: Command) =>
      verify(context, file, options, command),
    )
}

type VerifyOptions = { readonly pin: readonly string[]; readonly requireWitnesses?: boolean }

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
  // One byte more than is allowed: what is too large is refused by its own code.
  const bytes = await readFileArgument(file, 4 * limits.evidenceBytes, context.stdin)
  prepareCrypto()
  const verdict = verifyEvidence(bytes, pins, {
    requireWitnesses: options.requireWitnesses === true,
  })
  const { verdict: word, ground, steps, code, origin, record } = verdict
  output.document({
    verdict: word,
    ground,
    steps,
    ...(code === undefined ? {} : { code }),
    ...(origin === undefined ? {} : { origin }),
    ...(record === undefined ? {} : { record: record.id, title: record.title }),
  })
  for (const { ok, step, text } of steps)
    output.line(ok ? styled("green", "✔") : styled("red", "✘"), ` ${String(step)} ${text}`)
  if (record !== undefined) output.line(styled("bold", record.title))
  output.line(styled(word === "failed" ? "red" : "green", word.toUpperCase()))
  for (const line of ground) output.line(`  ${line}`)
  if (code === "evidence.pin" && pins.length === 0)
    output.note('Nobody was pinned: add --pin "12 WORDS" of the member you expect it from.')
  if (word === "failed") context.exit(exitCodes.verificationFailed)
}
