import { request as httpRequest } from "node:http"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import type { LogKeyFields, SigningKey } from "../../protocol/member/key.ts"
import { NodeError } from "../errors.ts"
import type { Elsewhere, NodeKeys } from "./keys.ts"

/** A running agent, over its Unix socket. */

type Answer = { readonly [field: string]: unknown }

/** @throws `key.unavailable` when nobody answers there; `agent.refused` for what it does not sign */
export async function askAgent(socketPath: string, path: string, body: object): Promise<Answer> {
  const { status, text } = await send(socketPath, path, JSON.stringify(body)).catch(
    (cause: unknown) => {
      throw new NodeError("key.unavailable", `No agent answers at ${socketPath}.`, {
        hint: "Start it: comity agent run FILE --socket PATH",
        cause,
      })
    },
  )
  const answer = JSON.parse(text) as Answer
  if (status === 200) return answer
  throw new NodeError("agent.refused", `The agent does not sign that: ${String(answer.message)}`, {
    ...(typeof answer.hint === "string" ? { hint: answer.hint } : {}),
  })
}

function send(socketPath: string, path: string, body: string) {
  return new Promise<{ readonly status: number; readonly text: string }>((resolve, reject) => {
    const headers = { "content-type": "application/json" }
    const outgoing = httpRequest({ socketPath, path, method: "POST", headers }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        text += chunk
      })
      response.on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }))
    })
    outgoing.on("error", reject)
    outgoing.end(body)
  })
}

/** The node's keys with their private halves at the agent's. */
export function keysAt(
  socket: string,
  publics: { readonly nodeKey: SigningKey; readonly logKey: LogKeyFields },
): Pick<NodeKeys, "node" | "log"> {
  const at = <Key>(job: "node" | "log", publicKey: Key): Elsewhere<Key> => ({
    publicKey,
    sign: async (algorithm, message) => {
      const asked = { job, algorithm, message: encodeBase64(message) }
      const { signature } = await askAgent(socket, "/sign", asked)
      return decodeBase64(String(signature))
    },
  })
  return { node: at("node", publics.nodeKey), log: at("log", publics.logKey) }
}
