import type { Command } from "commander"
import { NodeError } from "../../node/errors.ts"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import type { AdoptableProfile } from "../../protocol/profiles/registry.ts"
import type { CliContext } from "../context.ts"
import { readFileArgument, writeFileArgument } from "../file-argument.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"

export function registerProfile(program: Command, context: CliContext): void {
  const profile = program
    .command("profile")
    .description("mechanism profiles: what a record must hold and who must sign it off")
    .addHelpText("after", "\nExamples:\n  $ comity profile list\n  $ comity profile show ippas\n")
  profile
    .command("list")
    .description("list the profiles that are known here")
    .addHelpText(
      "after",
      `
Examples:
  $ comity profile list
  $ comity profile list --json
`,
    )
    .action((_options: object, command: Command) => listProfiles(context, command))
  profile
    .command("show <profile>")
    .description("show all that a profile asks and allows: by id, digest or file")
    .option("-o, --output <file>", "write its exact bytes, - for stdout")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity profile show ippas\n  $ comity profile show ippas -o ippas.json\n",
    )
    .action((name: string, options: { output?: string }, command: Command) =>
      showProfile(context, name, options.output, command),
    )
  profile
    .command("check <file>")
    .description("say what is wrong with a profile in a file, and its digest; needs no home")
    .addHelpText("after", "\nExample:\n  $ comity profile check ours.json\n")
    .action((file: string, _options: object, command: Command) =>
      checkProfile(context, file, command),
    )
  profile
    .command("diff <from> <to>")
    .description("say where one profile is stricter or looser than another; needs no home")
    .addHelpText("after", "\nExample:\n  $ comity profile diff ippas ours.json\n")
    .action((from: string, to: string, _options: object, command: Command) =>
      diffProfiles(context, from, to, command),
    )
  profile
    .command("adopt <profile>")
    .description("word the root version by which our officers adopt it, for root keys to sign")
    .requiredOption("-o, --output <file>", "where the proposal goes")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity profile adopt ippas -o v2.proposal\n  $ comity profile adopt ours.json -o v2.proposal\n",
    )
    .action((name: string, options: { output: string }, command: Command) =>
      adoptProfile(context, name, options.output, command),
    )
}

type Known = {
  readonly id: string
  readonly title: string
  readonly digest: string
  readonly kinds: readonly string[]
}
type Listed = { readonly adopted: readonly string[]; readonly brought: readonly Known[] }

/** Needs no home; where a member lives in it, it is asked what it has adopted. */
async function listProfiles(context: CliContext, command: Command): Promise<void> {
  const { builtInProfiles } = await import("../../protocol/profiles/registry.ts")
  const output = context.output(command)
  const { adopted, brought } = await adoptedProfiles(context, command)
  const known = builtInProfiles.map(({ profile, digest }) => ({
    id: profile.id,
    title: profile.title,
    digest,
    kinds: Object.keys(profile.kinds),
  }))
  const profiles = [...known, ...brought].map((one) => ({
    ...one,
    adopted: adopted.includes(one.digest),
  }))
  output.document({ profiles })
  output.table(
    ["PROFILE", "TITLE", "KINDS", "ADOPTED", "DIGEST"],
    profiles.map(({ id, title, kinds, adopted: isAdopted, digest }) => [
      id,
      title,
      String(kinds.length),
      isAdopted ? "yes" : "no",
      digest,
    ]),
  )
}

async function adoptedProfiles(context: CliContext, command: Command): Promise<Listed> {
  const { hasMember } = await import("../../node/home.ts")
  const { diskFiles } = await import("../../node/files.ts")
  if (!hasMember(diskFiles(context.home(command)))) return { adopted: [], brought: [] }
  try {
    await using node = await connect(context, command)
    return await node.call<Listed>("profile.list", {})
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code !== "key.unavailable") throw cause
    context.output(command).note("Without its key, nothing is known of what this member adopted.")
    return { adopted: [], brought: [] }
  }
}

/** Of those that come with this version, else the file of that name. */
async function profileNamed(context: CliContext, name: string): Promise<AdoptableProfile> {
  const { namedProfile } = await import("../../node/authority/profiles.ts")
  try {
    return namedProfile(name)
  } catch (cause) {
    if (!(cause instanceof ProtocolError) || !isFile(name)) throw cause
    return profileIn(await fileOf(context, name))
  }
}

/** No id and no digest: those have neither dot nor slash. */
function isFile(name: string): boolean {
  return name === "-" || /[./\\]/.test(name)
}

async function fileOf(context: CliContext, file: string): Promise<Uint8Array> {
  const { profileBytes } = await import("../../protocol/profiles/profile.ts")
  return readFileArgument(file, 4 * profileBytes, context.stdin)
}

/** However it is written: its digest is of its canonical form. @throws `profile.malformed` */
async function profileIn(bytes: Uint8Array): Promise<AdoptableProfile> {
  const { encodeCanonical } = await import("../../protocol/canonical.ts")
  const { decodeProfile, profileDigest } = await import("../../protocol/profiles/profile.ts")
  const canonical = encodeCanonical(parsed(bytes))
  return { profile: decodeProfile(canonical), bytes: canonical, digest: profileDigest(canonical) }
}

function parsed(bytes: Uint8Array): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
    if (typeof value === "object" && value !== null) return value
  } catch (cause) {
    throw new ProtocolError("profile.malformed", { detail: "not JSON", cause })
  }
  throw new ProtocolError("profile.malformed", { detail: "no object" })
}

