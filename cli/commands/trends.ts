import type { Command } from "commander"
import { csvCell } from "../../node/reading/csv-cell.ts"
import type { Trends } from "../../node/reading/trends.ts"
import { utf8 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"
import { namesIn } from "./release.ts"

type Options = {
  readonly of?: string
  readonly together?: boolean
  readonly least?: string
  readonly output?: string
}

export function registerTrends(program: Command, context: CliContext): void {
  program
    .command("trends <mechanism>")
    .description("how many records of which kind, area and year: our own, or everybody's together")
    .option("--of <members>", "whose, separated by commas (default: our own; others' are refused)")
    .option("--together", "of all members, without saying whose, and nothing of too few of them")
    .option("--least <members>", "tell nothing of fewer members than so many")
    .option("-o, --output <file>", "write it as CSV, the disclaimer first")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity trends ippas\n  $ comity trends ippas --together -o trends.csv\n",
    )
    .action(async (mechanism: string, options: Options, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const found = await node.call<Trends>("trends", {
        mechanism,
        ...(options.of === undefined ? {} : { of: namesIn(options.of) }),
        ...(options.together === true ? { together: true } : {}),
        ...(options.least === undefined ? {} : { k: leastOf(options.least) }),
      })
      if (options.output !== undefined)
        await writeFileArgument(options.output, utf8(formatTrends(found)), context.stdout)
      if (options.output === "-") return
      output.document(found)
      output.note(found.disclaimer)
      output.table(["AREA", "KIND", "YEAR", "RECORDS"], rowsOf(found))
      if (found.of === null)
        output.note(`What is not here is nothing, or of fewer than ${found.k} members.`)
    })
}

function leastOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text)
  throw new UsageError("usage.invalid", `--least ${text} is not a number of members.`)
}

function rowsOf({ cells }: Trends): readonly string[][] {
  return cells.map(({ at, count }) => [...at.map((value) => value ?? "all"), String(count)])
}

/** RFC 4180; whoever gets the file gets what the mechanism says of its own numbers. */
export function formatTrends(found: Trends): string {
  const lines = [[found.disclaimer], ["area", "kind", "year", "records"], ...rowsOf(found)]
  return lines.map((line) => `${line.map(csvCell).join(",")}\r\n`).join("")
}
