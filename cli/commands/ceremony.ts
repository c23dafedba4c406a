import type { Command } from "commander"
import type { CliContext } from "../context.ts"
import type { ExitCode } from "../errors.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { type Output, styled } from "../output.ts"
import type { Terminal } from "../prompt.ts"
import { readProposalFile } from "../proposal.ts"
import { UsageError } from "../usage-error.ts"

/**
 * A root ceremony, explained step by step to whoever stands at one of its machines. It runs the commands
 * that it names, and nothing else: who knows them needs no guide.
 */

type Step = {
  readonly title: string
  readonly why: readonly string[]
  /** asked in turn; an empty answer takes the default, or leaves an optional one out */
  readonly questions: readonly Question[]
  /** the command, from the answers by name */
  args(answers: ReadonlyMap<string, string>): readonly string[]
}
type Question = { readonly name: string; readonly text: string; readonly otherwise?: string }

const steps: readonly Step[] = [
  {
    title: "Make root keys, on a machine that never had a network and never will",
    why: [
      "A root key decides who may speak for the member. Several people hold one each, so that no theft",
      "and no loss of one decides anything. Each holder does this alone, with a passphrase of their own,",
      "and takes the medium away. Those that may follow them are made the same way, and kept apart.",
    ],
    questions: [
      { name: "out", text: "Directory of the medium for the key" },
      { name: "count", text: "How many keys on it", otherwise: "1" },
    ],
    args: (a) => ["key", "generate", "--out", a.get("out") ?? "", "--count", a.get("count") ?? "1"],
  },
  {
    title: "Found the member, on its server, with root keys made before",
    why: [
      "The server gets the public halves (.pub) and words version 1 of the root document. It is no member",
      "before enough holders have signed that.",
    ],
    questions: [
      { name: "state", text: "State code" },
      { name: "name", text: "The member's name" },
      { name: "network", text: "Network", otherwise: "training" },
      { name: "keys", text: "Public root keys, separated by spaces" },
      { name: "next", text: "Public root keys that may follow them" },
      { name: "file", text: "File for the proposal", otherwise: "v1.proposal" },
    ],
    args: (a) => [
      ...["init", "--state", a.get("state") ?? "", "--name", a.get("name") ?? ""],
      ...["--network", a.get("network") ?? "", "-o", a.get("file") ?? ""],
      ...listOf(a.get("keys")).flatMap((file) => ["--root-key", file]),
      ...listOf(a.get("next")).flatMap((file) => ["--next-key", file]),
    ],
  },
  {
    title: "Propose a change, on the member's server",
    why: [
      "The server words the next version of the root document. It can put in what it likes: that is why",
      "the holders read it on their own machines before they sign. More changes: comity key propose --help",
    ],
    questions: [
      { name: "enrol", text: "Requests of officers to enrol (files; none: Enter)", otherwise: "" },
      { name: "dismiss", text: "Officers who leave (none: Enter)", otherwise: "" },
      { name: "policy", text: "New policy (file; none: Enter)", otherwise: "" },
      { name: "file", text: "File for the proposal" },
    ],
    args: (a) => [
      ...["key", "propose", "-o", a.get("file") ?? ""],
      ...listOf(a.get("enrol")).flatMap((file) => ["--enrol", file]),
      ...listOf(a.get("dismiss")).flatMap((person) => ["--dismiss", person]),
      ...listOf(a.get("policy")).flatMap((file) => ["--policy", file]),
    ],
  },
  {
    title: "Look at a proposal and sign it, on a holder's machine",
    why: [
      "Read every line. Compare the words of the member with those you know, and the words of the proposal",
      "with what the other holders see: different words are different proposals.",
    ],
    questions: [
      { name: "file", text: "The proposal" },
      { name: "key", text: "Your root key file" },
      { name: "out", text: "File for your signature" },
    ],
    args: (a) => [
      ...["key", "sign", a.get("file") ?? "", "--key", a.get("key") ?? ""],
      ...["-o", a.get("out") ?? ""],
    ],
  },
  {
    title: "Put the signed version in force, on the member's server",
    why: [
      "With enough signatures the version goes into the log, and peers take it over with it. Orders made",
      "under the version before have to be requested again.",
    ],
    questions: [
      { name: "file", text: "The proposal" },
      { name: "signatures", text: "The signatures, separated by spaces" },
    ],
    args: (a) => ["key", "publish", a.get("file") ?? "", ...listOf(a.get("signatures"))],
  },
]