async function showProfile(
  context: CliContext,
  name: string,
  file: string | undefined,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const { profile, bytes, digest } = await profileNamed(context, name)
  if (file !== undefined) {
    await writeFileArgument(file, bytes, context.stdout)
    if (file === "-") return
    output.document({ id: profile.id, digest, file })
    output.line(`profile ${profile.id}, ${digest}, written to ${file}`)
    return
  }
  output.document({ id: profile.id, digest, profile })
  await printProfile(output, profile, digest)
}

async function printProfile(output: Output, profile: Profile, digest: string): Promise<void> {
  const { markingRange } = await import("../../protocol/profiles/profile.ts")
  const { describeScale } = await import("../../protocol/profiles/rating.ts")
  const say = (what: string, text: string | undefined) => {
    if (text !== undefined && text !== "") output.line(`${what.padEnd(14)} ${text}`)
  }
  const list = (all: readonly string[] | undefined) => all?.join(", ")
  output.line(`${profile.title} (${profile.id}, version ${String(profile.version)})`)
  say("digest", digest)
  say("category", profile.category)
  say("steward", profile.steward)
  say("instruments", list(profile.instruments))
  for (const [id, rule] of Object.entries(profile.kinds)) {
    output.line("")
    output.line(`${rule.title} (${id})`)
    const { floor, ceiling } = markingRange(rule)
    say("  marking", `${rule.marking.default}; ${floor} to ${ceiling}`)
    say("  required", list(rule.required))
    say("  optional", list(rule.optional))
    say("  answered yes", list(rule.tests))
    say("  about", list(rule.parents))
    if (rule.audience !== undefined) {
      say("  goes to", list(rule.audience.default) || "nobody, unless its origin so decides")
      say("  at most to", list(rule.audience.ceiling))
    }
    for (const [named, to] of Object.entries(rule.naming ?? {}))
      say(`  ${named}`, `members ${to.members}, network ${to.network}, public ${to.public}`)
  }
  output.line("")
  for (const { act, kind, role, persons, when } of profile.signoff)
    say(
      "sign-off",
      `${act} of ${kind}: ${String(persons)} as ${role}${when === undefined ? "" : `, when ${when}`}`,
    )
  for (const { kind, members, mode, days } of profile.consent ?? [])
    say(
      "consent",
      `${kind}: ${mode} of ${members.join(", ")}${days === undefined ? "" : `, after ${String(days)} days`}`,
    )
  say(
    "onward",
    profile.onward === undefined ? "as its origin says" : list(["no", ...profile.onward]),
  )
  say(
    "own mark",
    profile.localMark === true ? "decided by the recipient before it takes one in" : undefined,
  )
  say("withheld for", list(profile.redaction))
  for (const [region, scale] of Object.entries(profile.rating?.scales ?? {}))
    say(
      "rating",
      `${region}: ${describeScale(scale)}${profile.rating?.sealed === true ? "; sealed" : ""}`,
    )
  say("comparison", profile.comparison?.rule)
  say("", profile.comparison?.disclaimer)
  say("lifecycle", profile.lifecycle?.stages.join(" > "))
  for (const { anchor, offset, onMiss, what } of profile.deadlines ?? [])
    say("deadline", `${what}: ${offset} of ${anchor}; if missed: ${onMiss}`)
  const { questions, followUp } = profile
  if (questions !== undefined)
    say("questions", `answers ${questions.answers}, askers ${questions.askers}`)
  if (followUp !== undefined)
    say("follow-up", `${followUp.scale.join(", ")}; assessed by ${followUp.assessor}`)
  say("reviewers", profile.assignment)
  say("mission agreement before", list(profile.agreement))
  say("languages", list(profile.languages))
  say("lint", list(profile.lint))
  say("recalled", list(profile.recalled))
}

async function checkProfile(context: CliContext, file: string, command: Command): Promise<void> {
  const { reviewProfile } = await import("../../node/authority/profiles.ts")
  const output = context.output(command)
  const { profile, digest } = await profileIn(await fileOf(context, file))
  const findings = reviewProfile(profile)
  output.document({ id: profile.id, version: profile.version, digest, findings })
  output.line(`profile ${profile.id}, version ${String(profile.version)}: ${digest}`)
  for (const finding of findings) output.line(finding)
}

async function diffProfiles(
  context: CliContext,
  from: string,
  to: string,
  command: Command,
): Promise<void> {
  const { differences } = await import("../../protocol/profiles/difference.ts")
  const output = context.output(command)
  const [a, b] = [await profileNamed(context, from), await profileNamed(context, to)]
  const found = differences(a.profile, b.profile)
  const looser = found.some(({ is }) => is === "looser")
  output.document({ from: a.digest, to: b.digest, looser, differences: found })
  for (const { is, what } of found) output.line(`${is.padEnd(9)}${what}`)
  if (found.length === 0) output.line("no difference")
  if (looser) output.note("A member may adopt what is stricter, never what is looser.")
}

async function adoptProfile(
  context: CliContext,
  name: string,
  file: string,
  command: Command,
): Promise<void> {
  const output = context.output(command)
  const wanted = isFile(name)
    ? { bytes: encodeBase64((await profileIn(await fileOf(context, name))).bytes) }
    : { name }
  await using node = await connect(context, command)
  const { proposal, ...adoption } = await node.call<{
    readonly profile: string
    readonly digest: string
    readonly replaces: readonly string[]
    readonly proposal: string
  }>("profile.adopt", wanted)
  await writeFileArgument(file, decodeBase64(proposal), context.stdout)
  if (file === "-") return
  output.document({ ...adoption, file })
  output.line(`proposal to adopt ${adoption.profile}, ${adoption.digest}, written to ${file}`)
  output.note("It is in force when root keys have signed it and the node has logged it.")
}
