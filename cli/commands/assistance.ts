import type { Command } from "commander"
import type { AssistanceView } from "../../node/reading/assistance.ts"
import { assistanceOutcomes } from "../../protocol/profiles/assistance.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { common, type SayingOptions, say } from "./dialogue.ts"
import { oneOf } from "./init.ts"
import { namesIn } from "./release.ts"

export function registerAssistance(program: Command, context: CliContext): void {
  const assistance = program
    .command("assistance")
    .description("ask donors for help with a finding, and answer when asked")
    .addHelpText("after", "\nExample:\n  $ comity assistance list\n")
  common(
    assistance
      .command("request <text>")
      .description("make the order that asks these donors, and nobody else, for assistance")
      .requiredOption("--to <donors>", "members that are asked, separated by commas")
      .option("--about <record>", "the finding or follow-up that it is for")
      .option("--due <day>", "day by which an answer is hoped for"),
    'assistance request "Training for twelve inspectors." --about 4f1c --to xb,xc --due 2027-05-31',
  ).action((text: string, options: SayingOptions & { due?: string }, command: Command) =>
    say(context, command, withDue(options), {
      relation: "requests",
      text,
      to: namesIn(options.to ?? ""),
      ...(options.about === undefined ? {} : { record: options.about }),
    }),
  )
  common(
    assistance
      .command("reply <request> [text]")
      .description("make the order that tells whoever asked, and nobody else, what we can do")
      .requiredOption("--status <what>", assistanceOutcomes.join(", "))
      .option("--due <day>", "day by which it is done"),
    'assistance reply 90ab --status offered "Two trainers for a week."',
  ).action(
    (
      request: string,
      text: string | undefined,
      options: SayingOptions & { due?: string },
      command: Command,
    ) =>
      say(context, command, withDue(options), {
        relation: "responds",
        record: request,
        status: oneOf("--status", options.status ?? "", assistanceOutcomes),
        ...(text === undefined ? {} : { text }),
      }),
  )
  assistance
    .command("list")
    .description("requests, ours with what each donor says, and others' with what we said")
    .addHelpText("after", "\nExample:\n  $ comity assistance list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { requests } = await node.call<{ requests: readonly AssistanceView[] }>(
        "assistance.list",
        {},
      )
      output.document({ requests })
      if (requests.length === 0) output.note("Nobody has asked for assistance here.")
      else
        output.table(
          ["REQUEST", "TITLE", "FROM", "DUE", "DONOR", "SAYS"],
          requests.flatMap(({ record, title, from, due, donors }) =>
            donors.map(({ name, assistance: says }) => [
              record.slice(0, 8),
              title,
              from,
              due?.day ?? "",
              name,
              says ?? "nothing yet",
            ]),
          ),
        )
    })
}

function withDue({ due, ...options }: SayingOptions & { readonly due?: string }): SayingOptions {
  return due === undefined ? options : { ...options, field: [...options.field, `due=${due}`] }
}
