import type { Command } from "commander"
import type { CliContext } from "../context.ts"

export function registerProfile(program: Command, context: CliContext): void {
  const profile = program
    .command("profile")
    .description("mechanism profiles: what a record must hold and who must sign it off")
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

/** Needs no home: where none is named, nothing is adopted. */
async function listProfiles(context: CliContext, command: Command): Promise<void> {
  const { builtInProfiles } = await import("../../protocol/profiles/registry.ts")
  const output = context.output(command)
  const profiles = builtInProfiles.map(({ profile, digest }) => ({
    id: profile.id,
    title: profile.title,
    digest,
    kinds: Object.keys(profile.kinds),
    adopted: false,
  }))
  output.document({ profiles })
  output.table(
    ["PROFILE", "TITLE", "KINDS", "DIGEST"],
    profiles.map(({ id, title, kinds, digest }) => [id, title, String(kinds.length), digest]),
  )
}
