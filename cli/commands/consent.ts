import type { Command } from "commander"
import type { ConsentMade, ConsentTaken } from "../../node/order/consent.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import { limits } from "../../protocol/limits.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"

const exportBytes = 64 * 1024 * 1024

export function registerConsent(program: Command, context: CliContext): void {
  const consent = program
    .command("consent")
    .description("agree to another member's release, or take in what others agreed to")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity consent make order.json\n  $ comity consent take xb.consent\n",
    )
  consent
    .command("make <file>")
    .description("make the order by which our officers consent to an order that was exported to us")
    .addHelpText("after", "\nExample:\n  $ comity consent make order.json\n")
    .action(async (file: string, _options: object, command: Command) => {
      const exported = encodeBase64(await readFileArgument(file, exportBytes, context.stdin))
      await using node = await connect(context, command)
      printMade(
        context.output(command),
        await node.call<ConsentMade>("consent.make", { export: exported }),
      )
    })
  consent
    .command("give <order>")
    .description("write a published consent with its proof, for the member whose release it is")
    .requiredOption("-o, --output <file>", "- for stdout")
    .addHelpText("after", "\nExample:\n  $ comity consent give 7c2e -o xb.consent\n")
    .action(async (id: string, options: { output: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { consent: file } = await node.call<{ consent: string }>("consent.give", { order: id })
      await writeFileArgument(options.output, decodeBase64(file), context.stdout)
      if (options.output === "-") return
      output.document({ order: id, file: options.output })
      output.note("The member gets it as well when it next reads from us.")
    })
  consent
    .command("take <file>")
    .description("take in a consent that another member gave to a release of ours")
    .addHelpText("after", "\nExample:\n  $ comity consent take xb.consent\n")
    .action(async (file: string, _options: object, command: Command) => {
      const output = context.output(command)
      const bytes = await readFileArgument(file, limits.consentBytes, context.stdin)
      await using node = await connect(context, command)
      const taken = await node.call<ConsentTaken>("consent.take", { consent: encodeBase64(bytes) })
      output.document(taken)
      output.line(`order ${taken.order} of ${taken.name} stands in its log, and is kept`)
    })
  consent
    .command("back <order>")
    .description("make the order that takes a consent back, while the release is not published")
    .requiredOption("--reason <text>", "why; kept here")
    .addHelpText("after", '\nExample:\n  $ comity consent back 7c2e --reason "names a case"\n')
    .action(async (id: string, { reason }: { reason: string }, command: Command) => {
      await using node = await connect(context, command)
      printMade(
        context.output(command),
        await node.call<ConsentMade>("consent.back", { order: id, reason }),
      )
    })
  consent
    .command("object <record>")
    .description("make the order by which we object to a record that our silence would release")
    .requiredOption("--reason <text>", "why; kept here")
    .addHelpText(
      "after",
      '\nWith an agreement of ours to a silence procedure: to every record under it from now on.\n\nExample:\n  $ comity consent object 5d0a --reason "names a person"\n',
    )
    .action(async (record: string, { reason }: { reason: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { made } = await node.call<{ made: readonly ConsentMade[] }>("consent.object", {
        record,
        reason,
      })
      output.document({ made })
      for (const one of made) sayMade(output, one)
    })
}

function printMade(output: Output, made: ConsentMade): void {
  output.document(made)
  sayMade(output, made)
}

function sayMade(output: Output, made: ConsentMade): void {
  output.line(`order ${made.order}`)
  output.note(
    `It needs ${String(made.needs)} officers: comity order sign ${made.order.slice(0, 12)} --as PERSON`,
  )
}
