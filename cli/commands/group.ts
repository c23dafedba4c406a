import type { Command } from "commander"
import type { OperationName } from "../../node/http/operator-app.ts"
import type { GroupView } from "../../node/order/convene.ts"
import type { Requested } from "../../node/order/release.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import type { Output } from "../output.ts"
import { namesIn, printRequested } from "./release.ts"

export function registerGroup(program: Command, context: CliContext): void {
  const group = program
    .command("group")
    .description("named audiences: who is in them, and who convenes them")
    .addHelpText(
      "after",
      `
Examples:
  $ comity group create harbours --purpose "Nuclear security in ports" --invite xb,xc
  $ comity group accept @harbours
`,
    )
  group
    .command("list")
    .description("groups that we convene, are in, or are invited to")
    .addHelpText("after", "\nExample:\n  $ comity group list\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { groups } = await node.call<{ groups: readonly GroupView[] }>("group.list", {})
      output.document({ groups })
      if (groups.length === 0) output.note("No group is known here: comity group create NAME")
      else
        output.table(
          ["GROUP", "CONVENER", "VERSION", "WE", "MEMBERS"],
          groups.map((one) => [
            one.group,
            one.passedTo ?? one.convener,
            String(one.version),
            one.listed ? "listed" : one.accepted ? "accepted" : "invited",
            one.members.join(", "),
          ]),
        )
    })
  group
    .command("show <group>")
    .description("a group: its purpose, its members, and who has accepted or left")
    .addHelpText("after", "\nExample:\n  $ comity group show @harbours\n")
    .action(async (wanted: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      printGroup(output, await node.call<GroupView>("group.show", { group: wanted }))
    })
  group
    .command("create <name>")
    .description("make the order that founds a group and invites members; it lists nobody yet")
    .requiredOption("--purpose <text>", "what the group is for, as the invited will read it")
    .requiredOption("--invite <peers>", "members, separated by commas")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity group create harbours --purpose "Security in ports" --invite xb,xc\n',
    )
    .action((name: string, options: { purpose: string; invite: string }, command: Command) =>
      request(context, command, "group.create", {
        name: name.replace(/^@/, ""),
        purpose: options.purpose,
        invite: namesIn(options.invite),
      }),
    )

  const ofPeers = (
    verb: "invite" | "add" | "remove",
    description: string,
    example: string,
  ): Command =>
    group
      .command(`${verb} <group> <peers>`)
      .description(description)
      .addHelpText("after", `\nExample:\n  $ comity group ${verb} ${example}\n`)
      .action((wanted: string, peers: string, _options: object, command: Command) =>
        request(context, command, `group.${verb}`, { group: wanted, peers: namesIn(peers) }),
      )
  ofPeers("invite", "make the order that shows a group to more members", "@harbours xd")
  ofPeers("add", "make the order that lists members who have accepted", "@harbours xb,xc")
  ofPeers(
    "remove",
    "make the orders that list members no more, and take the list back from them",
    "@harbours xc",
  )

  const ofUs = (verb: "accept" | "leave", description: string): Command =>
    group
      .command(`${verb} <group>`)
      .description(description)
      .addHelpText("after", `\nExample:\n  $ comity group ${verb} @harbours\n`)
      .action((wanted: string, _options: object, command: Command) =>
        request(context, command, `group.${verb}`, { group: wanted }),
      )
  ofUs("accept", "make the order by which our officers accept to be listed, or to convene")
  ofUs("leave", "make the order that tells the convener that we leave")
  group
    .command("pass <group> <peer>")
    .description("make the order that hands convening to a member of the group")
    .addHelpText("after", "\nExample:\n  $ comity group pass @harbours xb\n")
    .action((wanted: string, peer: string, _options: object, command: Command) =>
      request(context, command, "group.pass", { group: wanted, to: peer }),
    )
}

async function request(
  context: CliContext,
  command: Command,
  operation: OperationName,
  input: object,
): Promise<void> {
  await using node = await connect(context, command)
  printRequested(context.output(command), await node.call<Requested>(operation, input), false)
}

function printGroup(output: Output, view: GroupView): void {
  output.document(view)
  const {
    group,
    convener,
    version,
    purpose,
    members,
    closed,
    passedTo,
    waiting = [],
    left = [],
  } = view
  output.line(`${group}, version ${String(version)}, by ${convener}`)
  output.block(purpose)
  output.line(`members   ${members.join(", ")}`)
  if (closed.length > 0) output.line(`left by closing  ${closed.join(", ")}`)
  if (passedTo !== undefined) output.line(`convening passes to ${passedTo}`)
  if (waiting.length > 0) {
    output.line(`accepted  ${waiting.join(", ")}`)
    output.note(`To list them: comity group add ${group} ${waiting.join(",")}`)
  }
  if (left.length > 0) {
    output.line(`left      ${left.join(", ")}`)
    output.note(`To list them no more: comity group remove ${group} ${left.join(",")}`)
  }
  if (!view.accepted) output.note(`To be listed: comity group accept ${group}`)
}