export function registerCeremony(key: Command, context: CliContext): void {
  key
    .command("ceremony")
    .description("be led through a root ceremony at a terminal; elsewhere, print its steps")
    .option("--sheet <proposal>", "print the record of a ceremony, to be signed on paper")
    .option("--codes <file>", "print a proposal or a signature as QR codes, with their text")
    .option("--pieces <files...>", "make the file again from the text of its codes, in any order")
    .option("-o, --output <file>", "with --pieces: where the file goes")
    .addHelpText(
      "after",
      `
Examples:
  $ comity key ceremony
  $ comity key ceremony --sheet v2.proposal | lp
  $ comity key ceremony --codes v2-1.sig
  $ comity key ceremony --pieces scanned.txt typed.txt -o v2-1.sig
`,
    )
    .action(async (options: CeremonyOptions, command: Command) => {
      const output = context.output(command)
      const { codes, pieces } = options
      if (codes !== undefined) return printCodes(context, codes, output)
      if (pieces !== undefined) return joinPieces(context, pieces, options.output, output)
      if (options.sheet !== undefined) return printSheet(context, options.sheet, output)
      if (context.terminal === null || output.isJson) return printSteps(output)
      context.exit(await lead(context, context.terminal, output, command))
    })
}

type CeremonyOptions = {
  readonly sheet?: string
  readonly codes?: string
  readonly pieces?: readonly string[]
  readonly output?: string
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? "").split(/[\s,]+/).filter((one) => one !== "")
}

function printSteps(output: Output): void {
  output.document({ steps: steps.map(({ title, why }) => ({ title, why: why.join(" ") })) })
  for (const [i, { title, why, questions, args }] of steps.entries()) {
    output.line(`${String(i + 1)}. ${title}`)
    for (const line of why) output.line(`   ${line}`)
    const blanks = new Map(
      questions.map(({ name, otherwise }) => [name, otherwise ?? name.toUpperCase()]),
    )
    output.line(`   $ comity ${args(blanks).map(quoted).join(" ")}`)
    output.line("")
  }
}

function quoted(arg: string): string {
  return /^[\w@./:+-]+$/.test(arg) ? arg : JSON.stringify(arg)
}

async function lead(
  context: CliContext,
  terminal: Terminal,
  output: Output,
  command: Command,
): Promise<ExitCode> {
  const { promptLine } = await import("../prompt.ts")
  const { run } = await import("../program.ts")
  for (const [i, { title }] of steps.entries()) output.note(`${String(i + 1)}  ${title}`)
  const chosen = steps[Number(await promptLine("What does this machine do? ", terminal)) - 1]
  if (chosen === undefined)
    throw new UsageError("usage.invalid", `Answer with a number from 1 to ${steps.length}.`)
  output.note("")
  output.note(styled("bold", chosen.title))
  for (const line of chosen.why) output.note(line)
  const answers = new Map<string, string>()
  for (const { name, text, otherwise } of chosen.questions) {
    const shown = otherwise === undefined || otherwise === "" ? "" : ` [${otherwise}]`
    const answer = (await promptLine(`${text}${shown}: `, terminal)) || otherwise
    if (answer === undefined) throw new UsageError("usage.invalid", `${text}: no answer was given.`)
    answers.set(name, answer)
  }
  const args = chosen.args(answers)
  output.note("")
  output.note(styled("dim", `$ comity ${args.map(quoted).join(" ")}`))
  return run([...args, "--home", context.home(command)], context, "")
}

