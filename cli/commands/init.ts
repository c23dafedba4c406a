import type { Command } from "commander"
import type { Env } from "../../node/env.ts"
import { NodeError } from "../../node/errors.ts"
import type { Founder } from "../../node/home.ts"
import type { CliContext } from "../context.ts"
import { writeFileArgument } from "../file-argument.ts"
import { unlockingOf } from "../node-client.ts"
import { printProposal, publicKeys } from "../proposal.ts"
import { UsageError } from "../usage-error.ts"

type InitOptions = {
  readonly state: string
  readonly name: string
  readonly network: string
  readonly kind: string
  readonly officer: readonly string[]
  readonly approvals?: string
  readonly rootKeys: string
  readonly rootThreshold?: string
  readonly rootOut?: string
  readonly rootKey: readonly string[]
  readonly nextKey: readonly string[]
  readonly nextThreshold?: string
  readonly output?: string
  readonly url?: string
  readonly ceiling?: string
  readonly cipher?: string
}

export function registerInit(program: Command, context: CliContext): void {
  const all = (value: string, before: readonly string[]) => [...before, value]
  const none = [] as readonly string[]
  program
    .command("init")
    .description("found a member: its keys, its root document and its log, in an empty home")
    .requiredOption("--state <code>", "ISO 3166 code; XA to XZ in exercises")
    .requiredOption("--name <name>", "the member's own name")
    .option("--network <network>", "operational, exercise:NAME or training", "training")
    .option("--kind <kind>", "state, operator, secretariat or team", "state")
    .option(
      "--officer <person:role>",
      "an officer and a role, also person:role+role; repeat for each",
      all,
      none,
    )
    .option("--approvals <n>", "distinct persons for every act (default: 2, or 1 with one officer)")
    .option("--root-keys <n>", "root key pairs", "1")
    .option("--root-threshold <n>", "root key pairs that must sign (default: more than half)")
    .option("--root-out <dir>", "where the root keys go, instead of the home")
    .option("--root-key <file>", "public root key made elsewhere; repeat", all, none)
    .option("--next-key <file>", "public root key that may follow those; repeat", all, none)
    .option("--next-threshold <n>", "how many of those must sign (default: more than half)")
    .option("-o, --output <file>", "with --root-key: where version 1 goes to be signed")
    .option("--url <url>", "address at which peers reach this node")
    .option("--ceiling <marking>", "highest marking taken from others")
    .option("--cipher <cipher>", "aegis or chacha20 (default: what is faster on this processor)")
    .addHelpText(
      "after",
      `
Examples:
  $ comity init --state XA --name "Authority XA" --network exercise:demo
  $ comity init --state XA --name "Authority XA" --officer p1:competentAuthority --officer p2:informationSecurity
  $ comity init --state XA --name "Authority XA" --root-keys 3 --root-threshold 2 --root-out /media/stick
  $ comity init --state XA --name "Authority XA" --root-key a.pub --root-key b.pub --next-key c.pub --next-key d.pub -o v1.proposal
                      (root keys made by comity key generate, offline; then comity key sign and key publish)
`,
    )
    .action((options: InitOptions, command: Command) => init(context, options, command))
}

