import type { Command } from "commander"
import type { DecisionAct } from "../node/decision.ts"
import type { Identity } from "../node/peers.ts"
import { encodeBase64 } from "../protocol/encoding.ts"
import type { CliContext } from "./context.ts"
import { type NodeClient, unlockingOf } from "./node-client.ts"

/** A decision, signed in this process by an officer whose key lies in the home, as operations take it. */
export async function decide(
  context: CliContext,
  command: Command,
  node: NodeClient,
  decision: {
    readonly act: DecisionAct
    readonly subject: string
    readonly as: string
    readonly reason: string
  },
): Promise<{ readonly payload: string; readonly protected: string; readonly signature: string }> {
  const { readOfficerKey } = await import("../node/home.ts")
  const { diskFiles } = await import("../node/files.ts")
  const { encodeDecision, signDecision } = await import("../node/decision.ts")
  const { realClock } = await import("../node/real-env.ts")
  const { prepareCrypto } = await import("../node/node.ts")
  prepareCrypto()
  const { act, subject, reason } = decision
  const files = diskFiles(context.home(command))
  const key = await readOfficerKey(files, decision.as, await unlockingOf(context))
  const { member, network } = await node.call<Identity>("id.show", {})
  const day = new Date(realClock.now()).toISOString().slice(0, 10)
  const payload = encodeDecision({ act, day, member, network, reason, subject })
  const line = await signDecision(payload, key, day, network)
  return { payload: encodeBase64(payload), ...line }
}
