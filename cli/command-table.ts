import type { Register } from "./context.ts"

/**
 * Top-level commands and the files that register them. Only the file of the command that is asked for is
 * loaded; help loads all, so a command loads what it works with inside its action.
 */
export const commandTable: readonly {
  readonly names: readonly string[]
  load(): Promise<Register>
}[] = [
  {
    names: ["profile"],
    load: async () => (await import("./commands/profile.ts")).registerProfile,
  },
  {
    names: ["conform"],
    load: async () => (await import("./commands/conform.ts")).registerConform,
  },
]
