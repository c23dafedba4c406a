import { decodeHex, encodeHex } from "../../protocol/encoding.ts"
import { decodeShape, hex, literal, object, text } from "../../protocol/shape.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keystore.ts"

/** The key file of an agent that signs for a node. */
export type AgentKeys = {
  /** the one log that the log key signs */
  readonly origin: string
  readonly node: Uint8Array
  readonly log: { readonly ed25519: Uint8Array; readonly mldsa44: Uint8Array }
}

const keysShape = object({
  logEd25519: hex(32),
  logMldsa44: hex(32),
  node: hex(32),
  origin: text({ min: 1, max: 256 }),
  type: literal("comity/agent-keys/v1"),
})

export function sealAgentKeys(
  { origin, node, log }: AgentKeys,
  unlocking: Unlocking,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const content = {
    logEd25519: encodeHex(log.ed25519),
    logMldsa44: encodeHex(log.mldsa44),
    node: encodeHex(node),
    origin,
    type: "comity/agent-keys/v1",
  }
  return sealKeyFileContent(content, unlocking, random)
}

/** @throws `key.unavailable`, `key.malformed` for another kind of key file */
export async function openAgentKeys(bytes: Uint8Array, unlocking: Unlocking): Promise<AgentKeys> {
  const content = await openKeyFileContent(bytes, unlocking)
  const { origin, node, logEd25519, logMldsa44 } = decodeShape(keysShape, content, "key.malformed")
  const log = { ed25519: decodeHex(logEd25519), mldsa44: decodeHex(logMldsa44) }
  return { origin, node: decodeHex(node), log }
}
