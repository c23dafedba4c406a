import type { Command } from "commander"
import type { Check } from "../../node/doctor.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { styled } from "../output.ts"

export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description("look at everything that could be wrong with this node, and say what to do")
    .addHelpText("after", "\nExample:\n  $ comity doctor\n")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      const checks = await checksOf(context, command).catch(damageOf)
      output.document({ checks })
      for (const { check, ok, text, fix } of checks) {
        output.line(ok ? styled("green", "✔") : styled("yellow", "!"), ` ${check}: ${text}`)
        if (fix !== undefined) output.line(`    ${fix}`)
      }
    })
}

async function checksOf(context: CliContext, command: Command): Promise<readonly Check[]> {
  await using node = await connect(context, command)
  const { checks } = await node.call<{ checks: readonly Check[] }>("doctor", {})
  return checks
}

/** A home that does not open is what a doctor is called for. */
function damageOf(cause: unknown): readonly Check[] {
  const { code, message, hint } = cause as { code?: string; message: string; hint?: string }
  if (code === undefined || !/^store\./.test(code)) throw cause
  return [{ check: "home", ok: false, text: message, ...(hint === undefined ? {} : { fix: hint }) }]
}
