import type { Command } from "commander"
import type { DraftView } from "../../node/order/drafts.ts"
import type { DeadlineView } from "../../node/reading/calendar.ts"
import { utf8 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import { printDraft } from "./draft.ts"

export function registerCalendar(program: Command, context: CliContext): void {
  const calendar = program
    .command("calendar")
    .description("what is due when, under each mechanism")
    .addHelpText("after", "\nExample:\n  $ comity calendar list\n")
  calendar
    .command("list")
    .description("deadlines, the earliest first")
    .option("--open", "only what is neither met nor past")
    .addHelpText("after", "\nExample:\n  $ comity calendar list --open\n")
    .action(async ({ open }: { open?: boolean }, command: Command) => {
      const output = context.output(command)
      const deadlines = (await deadlinesOf(context, command)).filter(
        ({ state }) => open !== true || (state !== "met" && state !== "passed"),
      )
      output.document({ deadlines })
      if (deadlines.length === 0) output.note("Nothing is due: comity calendar set tells a day.")
      else
        output.table(
          ["DEADLINE", "DAY", "STATE", "MECHANISM", "WHAT", "FROM"],
          deadlines.map(({ deadline, day, until, state, mechanism, what, title, from, listed }) => [
            deadline.slice(0, 8),
            until === undefined ? day : `${day}/${until}`,
            listed === true ? `${state}, may be listed` : state,
            mechanism,
            title === undefined ? what : `${what}: ${title}`,
            from,
          ]),
        )
    })
  calendar
    .command("set <mechanism> <anchor> <day>")
    .description("say when a meeting, mission or review is; a draft that can be released to others")
    .option("--about <record>", "the record that it is about, such as a mission agreement")
    .addHelpText("after", "\nExample:\n  $ comity calendar set cns review-meeting 2027-03-15\n")
    .action(
      async (
        mechanism: string,
        anchor: string,
        day: string,
        { about }: { about?: string },
        command: Command,
      ) => {
        await using node = await connect(context, command)
        const view = await node.call<DraftView>("calendar.set", {
          ...{ mechanism, anchor, day },
          ...(about === undefined ? {} : { about }),
        })
        printDraft(context.output(command), view)
      },
    )
  calendar
    .command("met <deadline>")
    .description("note here that a deadline was met")
    .addHelpText("after", "\nExample:\n  $ comity calendar met 0a12\n")
    .action(async (deadline: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const view = await node.call<DeadlineView>("calendar.met", { deadline })
      output.document(view)
      output.line(`${view.what}, ${view.day}: met`)
    })
  calendar
    .command("export")
    .description("the calendar as a file that calendar programs read (iCalendar, RFC 5545)")
    .requiredOption("-o, --output <file>", "file to write, `-` for stdout")
    .addHelpText("after", "\nExample:\n  $ comity calendar export -o comity.ics\n")
    .action(async (options: { output: string }, command: Command) => {
      const output = context.output(command)
      const deadlines = await deadlinesOf(context, command)
      const { formatCalendar } = await import("../icalendar.ts")
      const text = formatCalendar(deadlines, new Date())
      await writeFileArgument(options.output, utf8(text), context.stdout)
      if (options.output === "-") return
      output.document({ file: options.output, deadlines: deadlines.length })
      output.line(`${deadlines.length} deadlines in ${options.output}`)
    })
}

async function deadlinesOf(
  context: CliContext,
  command: Command,
): Promise<readonly DeadlineView[]> {
  await using node = await connect(context, command)
  const answer = await node.call<{ deadlines: readonly DeadlineView[] }>("calendar.list", {})
  return answer.deadlines
}