async function init(context: CliContext, options: InitOptions, command: Command): Promise<void> {
  const founding = await foundingOf(options)
  const output = context.output(command)
  const home = context.home(command)
  const [{ hasMember, initHome }, { diskFiles }, { acquireLease }, { realClock, realEnv }] =
    await Promise.all([
      import("../../node/home.ts"),
      import("../../node/files.ts"),
      import("../../node/log/lease.ts"),
      import("../../node/real-env.ts"),
    ])
  // Before a passphrase is chosen for nothing.
  if (hasMember(diskFiles(home)))
    throw new NodeError("home.exists", `There is a member in ${home} already.`, {
      hint: "Choose another home with --home DIR; nothing was changed.",
    })
  const rootFiles = options.rootOut === undefined ? undefined : diskFiles(options.rootOut)
  if (rootFiles?.list("").some((name) => /^(?:root|next)-\d+\./.test(name)))
    throw new NodeError("home.exists", `Root keys of a member lie in ${options.rootOut} already.`, {
      hint: "Choose another directory with --root-out DIR: these would be lost.",
    })
  for (const role of unusualRoles(founding.officers))
    output.note(`No profile asks for the role ${role}; those that profiles name: ${knownRoles}.`)
  const { chooseCipher } = await import("../../node/store/cipher-choice.ts")
  const cipher =
    options.cipher === undefined
      ? chooseCipher(realClock)
      : oneOf("--cipher", options.cipher, ["aegis", "chacha20"] as const)
  const unlocking = await unlockingOf(context, { isNew: true })
  const lease = acquireLease(home)
  const env = realEnv({ home, cipher })
  try {
    if (options.rootKey.length > 0) {
      const proposal = await begin(context, env, { founding, unlocking, cipher }, options)
      const file = options.output ?? ""
      await writeFileArgument(file, proposal, context.stdout)
      if (file === "-") return
      const { readProposal } = await import("../../node/authority/ceremony.ts")
      await printProposal(output, readProposal(proposal), { isShown: false, file })
      output.note(`Begun. Root keys sign ${file}; then: comity key publish ${file} SIGNATURE…`)
      return
    }
    const identity = await initHome(env, {
      founding,
      unlocking,
      cipher,
      ...(rootFiles === undefined ? {} : { rootFiles }),
    })
    output.document(identity)
    output.line(`${identity.name} (${identity.state}), network ${identity.network}`)
    output.line(`member  ${identity.member}`)
    output.line(`words   ${identity.words}`)
    output.note(`Home: ${home}`)
    if (identity.network !== "operational")
      output.note("This member is not operational: nothing it signs can be mistaken for real.")
    if (rootFiles === undefined)
      output.note(
        "Move root-keys/ out of the home to offline media: they are not needed until the root document changes.",
      )
    output.note("Next: comity id show --card FILE makes the card that other members add.")
  } finally {
    env.close()
    lease.release()
  }
}

/** Root keys are elsewhere: version 1 goes to them, and comes back by `key publish`. */
async function begin(
  context: CliContext,
  env: Env,
  founder: Omit<Founder, "rootFiles">,
  options: InitOptions,
): Promise<Uint8Array> {
  if (options.nextKey.length === 0 || options.output === undefined || options.rootOut !== undefined)
    throw new UsageError(
      "usage.invalid",
      "--root-key goes with --next-key and -o, not --root-out.",
      {
        hint: "Make both sets apart from each other: comity key generate --out DIR.",
      },
    )
  const { beginHome } = await import("../../node/begin.ts")
  const { sortRootKeys } = await import("../../protocol/member/key.ts")
  const setOf = async (files: readonly string[], name: string, threshold?: string) => ({
    rootKeys: sortRootKeys(await publicKeys(context, files)),
    threshold:
      threshold === undefined
        ? Math.floor(files.length / 2) + 1
        : count(name, threshold, files.length),
  })
  return beginHome(env, {
    ...founder,
    root: await setOf(options.rootKey, "--root-threshold", options.rootThreshold),
    next: await setOf(options.nextKey, "--next-threshold", options.nextThreshold),
  })
}

