import type { Command } from "commander"
import type { LocalMark } from "../../node/local-marks.ts"
import { encodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { connect, unlockingOf } from "../node-client.ts"
import type { Output } from "../output.ts"
import { oneOf } from "./init.ts"

type Marks = { readonly marks: readonly LocalMark[]; readonly required?: boolean }

export function registerMark(program: Command, context: CliContext): void {
  const mark = program
    .command("mark")
    .description("the marks of our own under which we handle what others have marked")
    .addHelpText(
      "after",
      '\nExamples:\n  $ comity mark list\n  $ comity mark map TLP:AMBER "XB INTERNAL" --as p2 --reason "order 12"\n',
    )
  mark
    .command("list")
    .description("list what has been decided, by whom and why")
    .addHelpText("after", "\nExample:\n  $ comity mark list\n")
    .action(async (_options: object, command: Command) => {
      await using node = await connect(context, command)
      print(context.output(command), await node.call<Marks>("mark.list", {}))
    })
  mark
    .command("map <marking> <mark>")
    .description("as an officer for information security, decide on our mark for a marking")
    .requiredOption("--as <person>", "the officer whose key lies in this home")
    .requiredOption("--reason <text>", "why; kept here with the signature")
    .addHelpText(
      "after",
      '\nExample:\n  $ comity mark map TLP:AMBER+STRICT "XB RESTRICTED" --as p2 --reason "instruction 4/2026"\n',
    )
    .action(
      async (
        marking: string,
        own: string,
        options: { as: string; reason: string },
        command: Command,
      ) => {
        const { readOfficerKey } = await import("../../node/home.ts")
        const { diskFiles } = await import("../../node/files.ts")
        const { encodeDecision, signDecision } = await import("../../node/decision.ts")
        const { markSubject } = await import("../../node/local-marks.ts")
        const { realClock } = await import("../../node/real-env.ts")
        const { prepareCrypto } = await import("../../node/node.ts")
        const { markings } = await import("../../protocol/record/marking.ts")
        const known = oneOf("marking", marking, markings)
        prepareCrypto()
        const files = diskFiles(context.home(command))
        const key = await readOfficerKey(files, options.as, await unlockingOf(context))
        await using node = await connect(context, command)
        const { member, network } = await node.call<{ member: string; network: string }>(
          "id.show",
          {},
        )
        const day = new Date(realClock.now()).toISOString().slice(0, 10)
        const { reason } = options
        const subject = markSubject(known, own)
        const payload = encodeDecision({
          act: "map-marking",
          day,
          member,
          network,
          reason,
          subject,
        })
        const line = await signDecision(payload, key, day, network)
        const decided = { marking: known, mark: own, payload: encodeBase64(payload), ...line }
        print(context.output(command), await node.call<Marks>("mark.map", decided))
      },
    )
}

function print(output: Output, { marks, required }: Marks): void {
  output.document({ marks })
  if (marks.length > 0)
    output.table(
      ["MARKING", "OUR MARK", "DECIDED BY", "ON", "REASON"],
      marks.map((one) => [one.marking, one.mark, one.person, one.day, one.reason]),
    )
  else
    output.note(
      required === true
        ? "None yet: records of mechanisms that ask for a mark of our own are refused as unmapped."
        : "None: in this network markings stand for themselves.",
    )
}
