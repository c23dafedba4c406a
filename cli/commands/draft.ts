import type { Command } from "commander"
import type { DraftView } from "../../node/order/drafts.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import type { CliContext } from "../context.ts"
import { exitCodes } from "../errors.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"
import { styled } from "../output.ts"
import { type Added, addAll, holdsMany, practicesIn, readSource } from "../practice-files.ts"

export function registerDraft(program: Command, context: CliContext): void {
  const draft = program
    .command("draft")
    .description("what authors write, before any release")
    .addHelpText("after", "\nExamples:\n  $ comity draft add practice.md\n  $ comity draft list\n")
  draft
    .command("add <file>")
    .description(
      "take in practices: Markdown with YAML front matter, a folder of it, or a list (.csv)",
    )
    .option("--profile <id>", "profile, where the file names none")
    .addHelpText(
      "after",
      `
Examples:
  $ comity draft add practice.md
  $ comity draft add practice.md --profile ippas
  $ comity draft add practices/
  $ comity draft add practices.csv
`,
    )
    .action(async (file: string, options: { profile?: string }, command: Command) => {
      const profile =
        options.profile === undefined ? undefined : await knownProfile(options.profile)
      if (await holdsMany(file)) {
        const practices = await practicesIn(context, file)
        await using node = await connect(context, command)
        printAdded(context.output(command), await addAll(node, practices, profile), file)
        return
      }
      const source = await readSource(context, file)
      await using node = await connect(context, command)
      const view = await node.call<DraftView>("draft.add", {
        source,
        ...(profile === undefined ? {} : { profile }),
      })
      printDraft(context.output(command), view)
    })
  draft
    .command("check <file>")
    .description("say what is wrong with a file, without keeping it; needs no home")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity draft check practice.md\n  $ comity draft check - --profile ippas --json\n",
    )
    .option("--profile <id>", "profile, where the file names none")
    .action(async (file: string, { profile }: { profile?: string }, command: Command) => {
      const source = await readSource(context, file)
      const { checkDraft } = await import("../../node/order/drafts.ts")
      const id = profile === undefined ? undefined : await knownProfile(profile)
      const view = checkDraft(source, id)
      const output = context.output(command)
      output.document(view)
      printFindings(output, view)
      const errors = errorsIn(view)
      if (errors === 0) output.line(`${view.kind} under ${view.profile}: ${view.title}`)
      else {
        const count = errors === 1 ? "1 error stands" : `${String(errors)} errors stand`
        output.failure("draft.errors", `${count} against a release of ${file}.`, undefined)
        context.exit(exitCodes.failed)
      }
    })
  draft
    .command("list")
    .description("list the drafts kept here")
    .addHelpText("after", "\nExample:\n  $ comity draft list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { drafts } = await node.call<{ drafts: readonly DraftView[] }>("draft.list", {})
      output.document({ drafts })
      if (drafts.length === 0) output.note("No draft yet: comity draft add FILE.md")
      else
        output.table(
          ["RECORD", "VERSION", "PROFILE", "KIND", "FINDINGS", "TITLE"],
          drafts.map((one) => [
            one.record.slice(0, 12),
            String(one.version),
            one.profile,
            one.kind,
            String(one.findings.length),
            one.title,
          ]),
        )
    })
  draft
    .command("show <record>")
    .description("show a draft as it was written, and what is wrong with it")
    .addHelpText("after", "\nExample:\n  $ comity draft show 4f1c\n")
    .action(async (record: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const view = await node.call<DraftView & { source: string }>("draft.show", { draft: record })
      output.document(view)
      output.block(view.source)
      printFindings(output, view)
    })
  draft
    .command("edit <record> <file>")
    .description(
      "replace a draft's text; what was released stays, the next release is a new version",
    )
    .addHelpText("after", "\nExample:\n  $ comity draft edit 4f1c practice.md\n")
    .action(async (record: string, file: string, _options: object, command: Command) => {
      const source = await readSource(context, file)
      await using node = await connect(context, command)
      printDraft(
        context.output(command),
        await node.call<DraftView>("draft.edit", { draft: record, source }),
      )
    })
  draft
    .command("rm <record>")
    .description("remove a draft that was never put into an order")
    .addHelpText("after", "\nExample:\n  $ comity draft rm 4f1c\n")
    .action(async (record: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const removed = await node.call<{ removed: string }>("draft.remove", { draft: record })
      output.document(removed)
      output.line(`removed ${removed.removed}`)
    })
}

async function knownProfile(id: string): Promise<string> {
  const { findProfileById } = await import("../../protocol/profiles/registry.ts")
  if (findProfileById(id) !== null) return id
  throw new ProtocolError("profile.unknown", { detail: id })
}

function errorsIn({ findings }: Pick<DraftView, "findings">): number {
  return findings.filter(({ severity }) => severity === "error").length
}

/** Of many: a line for each, and what is wrong with any of them. */
function printAdded(output: Output, drafts: readonly Added[], path: string): void {
  output.document({ drafts })
  for (const view of drafts) {
    const note = view.isNew ? "" : " (was here already)"
    output.line(`${view.record.slice(0, 12)}  ${view.name}  ${view.title}${note}`)
    printFindings(output, view)
  }
  const wrong = drafts.filter((view) => errorsIn(view) > 0).length
  output.note(
    wrong === 0
      ? `Next: comity release request ${path} --to PEER`
      : `${String(wrong)} of ${String(drafts.length)} have errors: comity draft edit RECORD FILE.md`,
  )
}

export function printDraft(output: Output, view: DraftView): void {
  output.document(view)
  output.line(`${view.record}  version ${String(view.version)}  ${view.title}`)
  printFindings(output, view)
  const record = view.record.slice(0, 12)
  output.note(
    errorsIn(view) === 0
      ? `Next: comity release request ${record} --to PEER`
      : `Mend the file, then: comity draft edit ${record} FILE.md`,
  )
}

function printFindings(output: Output, { findings }: Pick<DraftView, "findings">): void {
  for (const { line, severity, text, rule } of findings)
    output.note(
      styled(severity === "error" ? "red" : "yellow", severity),
      ` line ${String(line)}: ${text} (${rule})`,
    )
}