async function foundingOf(options: InitOptions) {
  const { decodeShape, network } = await import("../../protocol/shape.ts")
  const { markings } = await import("../../protocol/record/marking.ts")
  const { state, name } = options
  if (!/^[A-Z]{2}$/.test(state))
    throw new UsageError("usage.invalid", "--state is two capital letters, as XA or FI.")
  if (!/^[^\p{Cc}\p{Cf}]{1,128}$/u.test(name) || name.trim() === "")
    throw new UsageError("usage.invalid", "--name is 1 to 128 printable characters.")
  try {
    decodeShape(network, options.network, "network.mismatch")
  } catch (cause) {
    throw new UsageError("usage.invalid", `There is no network ${options.network}.`, {
      hint: "operational, training, or exercise:NAME with a-z, 0-9 and hyphens.",
      cause,
    })
  }
  const isInvented = /^X[A-Z]$/.test(state)
  if (options.network.startsWith("exercise:") && !isInvented)
    throw new UsageError("usage.invalid", "In an exercise members have the codes XA to XZ.", {
      hint: "Nothing made in an exercise may look like a real state's.",
    })
  if (options.network === "operational" && isInvented)
    throw new UsageError("usage.invalid", "XA to XZ are for exercises and training only.")
  const officers = officersOf(options.officer)
  const rootKeys = count("--root-keys", options.rootKeys, 32)
  const threshold =
    options.rootThreshold === undefined
      ? Math.floor(rootKeys / 2) + 1
      : count("--root-threshold", options.rootThreshold, Math.max(rootKeys, options.rootKey.length))
  const approvals =
    options.approvals === undefined ? undefined : count("--approvals", options.approvals, 64)
  if (approvals !== undefined && approvals > officers.length)
    throw new UsageError(
      "usage.invalid",
      `${approvals} approvals can't be had from ${officers.length} officers.`,
      { hint: "Name more with --officer PERSON:ROLE." },
    )
  return {
    network: options.network,
    state,
    name,
    kind: oneOf("--kind", options.kind, ["state", "operator", "secretariat", "team"] as const),
    officers,
    ...(approvals === undefined ? {} : { approvals }),
    rootKeys,
    rootThreshold: threshold,
    ...(options.ceiling === undefined
      ? {}
      : { ceiling: oneOf("--ceiling", options.ceiling, markings) }),
    ...(options.url === undefined ? {} : { url: urlOf(options.url) }),
  }
}

/** DESIGN.md §10. A profile may add its own: another role is pointed out, since it may be a slip. */
const roles = [
  ...["competentAuthority", "informationSecurity", "operator", "regulator", "focalPoint"],
  ...["foreignMinistry", "nationalContactPoint", "teamLeader", "rapporteur", "moderator"],
  ...["committeeChair", "executive", "expert", "lawEnforcement", "opexCoordinator"],
]
const knownRoles = roles.join(", ")

function unusualRoles(officers: readonly { readonly roles: readonly string[] }[]) {
  return new Set(officers.flatMap((one) => one.roles).filter((role) => !roles.includes(role)))
}

const defaultOfficers = ["p1:competentAuthority", "p2:informationSecurity"]

function officersOf(given: readonly string[]) {
  const roles = new Map<string, string[]>()
  for (const text of given.length === 0 ? defaultOfficers : given) {
    const [, person = "", list = ""] =
      /^([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9+]+)$/.exec(text) ?? []
    const named = list.split("+")
    if (person === "" || !named.every((role) => /^[a-z][A-Za-z0-9]{0,39}$/.test(role)))
      throw new UsageError("usage.invalid", `--officer ${text} is not PERSON:ROLE.`, {
        hint: "For example: --officer p1:competentAuthority. A person is a pseudonym, not a name.",
      })
    roles.set(person, [...new Set([...(roles.get(person) ?? []), ...named])])
  }
  return [...roles].map(([person, list]) => ({ person, roles: list }))
}

function count(name: string, text: string, max: number): number {
  const value = Number(text)
  if (!/^\d{1,3}$/.test(text) || value < 1 || value > max)
    throw new UsageError("usage.invalid", `${name} is a number from 1 to ${max}.`)
  return value
}

export function oneOf<const T extends readonly string[]>(
  name: string,
  value: string,
  allowed: T,
): T[number] {
  const found = allowed.find((one) => one === value)
  if (found === undefined)
    throw new UsageError("usage.invalid", `${name} is one of ${allowed.join(", ")}.`)
  return found
}

function urlOf(text: string): string {
  try {
    const url = new URL(text)
    if (/^https?:$/.test(url.protocol) && url.pathname === "/" && url.search === "")
      return url.origin
  } catch {
    // falls through to the words
  }
  throw new UsageError(
    "usage.invalid",
    "--url is an address as https://comity.example or http://127.0.0.1:8440.",
  )
}
