import type { Command } from "commander"
import { NodeError } from "../../node/errors.ts"
import type { CliContext } from "../context.ts"

type Later = { readonly what: string; readonly until?: string }

/** Forms that are fixed and whose work is still to come: they parse, and say so. DESIGN.md §10 */
const later: { readonly [name: string]: Later } = {
  attach: { what: "Attaching a file to a record", until: "Put what matters into the text." },
  bundle: {
    what: "Exchange by files",
    until: "One record with its proof goes into a file: comity evidence RECORD -o FILE",
  },
}

export const laterNames: readonly string[] = Object.keys(later)

export function registerLater(program: Command, _context: CliContext): void {
  for (const [name, feature] of Object.entries(later)) addLater(program, name, feature)
}

export function addLater(parent: Command, name: string, { what, until }: Later): void {
  parent
    .command(name, { hidden: true })
    .description(`${what}: not built yet`)
    .argument("[any...]")
    .allowUnknownOption()
    .action(() => {
      throw new NodeError("feature.later", `${what} is not built yet.`, {
        hint: until ?? "CHANGELOG.md says what this version does.",
      })
    })
}
