import type { Command } from "commander"
import type { Links, LinkView } from "../../node/order/linked.ts"
import type { RecordView, Shown } from "../../node/reading/records.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { onwardWords } from "../onward.ts"
import { type Output, styled } from "../output.ts"

export function registerRecords(program: Command, context: CliContext): void {
  program
    .command("inbox")
    .description("what other members released to us")
    .addHelpText("after", "\nExample:\n  $ comity inbox\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<{ records: readonly RecordView[] }>("inbox", {})
      output.document(answer)
      if (answer.records.length === 0) output.note("Nothing has been received yet: comity sync")
      else printRecords(output, answer.records)
    })
  program
    .command("search <query...>")
    .description("search everything held here, in any language")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity search insider threat\n  $ comity search '\"two-person rule\"'\n",
    )
    .action(async (words: readonly string[], _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const answer = await node.call<{ records: readonly RecordView[]; cut: boolean }>("search", {
        query: words.join(" "),
      })
      output.document(answer)
      if (answer.records.length === 0) output.note("Nothing found.")
      else printRecords(output, answer.records)
      if (answer.cut) output.note("Too common to rank: these are the newest. Add a word.")
    })
  program
    .command("show <record>")
    .description("show a record with its provenance, verified anew")
    .addHelpText("after", "\nExample:\n  $ comity show 4f1c\n")
    .action(async (record: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      printShown(output, await node.call<Shown>("show", { record }))
    })
}

export function printRecords(output: Output, records: readonly RecordView[]): void {
  output.table(
    ["RECORD", "FROM", "RECEIVED", "VERDICT", "PROFILE", "MARKING", "TITLE"],
    records.map((one) => [
      one.record.slice(0, 12),
      one.from,
      one.receivedAt.slice(0, 10),
      one.withdrawn
        ? "withdrawn"
        : one.verdict + (one.stale === undefined ? "" : `, stale since ${one.stale}`),
      one.profile,
      one.marking === null
        ? ""
        : bothMarks(one.marking, one.localMark) + (one.public ? ", public" : ""),
      one.withdrawn ? "(withdrawn: content destroyed)" : one.title,
    ]),
  )
}

/** As its origin marked it, and as we handle it. */
export function bothMarks(marking: string, local: string | null): string {
  return local === null || local === marking ? marking : `${marking} / ${local}`
}

function printShown(output: Output, shown: Shown): void {
  output.document(shown)
  const { title, body, kind, profile, areas, fields } = shown.content as {
    readonly title: string
    readonly body: string
    readonly kind: string
    readonly profile: string
    readonly areas: readonly string[]
    readonly fields: { readonly [name: string]: string }
  }
  output.line(styled("bold", title))
  output.line(
    `${kind} under ${profile}, version ${String(shown.version)}, from ${shown.from}, `,
    bothMarks(shown.marking, shown.localMark),
    areas.length === 0 ? "" : `, ${areas.join(", ")}`,
  )
  for (const note of shown.notes) output.line(styled("yellow", note))
  if (shown.terms !== null)
    output.line(
      `terms: ${shown.terms.purpose}, onward ${onwardWords(shown.terms.onward)}, evidence to ${shown.terms.evidence}`,
      ...shown.terms.caveats.map((caveat) => `, ${caveat}`),
    )
  if (shown.inside !== undefined)
    output.line(`inside ${shown.inside.group}: ${shown.inside.members.join(", ")}`)
  output.line("")
  for (const [name, text] of Object.entries(fields)) output.block(`${name}: ${text}`)
  output.block(body)
  output.line("")
  printLinks(output, shown.links)
  for (const { step, ok, text } of shown.provenance)
    output.line(ok ? styled("green", "✔") : styled("red", "✘"), ` ${String(step)} ${text}`)
}

/** Both ends: what it speaks of, and what speaks of it. */
function printLinks(output: Output, { about, linked }: Links): void {
  for (const link of about) output.line(`${link.relation}: ${wordsOf(link)}`)
  for (const link of linked) output.line(`${link.from} ${link.relation} it: ${wordsOf(link)}`)
  if (about.length + linked.length > 0) output.line("")
}

function wordsOf({
  record,
  from,
  title,
  kind,
  status,
  claim,
  language,
  ...link
}: LinkView): string {
  if (title === null) return `record ${record.slice(0, 12)} of ${from}, which is not here`
  const what = [
    ...[kind, status, claim === undefined ? undefined : `as ${claim}`],
    link.relation === "translates" ? language : undefined,
    link.outdated === true ? "of an older version" : undefined,
  ]
  return `“${title}” (${what.filter((one) => one !== undefined).join(", ")}), ${record.slice(0, 12)}`
}
