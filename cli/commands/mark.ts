import type { Command } from "commander"
import type { LocalMark } from "../../node/authority/local-marks.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { assertOfficer, decisionBy, type OfficerOptions } from "../officer-key.ts"
import type { Output } from "../output.ts"
import { oneOf } from "./init.ts"

type Marks = { readonly marks: readonly LocalMark[]; readonly required?: boolean }

export function registerMark(program: Command, context: CliContext): void {
  const mark = program
    .command("mark")
    .description("the marks of our own under which we handle what others have marked")
    .addHelpText(
      "after",
      '\nExamples:\n  $ comity mark list\n  $ comity mark map TLP:AMBER "XB INTERNAL" --as p2 --reason "order 12"\n',
    )
  mark
    .command("list")
    .description("list what has been decided, by whom and why")
    .addHelpText("after", "\nExample:\n  $ comity mark list\n")
    .action(async (_options: object, command: Command) => {
      await using node = await connect(context, command)
      print(context.output(command), await node.call<Marks>("mark.list", {}))
    })
  mark
    .command("map <marking> <mark>")
    .description("as an officer for information security, decide on our mark for a marking")
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .requiredOption("--reason <text>", "why; kept here with the signature")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity mark map TLP:AMBER+STRICT "XB RESTRICTED" --as p2 --reason "instruction 4/2026"\n',
    )
    .action((marking: string, own: string, options: MapOptions, command: Command) =>
      map(context, marking, own, options, command),
    )
}

type MapOptions = OfficerOptions & { readonly reason: string }

async function map(
  context: CliContext,
  given: string,
  own: string,
  options: MapOptions,
  command: Command,
): Promise<void> {
  assertOfficer(options)
  const { markSubject } = await import("../../node/authority/local-marks.ts")
  const { markings } = await import("../../protocol/record/marking.ts")
  const marking = oneOf("marking", given, markings)
  await using node = await connect(context, command)
  const subject = markSubject(marking, own)
  const about = { act: "map-marking", reason: options.reason, subject } as const
  const statement = encodeBase64(await decisionBy(context, node, options, about, command))
  print(
    context.output(command),
    await node.call<Marks>("mark.map", { marking, mark: own, statement }),
  )
}

function print(output: Output, { marks, required }: Marks): void {
  output.document({ marks })
  if (marks.length > 0)
    output.table(
      ["MARKING", "OUR MARK", "DECIDED BY", "ON", "REASON"],
      marks.map((one) => [one.marking, one.mark, one.person, one.day, one.reason]),
    )
  else
    output.note(
      required === true
        ? "None yet: records of mechanisms that ask for a mark of our own are refused as unmapped."
        : "None: in this network markings stand for themselves.",
    )
}
