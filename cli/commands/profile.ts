import type { Command } from "commander"
import { NodeError } from "../../node/errors.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"

export function registerProfile(program: Command, context: CliContext): void {
  const profile = program
    .command("profile")
    .description("mechanism profiles: what a record must hold and who must sign it off")
    .addHelpText("after", "\nExample:\n  $ comity profile list\n")
  profile
    .command("list")
    .description("list the profiles that come with this version")
    .addHelpText(
      "after",
      `
Examples:
  $ comity profile list
  $ comity profile list --json
`,
    )
    .action((_options: object, command: Command) => listProfiles(context, command))
}

/** Needs no home; where a member lives in it, it is asked what it has adopted. */
async function listProfiles(context: CliContext, command: Command): Promise<void> {
  const { builtInProfiles } = await import("../../protocol/profiles/registry.ts")
  const output = context.output(command)
  const adopted = await adoptedProfiles(context, command)
  const profiles = builtInProfiles.map(({ profile, digest }) => ({
    id: profile.id,
    title: profile.title,
    digest,
    kinds: Object.keys(profile.kinds),
    adopted: adopted.includes(digest),
  }))
  output.document({ profiles })
  output.table(
    ["PROFILE", "TITLE", "KINDS", "ADOPTED", "DIGEST"],
    profiles.map(({ id, title, kinds, adopted, digest }) => [
      id,
      title,
      String(kinds.length),
      adopted ? "yes" : "no",
      digest,
    ]),
  )
}

async function adoptedProfiles(context: CliContext, command: Command): Promise<readonly string[]> {
  const { hasMember } = await import("../../node/home.ts")
  const { diskFiles } = await import("../../node/files.ts")
  if (!hasMember(diskFiles(context.home(command)))) return []
  try {
    await using node = await connect(context, command)
    return (await node.call<{ adopted: readonly string[] }>("profile.list", {})).adopted
  } catch (cause) {
    if (!(cause instanceof NodeError) || cause.code !== "key.unavailable") throw cause
    context.output(command).note("Without its key, nothing is known of what this member adopted.")
    return []
  }
}
