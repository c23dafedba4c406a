import { encodeCanonical } from "../../protocol/canonical.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { homeFiles } from "../home.ts"
import { truncateWal } from "../store/purge.ts"
import { logOf } from "../store/queries/logs.ts"
import { keysAt } from "./agent-client.ts"
import { sealAgentKeys } from "./agent-keys.ts"
import { publicLogKey, publicSigningKey, storeNodeKeys, writeKeys } from "./keys.ts"
import { sealKeyFileContent, type Unlocking } from "./keystore.ts"

/**
 * Hands node key and log key to an agent: once `keep` has put them away for it, they leave the key file and
 * the database here.
 *
 * @throws `key.unavailable`
 */
export async function moveToAgent(
  context: Context,
  socket: string,
  own: Unlocking,
  agents: Unlocking,
  keep: (sealed: Uint8Array) => Promise<void>,
): Promise<void> {
  const { db, env, keys } = context
  const { node, log } = keys
  if ("sign" in node || "sign" in log)
    throw new NodeError("key.unavailable", "These keys are with an agent already.")
  const state = await logOf(db, context.self.id)
  if (state === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const random = (bytes: number) => env.random(bytes)
  await keep(await sealAgentKeys({ origin: state.origin, node, log }, agents, random))
  const publics = { logKey: publicLogKey(log), nodeKey: publicSigningKey(node) }
  const away = { ...keys, ...keysAt(socket, publics) }
  const kept = await sealKeyFileContent(storeNodeKeys(away), own, random)
  env.files.write(homeFiles.agent, encodeCanonical({ ...publics, socket, type: "comity/agent/v1" }))
  env.files.write(homeFiles.keys, kept)
  await writeKeys(db, away)
  await writeKeys(db, away, "proposed")
  await truncateWal(db)
  context.keys = away
}
