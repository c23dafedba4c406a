import type { Command } from "commander"
import type { RecordView } from "../../node/reading/records.ts"
import type { SavedSearch } from "../../node/reading/saved.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { printRecords } from "./records.ts"

export function registerSaved(program: Command, context: CliContext): void {
  const saved = program
    .command("saved")
    .description("searches that are kept under a name; no peer learns of them")
    .addHelpText("after", "\nExample:\n  $ comity saved add gates gate watched\n")
  saved
    .command("add <name> <query...>")
    .description("keep a search, in place of another of that name")
    .addHelpText("after", "\nExample:\n  $ comity saved add gates gate watched\n")
    .action(async (name: string, words: readonly string[], _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const kept = await node.call<SavedSearch>("saved.add", { name, query: words.join(" ") })
      output.document(kept)
      output.note(`Next: comity saved run ${kept.name}`)
    })
  saved
    .command("list")
    .description("the searches that are kept")
    .addHelpText("after", "\nExample:\n  $ comity saved list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { searches } = await node.call<{ searches: readonly SavedSearch[] }>("saved.list", {})
      output.document({ searches })
      if (searches.length === 0) output.note("No search is saved: comity saved add NAME WORDS")
      else
        output.table(
          ["NAME", "SEARCH"],
          searches.map(({ name, query }) => [name, query]),
        )
    })
  saved
    .command("run <name>")
    .description("search by one of them, in all that is held now")
    .addHelpText("after", "\nExample:\n  $ comity saved run gates\n")
    .action(async (name: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<{ records: readonly RecordView[]; cut: boolean }>(
        "saved.run",
        { name },
      )
      output.document(answer)
      if (answer.records.length === 0) output.note("Nothing found.")
      else printRecords(output, answer.records)
      if (answer.cut) output.note("Too common to rank: these are the newest. Add a word.")
    })
  saved
    .command("rm <name>")
    .description("keep a search no longer")
    .addHelpText("after", "\nExample:\n  $ comity saved rm gates\n")
    .action(async (name: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const removed = await node.call<SavedSearch>("saved.remove", { name })
      output.document(removed)
      output.line(`removed ${removed.name}`)
    })
}
