import type { Command } from "commander"
import type { InconsistencyView } from "../../node/log/inconsistencies.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { assertOfficer, decisionBy, type OfficerOptions } from "../officer-key.ts"
import type { Output } from "../output.ts"

export function registerInconsistency(program: Command, context: CliContext): void {
  const inconsistency = program
    .command("inconsistency")
    .description("proofs that a member has told two histories, and what to do about them")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity inconsistency list\n  $ comity inconsistency show 81c0\n",
    )
  inconsistency
    .command("list")
    .description("list the proofs held here")
    .addHelpText("after", "\nExample:\n  $ comity inconsistency list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const found = await node.call<{ inconsistencies: readonly InconsistencyView[] }>(
        "inconsistency.list",
        {},
      )
      output.document(found)
      if (found.inconsistencies.length === 0)
        output.note("No member is known to have told two histories.")
      else
        output.table(
          ["PROOF", "MEMBER", "STATE", "WHAT"],
          found.inconsistencies.map((one) => [
            one.inconsistency.slice(0, 12),
            one.peer,
            one.state,
            one.text,
          ]),
        )
    })
  inconsistency
    .command("show <proof>")
    .description("show one proof, and what the member concerned says to it")
    .addHelpText("after", "\nExample:\n  $ comity inconsistency show 81c0\n")
    .action(async (proof: string, _options: object, command: Command) => {
      await using node = await connect(context, command)
      const { file: _, ...view } = await node.call<InconsistencyView & { file: string }>(
        "inconsistency.show",
        { proof },
      )
      print(context.output(command), view)
    })
  inconsistency
    .command("export <proof>")
    .description("write the proof as a file that convinces anyone, without a node")
    .addHelpText(
      "after",
      "\nExample:\n  $ comity inconsistency export 81c0 -o two-histories.json\n",
    )
    .requiredOption("-o, --output <file>", "- for stdout")
    .action(async (proof: string, options: { output: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { file } = await node.call<{ file: string }>("inconsistency.show", { proof })
      await writeFileArgument(options.output, decodeBase64(file), context.stdout)
      if (options.output === "-") return
      output.document({ proof, file: options.output })
      output.line(`Proof written to ${options.output}`)
    })
  inconsistency
    .command("verify <file>")
    .description("verify such a file; needs no node, no home and no network")
    .addHelpText("after", "\nExample:\n  $ comity inconsistency verify two-histories.json\n")
    .action(async (file: string, _options: object, command: Command) => {
      const { verifyInconsistency } = await import("../../protocol/inconsistency.ts")
      const { prepareCrypto } = await import("../../node/node.ts")
      prepareCrypto()
      const bytes = await readFileArgument(file, limits.evidenceBytes, context.stdin)
      const { digest, kind, member, words } = verifyInconsistency(bytes)
      const output = context.output(command)
      output.document({ inconsistency: digest, kind, member: member.id, text: words })
      output.line(`Proven: member ${member.id} has told ${words}.`)
      output.note("It is about the member's keys: who used them, only the member can find out.")
    })
  inconsistency
    .command("explain <proof>")
    .description("answer a proof against ourselves; the answer travels with it")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity inconsistency explain 81c0 --text "a restored backup, set right on 1 May"\n',
    )
    .requiredOption("--text <text>", "what happened, for every member to read")
    .action(async (proof: string, options: { text: string }, command: Command) => {
      await using node = await connect(context, command)
      print(
        context.output(command),
        await node.call<InconsistencyView>("inconsistency.explain", { proof, text: options.text }),
      )
    })
  inconsistency
    .command("continue <proof>")
    .description("as an officer, take new entries of that member again")
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .requiredOption("--reason <text>", "why; kept here with the signature")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity inconsistency continue 81c0 --as p1 --reason "restored backup, explained by their note"\n',
    )
    .action((proof: string, options: ContinueOptions, command: Command) =>
      goOn(context, proof, options, command),
    )
}

type ContinueOptions = OfficerOptions & { readonly reason: string }

async function goOn(
  context: CliContext,
  proof: string,
  options: ContinueOptions,
  command: Command,
): Promise<void> {
  assertOfficer(options)
  await using node = await connect(context, command)
  const { inconsistency: subject } = await node.call<InconsistencyView>("inconsistency.show", {
    proof,
  })
  const about = { act: "continue", reason: options.reason, subject } as const
  const statement = encodeBase64(await decisionBy(context, node, options, about, command))
  print(
    context.output(command),
    await node.call<InconsistencyView>("inconsistency.continue", { proof: subject, statement }),
  )
}

function print(output: Output, view: InconsistencyView): void {
  output.document(view)
  output.line(`${view.peer} (${view.member}): ${view.text}`)
  output.line(`proof ${view.inconsistency}, found ${view.foundAt}`)
  for (const { day, text } of view.explanations) output.line(`explained on ${day}: ${text}`)
  if (view.explanations.length === 0) output.line("no explanation has been received")
  if (view.decision !== undefined)
    output.line(
      `${view.decision.person} decided on ${view.decision.day} to go on: ${view.decision.reason}`,
    )
  else if (view.state === "waiting")
    output.note(
      `New entries of ${view.peer} wait for an officer: comity inconsistency continue ${view.inconsistency.slice(0, 12)} --as PERSON --reason TEXT`,
    )
}
