import type { Command } from "commander"
import type { OfficerView } from "../../node/authority/authority.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect, unlockingFor } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"
import { propose } from "./propose.ts"

const requestBytes = 64 * 1024

type NewOptions = {
  readonly person: string
  readonly role: readonly string[]
  readonly organisation?: string
  readonly card: string
  readonly key?: string
  readonly output: string
  readonly passphraseFile?: string
}

type EnrolOptions = {
  readonly output: string
  readonly from?: string
  readonly until?: string
  readonly dismiss: readonly string[]
}

export function registerOfficer(program: Command, context: CliContext): void {
  const all = (value: string, before: readonly string[]) => [...before, value]
  const officer = program
    .command("officer")
    .description("the people who sign for this member")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity officer list\n  $ comity officer enrol p3.request -o v2.proposal\n",
    )
  officer
    .command("new")
    .description("make an officer's key on the officer's own machine, and a request to enrol it")
    .requiredOption("--person <pseudonym>", "never a name: recipients of what is signed see it")
    .requiredOption("--role <role>", "a role; repeat", all, [] as readonly string[])
    .requiredOption("--card <file>", "the member's card (comity id show --card)")
    .requiredOption("-o, --output <file>", "where the request goes")
    .option("--organisation <name>", "the officer's organisation (default: the member)")
    .option("--key <file>", "where the key goes (default: this machine's home)")
    .option("--passphrase-file <file>", "its new passphrase (default: asked)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity officer new --person p3 --role regulator --card xa.card -o p3.request
  $ comity officer new --person p4 --role operator --organisation "Operator One" --card xa.card -o p4.request
`,
    )
    .action((options: NewOptions, command: Command) => make(context, options, command))
  officer
    .command("enrol <requests...>")
    .description("check officers' requests and propose a root version that lists them")
    .requiredOption("-o, --output <file>", "where the proposal goes")
    .option("--from <day>", "first day on which this node takes their signatures")
    .option("--until <day>", "last such day: for deputies and delegations")
    .option("--dismiss <person>", "an officer who leaves with it; repeat", all, [])
    .addHelpText(
      "after",
      `
Examples:
  $ comity officer enrol p3.request p4.request -o v2.proposal
  $ comity officer enrol deputy.request --until 2027-03-31 -o v2.proposal
`,
    )
    .action((files: string[], options: EnrolOptions, command: Command) =>
      enrol(context, files, options, command),
    )
  officer
    .command("list")
    .description("list the officers whose signatures count")
    .addHelpText("after", "\nExample:\n  $ comity officer list\n")
    .action((_options: object, command: Command) => list(context, command))
}

async function make(context: CliContext, options: NewOptions, command: Command): Promise<void> {
  const output = context.output(command)
  const [{ makeOfficerKey }, { officerFile, sealOfficerKey }, { requestEnrolment }] =
    await Promise.all([
      import("../../node/authority/found.ts"),
      import("../../node/home.ts"),
      import("../../node/authority/enrol.ts"),
    ])
  const { realClock, realRandom } = await import("../../node/real-env.ts")
  const { diskFiles } = await import("../../node/files.ts")
  const { today } = await import("../../node/context.ts")
  const { prepareCrypto } = await import("../../node/node.ts")
  const { verifyCard } = await import("../../protocol/exchange/card.ts")
  const { kidOf } = await import("../../protocol/member/key.ts")
  const { decodeShape } = await import("../../protocol/shape.ts")
  const { officerShape } = await import("../../protocol/member/officer.ts")
  const { newestRoot } = await import("../../protocol/member/root.ts")
  const { limits } = await import("../../protocol/limits.ts")
  const { wordsOf } = await import("../../protocol/words.ts")
  prepareCrypto()
  const card = await readFileArgument(options.card, limits.cardBytes, context.stdin)
  const { member } = verifyCard(card)
  const { name, network } = newestRoot(member).payload
  const { person, role: roles, organisation = name } = options
  const made = makeOfficerKey({ random: realRandom }, { person, organisation, roles })
  const key = { ...made, member: member.id }
  try {
    decodeShape(officerShape, JSON.parse(JSON.stringify(made.officer)), "key.malformed")
  } catch (cause) {
    throw new UsageError("usage.invalid", "Person, role or organisation is not in its form.", {
      hint: "A pseudonym has letters, digits, . _ -; a role is one word as competentAuthority.",
      cause,
    })
  }
  const files = diskFiles(context.home(command))
  const isKept = options.key === undefined
  if (isKept && files.read(officerFile(person)) !== null)
    throw new UsageError("usage.invalid", `There is a key of ${person} on this machine already.`, {
      hint: "Name another file for a second one with --key.",
    })
  const { passphraseFile } = options
  const unlocking = await unlockingFor(context, {
    what: `officer ${person}`,
    isNew: true,
    passphraseFile,
  })
  const sealed = await sealOfficerKey(key, unlocking, realRandom)
  if (options.key === undefined) files.write(officerFile(person), sealed)
  else await writeFileArgument(options.key, sealed, context.stdout)
  const day = today({ env: { clock: realClock } })
  const request = await requestEnrolment(key, { member: member.id, network, day })
  await writeFileArgument(options.output, request, context.stdout)
  const kid = kidOf(made.officer.key)
  output.document({ person, roles, kid, member: member.id, words: wordsOf(member.id) })
  output.line(`officer   ${person} as ${roles.join(", ")} (${organisation})`)
  output.line(`key       ${kid}`)
  output.line(`words     ${wordsOf(kid)}`)
  output.line(`for       ${name}, network ${network}: ${wordsOf(member.id)}`)
  output.note(
    `Hand ${options.output} over in person, or read the words of the key to who enrols it.`,
  )
}

async function enrol(
  context: CliContext,
  files: readonly string[],
  options: EnrolOptions,
  command: Command,
): Promise<void> {
  const days = {
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
  }
  const requests = []
  for (const file of files)
    requests.push({ request: await readFileArgument(file, requestBytes, context.stdin), ...days })
  const wishes = { enrol: requests, dismiss: options.dismiss }
  await propose(context, wishes, options.output, command)
}

async function list(context: CliContext, command: Command): Promise<void> {
  const output = context.output(command)
  await using node = await connect(context, command)
  const { officers } = await node.call<{ officers: readonly OfficerView[] }>("officer.list", {})
  output.document({ officers })
  output.table(
    ["PERSON", "ROLES", "ORGANISATION", "KEY", "SIGNS"],
    officers.map(({ person, roles, organisation, kid, active, revoked, from, until }) => [
      person,
      roles.join(", "),
      organisation,
      kid.slice(0, 12),
      revoked ? "revoked" : from || until ? `${from ?? ""}…${until ?? ""}` : active ? "yes" : "no",
    ]),
  )
}
