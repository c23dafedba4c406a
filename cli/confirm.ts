import type { CliContext } from "./context.ts"
import { UsageError } from "./usage-error.ts"

/** Asks, where somebody is there to answer; elsewhere --yes is the answer. @throws `usage.unconfirmed` */
export async function assertConfirmed(
  context: CliContext,
  isYes: boolean,
  question: string,
): Promise<void> {
  if (isYes) return
  if (context.terminal === null)
    throw new UsageError("usage.unconfirmed", "Nobody was there to confirm the signature.", {
      hint: "Look at what is to be signed, then repeat with --yes.",
    })
  const { confirm } = await import("./prompt.ts")
  if (!(await confirm(question, context.terminal)))
    throw new UsageError("usage.unconfirmed", "Not signed.")
}
