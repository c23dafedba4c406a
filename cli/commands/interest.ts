import type { Command } from "commander"
import type { Asked, InterestView } from "../../node/order/interests.ts"
import type { Requested } from "../../node/order/release.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { namesIn, printAsked, printRequested } from "./release.ts"

type Options = {
  readonly to: string
  readonly mechanism: readonly string[]
  readonly area: readonly string[]
  readonly kind: readonly string[]
  readonly language: readonly string[]
  readonly words?: string
  readonly title?: string
  readonly text?: string
  readonly in?: string
  readonly until?: string
}

export function registerInterest(program: Command, context: CliContext): void {
  const interest = program
    .command("interest")
    .description("what members look for, so that it is seen where an audience is chosen")
    .addHelpText(
      "after",
      `
Examples:
  $ comity interest state --to xb,xc --mechanism ippas --words "two-person rule"
  $ comity interest list
`,
    )
  const all = (value: string, before: readonly string[]) => [...before, value]
  const none = [] as readonly string[]
  const sought = (command: Command): Command =>
    command
      .requiredOption("--to <peers>", "who is told: members and groups (@name), by commas")
      .option(
        "--mechanism <profile>",
        "profile of a mechanism; repeat for any of several",
        all,
        none,
      )
      .option("--area <code>", "area; repeat for any of several", all, none)
      .option("--kind <kind>", "kind of record; repeat for any of several", all, none)
      .option("--language <tag>", "language; repeat for any of several", all, none)
      .option("--words <text>", "words that must all occur, as in a search")
      .option("--until <day>", "last day, YYYY-MM-DD (default: until it is withdrawn)")
      .option("--in <tag>", "language that this is written in (default: en)")
  sought(interest.command("state"))
    .description("make the order that tells peers what we look for")
    .option("--title <text>", "a name for it (default: made of what is looked for)")
    .option("--text <text>", "what it is for")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity interest state --to xb --mechanism ippas --area S.2 --words "gate" --until 2027-06-30\n',
    )
    .action((options: Options, command: Command) => {
      const title = options.title ?? titleOf(options)
      const text = options.text ?? title
      return state(context, { ...options, title, text }, "interest", command)
    })
  sought(interest.command("ask <question>"))
    .description("make the order that asks peers once: does anyone have a practice on …?")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity interest ask "Does anyone watch gates in pairs?" --to @harbours\n',
    )
    .action((question: string, options: Options, command: Command) => {
      const title = question.length > 200 ? `${question.slice(0, 199)}…` : question
      return state(context, { ...options, title, text: question }, "request", command)
    })
  interest
    .command("list")
    .description("what others look for, and what we told them that we do")
    .addHelpText("after", "\nExample:\n  $ comity interest list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { interests } = await node.call<{ interests: readonly InterestView[] }>(
        "interest.list",
        {},
      )
      output.document({ interests })
      if (interests.length === 0) output.note("Nobody has said yet what it looks for.")
      else
        output.table(
          ["RECORD", "FROM", "KIND", "LOOKS FOR", "UNTIL", "TITLE"],
          interests.map((one) => [
            one.record.slice(0, 12),
            one.peer,
            one.kind,
            describe(one),
            one.until ?? "",
            one.title,
          ]),
        )
    })
  interest
    .command("match <record>")
    .description("who looks for what a draft of ours says")
    .addHelpText("after", "\nExample:\n  $ comity interest match 4f1c\n")
    .action(async (record: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<{ asked: readonly Asked[] }>("interest.match", { record })
      output.document(answer)
      if (answer.asked.length === 0) output.note("Nobody has asked for such a record.")
      for (const { peer, kind, title, by } of answer.asked)
        printAsked(output, { peer, kind, title, by })
    })
}

function titleOf({ mechanism, area, kind, language, words }: Options): string {
  const parts = [
    ...mechanism,
    ...area,
    ...kind,
    ...language,
    ...(words === undefined ? [] : [words]),
  ]
  const title = `Interest: ${parts.join(", ")}`
  return title.length > 200 ? `${title.slice(0, 199)}…` : title
}

function describe({ mechanisms, areas, kinds, languages, words }: InterestView): string {
  const parts = [mechanisms, areas, kinds, languages].flatMap((list) =>
    list.length === 0 ? [] : [list.join(" or ")],
  )
  return [...parts, ...(words === "" ? [] : [`“${words}”`])].join("; ")
}

async function state(
  context: CliContext,
  options: Options & { readonly title: string; readonly text: string },
  kind: InterestView["kind"],
  command: Command,
): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const requested = await node.call<Requested>("interest.state", {
    kind,
    title: options.title,
    text: options.text,
    language: options.in ?? "en",
    mechanisms: options.mechanism,
    areas: options.area,
    kinds: options.kind,
    languages: options.language,
    words: options.words ?? "",
    to: namesIn(options.to),
    ...(options.until === undefined ? {} : { until: options.until }),
  })
  printRequested(output, requested, false)
  const [told] = requested.preview
  if (told !== undefined)
    output.note(`To end it: comity withdraw ${told.record.slice(0, 12)} --reason TEXT`)
}
