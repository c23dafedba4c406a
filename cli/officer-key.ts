import { basename } from "node:path"
import type { Command } from "commander"
import type { Decision } from "../node/authority/decision.ts"
import type { OfficerKey } from "../node/authority/found.ts"
import type { Identity } from "../node/authority/peers.ts"
import type { Unlocking } from "../node/keys/keystore.ts"
import type { CliContext } from "./context.ts"
import { readFileArgument } from "./file-argument.ts"
import { type NodeClient, openedUnlocking, unlockingFor } from "./node-client.ts"
import { UsageError } from "./usage-error.ts"

/** Whose key signs: one of this home, or a file elsewhere, each with a passphrase of its own. */
export type OfficerOptions = {
  readonly as?: string
  readonly key?: string
  readonly passphraseFile?: string
}

/** @throws `usage.invalid` unless one of both says who */
export function assertOfficer({ as, key }: OfficerOptions): void {
  if ((as === undefined) === (key === undefined))
    throw new UsageError("usage.invalid", "Say who signs: --as PERSON, or --key FILE.")
}

/**
 * The officer's key, and what opened it: the same opens the pins of this machine.
 *
 * @throws `officer.unknown`, `key.unavailable`
 */
export async function officerKeyOf(
  context: CliContext,
  options: OfficerOptions,
  command: Command,
): Promise<{ readonly key: OfficerKey; readonly unlocking: Unlocking }> {
  const { openOfficerKey, readOfficerFile } = await import("../node/home.ts")
  const { diskFiles } = await import("../node/files.ts")
  const { key: file, as = "", passphraseFile } = options
  const bytes =
    file === undefined
      ? readOfficerFile(diskFiles(context.home(command)), as)
      : await readFileArgument(file, 64 * 1024, context.stdin)
  // Those of a first trial share the passphrase of their home, which may be open already.
  const shared = passphraseFile === undefined ? await openedUnlocking(context) : undefined
  if (shared !== undefined)
    try {
      return { key: await openOfficerKey(bytes, shared), unlocking: shared }
    } catch (cause) {
      if (context.terminal === null) throw cause
    }
  const what = file === undefined ? `officer ${as}` : basename(file)
  const unlocking = await unlockingFor(context, { what, passphraseFile })
  return { key: await openOfficerKey(bytes, unlocking), unlocking }
}

/** An officer's decision for the node of this home, signed here. */
export async function decisionBy(
  context: CliContext,
  node: NodeClient,
  options: OfficerOptions,
  decision: Decision,
  command: Command,
): Promise<Uint8Array> {
  const { signDecision } = await import("../node/authority/decision.ts")
  const { today } = await import("../node/context.ts")
  const { realClock } = await import("../node/real-env.ts")
  const { member, network } = await node.call<Identity>("id.show", {})
  const { key } = await officerKeyOf(context, options, command)
  const day = today({ env: { clock: realClock } })
  return signDecision(key, { member, network, day }, decision)
}