/** What was proposed, and lines for those who were there: the paper that goes into the file. */
async function printSheet(context: CliContext, file: string, output: Output): Promise<void> {
  const { proposal } = await readProposalFile(context, file)
  const { describeChanges, signersOf } = await import("../../node/authority/ceremony.ts")
  const { sha256 } = await import("../../protocol/crypto/hash.ts")
  const { encodeHex } = await import("../../protocol/encoding.ts")
  const { wordsOf } = await import("../../protocol/words.ts")
  const { root, memberId, payload } = proposal
  const digest = encodeHex(sha256(payload))
  const changes = describeChanges(proposal)
  output.document({ member: memberId, version: root.version, digest, changes })
  for (const line of [
    "RECORD OF A ROOT CEREMONY",
    "",
    `Member            ${root.name} (${root.state}), network ${root.network}`,
    `Member id         ${memberId}`,
    `Its words         ${wordsOf(memberId)}`,
    `Root version      ${String(root.version)}`,
    `Proposal          ${digest}`,
    `Its words         ${wordsOf(digest)}`,
    "",
    "Changes",
    ...changes.map((change) => `  ${change}`),
    "",
    ...signersOf(proposal).flatMap(({ kids, threshold }) => [
      `Root keys, of which ${String(threshold)} sign`,
      ...kids.map((kid) => `  ${kid}   signed [ ]   holder ____________________`),
      "",
    ]),
    "Place and day     ________________________________________",
    "Witnesses         ________________________________________",
    "                  ________________________________________",
  ])
    output.line(line)
}

/** For machines that share no medium: a camera, or a patient typist, carries the file. */
async function printCodes(context: CliContext, file: string, output: Output): Promise<void> {
  const { maxProposalBytes } = await import("../../node/authority/ceremony.ts")
  const { renderUnicodeCompact } = await import("uqr")
  const { cut } = await import("../pieces.ts")
  const bytes = await readFileArgument(file, maxProposalBytes, context.stdin)
  await assertCarried(bytes)
  const pieces = cut(bytes)
  output.document({ pieces })
  for (const [i, piece] of pieces.entries()) {
    output.line(`${String(i + 1)} of ${String(pieces.length)}`)
    output.block(renderUnicodeCompact(piece))
    for (const line of piece.match(/.{1,64}/g) ?? []) output.line(line)
    output.line("")
  }
  output.note("At the other machine: comity key ceremony --pieces FILES -o FILE")
}

async function joinPieces(
  context: CliContext,
  files: readonly string[],
  to: string | undefined,
  output: Output,
): Promise<void> {
  if (to === undefined)
    throw new UsageError("usage.invalid", "--pieces needs -o FILE, where the file goes.")
  const { maxProposalBytes } = await import("../../node/authority/ceremony.ts")
  const { join } = await import("../pieces.ts")
  const texts = []
  for (const file of files)
    texts.push(Buffer.from(await readFileArgument(file, maxProposalBytes, context.stdin)))
  const bytes = join(texts.join("\n"))
  await assertCarried(bytes)
  await writeFileArgument(to, bytes, context.stdout)
  if (to === "-") return
  output.document({ file: to })
  output.note(`All pieces are there: ${to}`)
}

/**
 * A proposal or a signature, so that no secret key gets onto a screen or paper by a slip.
 *
 * @throws `signed.malformed`, `root.malformed`, `json.*`
 */
async function assertCarried(bytes: Uint8Array): Promise<void> {
  const { decodeProposal, decodeRootSignature } = await import("../../node/authority/ceremony.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  prepareCrypto()
  const isProposal = Buffer.from(bytes).includes('"type":"comity/root-proposal/v1"')
  if (isProposal) decodeProposal(bytes)
  else decodeRootSignature(bytes)
}
