import type { Command } from "commander"
import type { DraftView } from "../../node/order/drafts.ts"
import type { Requested } from "../../node/order/release.ts"
import type { Saying } from "../../node/order/say.ts"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"
import { printDraft } from "./draft.ts"
import { oneOf } from "./init.ts"
import { namesIn, printRequested } from "./release.ts"

export type SayingOptions = {
  readonly about?: string
  readonly status?: string
  readonly to?: string
  readonly also?: string
  readonly profile?: string
  readonly title?: string
  readonly language?: string
  readonly area?: string
  readonly field: readonly string[]
}

const textBytes = 256 * 1024

/** Each makes an order that officers sign: what a member says is released like anything else. */
export function registerDialogue(program: Command, context: CliContext): void {
  common(
    program
      .command("ask <peer> <question>")
      .description("make the order that asks a member a question, `-` reads it from stdin")
      .option("--about <record>", "the record that the question is about"),
    'ask xb "Who signs when one of the two is away?" --about 4f1c',
  ).action((peer: string, question: string, options: SayingOptions, command: Command) =>
    say(context, command, options, {
      relation: "asks",
      text: question,
      to: [peer],
      ...(options.about === undefined ? {} : { record: options.about }),
    }),
  )
  common(
    program
      .command("answer <question> <text>")
      .description("make the order that answers a question to whoever asked")
      .option("--also <peers>", "members that are told question and answer, and not who asked"),
    'answer 90ab "The deputy, named in advance." --also xc,xd',
  ).action((question: string, text: string, options: SayingOptions, command: Command) =>
    say(context, command, options, {
      relation: "answers",
      record: question,
      text,
      ...(options.also === undefined ? {} : { also: namesIn(options.also) }),
    }),
  )
  const remark = (verb: "comment" | "reserve", relation: Saying["relation"], about: string) =>
    common(
      program.command(`${verb} <record> <text>`).description(about).option("--to <peers>", toWhom),
      `${verb} 4f1c "It has not been tried in transport."`,
    ).action((record: string, text: string, options: SayingOptions, command: Command) =>
      say(context, command, options, { relation, record, text }),
    )
  remark("comment", "replies", "make the order that says something to a record")
  remark(
    "reserve",
    "reserves",
    "make the order of a reservation, which goes wherever the record goes",
  )
  common(
    program
      .command("adopt <record> [text]")
      .description("make the order that tells a record's origin what became of it here")
      .requiredOption("--status <what>", `${outcomes.join(", ")}`),
    'adopt 4f1c --status adapted "With three persons instead of two."',
  ).action((record: string, text: string | undefined, options: SayingOptions, command: Command) =>
    say(context, command, options, {
      relation: "adopts",
      record,
      status: oneOf("--status", options.status ?? "", outcomes),
      ...(text === undefined ? {} : { text }),
    }),
  )
  common(
    program
      .command("agree <agreement> [text]")
      .description("make the order that agrees to a mission agreement, as its other party"),
    "agree 4f1c",
  ).action((record: string, text: string | undefined, options: SayingOptions, command: Command) =>
    say(context, command, options, {
      relation: "agrees",
      record,
      ...(text === undefined ? {} : { text }),
    }),
  )
  common(
    program
      .command("follow-up <finding> [text]")
      .description(
        "make the order that says how far a finding has come, as its host or its assessor",
      )
      .requiredOption("--status <status>", "on the scale of the finding's mechanism")
      .option("--to <peers>", toWhom),
    'follow-up 4f1c --status in-progress "Two of three sites are done."',
  ).action((record: string, text: string | undefined, options: SayingOptions, command: Command) =>
    say(context, command, options, {
      relation: "follows-up",
      record,
      ...(options.status === undefined ? {} : { status: options.status }),
      ...(text === undefined ? {} : { text }),
    }),
  )
  program
    .command("translate <record> <file>")
    .description("take in a translation of a record as a draft; its release is signed off like any")
    .requiredOption("--status <status>", "official, courtesy or machine")
    .addHelpText(
      "after",
      `
The file is a draft in Markdown: language, title, text and fields; the rest is the original's.

Example:
  $ comity translate 4f1c practice.fr.md --status courtesy
`,
    )
    .action(async (record: string, file: string, options: SayingOptions, command: Command) => {
      const status = oneOf("--status", options.status ?? "", ["official", "courtesy", "machine"])
      const source = await textOf(context, file)
      await using node = await connect(context, command)
      const view = await node.call<DraftView>("draft.translate", { record, source, status })
      printDraft(context.output(command), view)
    })
}

const outcomes = ["adopted", "adapted", "considered", "not-applicable"] as const
const toWhom = "members, separated by commas (default: its origin; of ours, whoever holds it)"

export function common(command: Command, example: string): Command {
  return command
    .option("--title <text>", "title (default: its first sentence)")
    .option("--language <tag>", "language of the text (default: the record's)")
    .option("--area <codes>", "areas, separated by commas (default: the record's)")
    .option(
      "--field <name=text>",
      "a field that the kind asks for; repeat for each",
      (value: string, all: readonly string[]) => [...all, value],
      [] as readonly string[],
    )
    .option(
      "--profile <id>",
      "profile (default: the record's where it has such a kind, else dialogue)",
    )
    .addHelpText("after", `\nExample:\n  $ comity ${example}\n`)
}

export async function say(
  context: CliContext,
  command: Command,
  options: SayingOptions,
  saying: Saying,
): Promise<void> {
  const { to, title, language, area, profile, field } = options
  const input: Saying = {
    ...(to === undefined ? {} : { to: namesIn(to) }),
    ...(title === undefined ? {} : { title }),
    ...(language === undefined ? {} : { language }),
    ...(area === undefined ? {} : { areas: namesIn(area) }),
    ...(profile === undefined ? {} : { profile }),
    fields: Object.fromEntries(field.map(fieldOf)),
    ...saying,
    ...(saying.text === "-" ? { text: await textOf(context, "-") } : {}),
  }
  await using node = await connect(context, command)
  printRequested(context.output(command), await node.call<Requested>("say", input), false)
}

function fieldOf(given: string): readonly [string, string] {
  const [, name, text] = /^([a-z]\w*)=(.+)$/su.exec(given) ?? []
  if (name === undefined || text === undefined)
    throw new UsageError("usage.invalid", `--field ${given} is not NAME=TEXT.`)
  return [name, text]
}

async function textOf(context: CliContext, file: string): Promise<string> {
  return decodeUtf8(await readFileArgument(file, textBytes, context.stdin))
}
