import type { Command } from "commander"
import type { showPolicy } from "../../node/authority/authority.ts"
import type { CliContext } from "../context.ts"
import { exitCodes } from "../errors.ts"
import { connect } from "../node-client.ts"
import { readPolicy } from "./propose.ts"

const fileHelp = `
A policy file is YAML, a list of lines. Every line that fits an order must hold, and one must fit:

  - {act: any, persons: 2}                     # two persons, in whatever role, for everything
  - {act: release, role: competentAuthority}   # one of them speaks for the authority
  - {act: release, profile: ippas, role: informationSecurity}
  - {act: release, when: public, persons: 3, organisations: 2}

act: release, withdraw, consent or any · profile: an id or any · kind, role: a name or any · persons: 1 to 64
organisations: from so many · when: facility, onward or public

Examples:
  $ comity policy check
  $ comity policy check policy.yaml
`

export function registerPolicy(program: Command, context: CliContext): void {
  const policy = program
    .command("policy")
    .description("whose signatures an order needs")
    .addHelpText(
      "after",
      "\nExamples:\n  $ comity policy show\n  $ comity policy check policy.yaml\n",
    )
  policy
    .command("show")
    .description("show the policy in force")
    .addHelpText("after", "\nExample:\n  $ comity policy show\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const view = await node.call<ReturnType<typeof showPolicy>>("policy.show", {})
      output.document(view)
      for (const { words } of view.lines) output.line(words)
      output.note(
        "A profile's own sign-off comes on top. To change it: comity key propose --policy",
      )
    })
  policy
    .command("check [file]")
    .description(
      "say which lines the officers of today can't meet; of a file, or of the one in force",
    )
    .addHelpText("after", fileHelp)
    .action(async (file: string | undefined, _options: object, command: Command) => {
      const output = context.output(command)
      const lines = file === undefined ? undefined : await readPolicy(context, file)
      await using node = await connect(context, command)
      const { unmet } = await node.call<{ unmet: readonly string[] }>(
        "policy.check",
        lines === undefined ? {} : { policy: lines },
      )
      output.document({ ok: unmet.length === 0, unmet })
      for (const line of unmet) output.line(`cannot be met: ${line}`)
      if (unmet.length === 0) output.line("every line can be met by the officers of today")
      else context.exit(exitCodes.failed)
    })
}
