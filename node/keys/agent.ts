import { Hono } from "hono"
import { z } from "zod"
import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { signEd25519, signMlDsa } from "../../protocol/crypto/sign.ts"
import {
  decodeBase64,
  decodeBase64url,
  decodeUtf8,
  encodeBase64,
  encodeHex,
} from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { type Checkpoint, findCheckpoint } from "../../protocol/log/checkpoint-body.ts"
import { readSubtreeMessage } from "../../protocol/log/cosigned-message.ts"
import { decodeShape, digest, integer, literal, object } from "../../protocol/shape.ts"
import type { SignatureLine } from "../../protocol/signed.ts"
import type { Files } from "../env.ts"
import { NodeError } from "../errors.ts"
import type { AgentKeys } from "./agent-keys.ts"

/**
 * The reference agent: a process of its own that holds a node's keys, or an officer's, and signs what it has
 * looked at. Whoever takes over the node gets signatures from it, as long as it runs, and never a key; and
 * none on a history that goes back. A token behind the same routes can follow.
 */

const asked = z.strictObject({
  job: z.enum(["node", "log"]),
  algorithm: z.enum(["ed25519", "mldsa44"]),
  message: z.string().max(1024 * 1024),
})

/** @param files where it keeps how far it has signed the log, in a place of its own */
export function nodeAgent(keys: AgentKeys, files: Files): Hono {
  const app = new Hono()
  app.post("/sign", async (c) => {
    const { job, algorithm, message: encoded } = asked.parse(await c.req.json())
    const message = decodeBase64(encoded)
    const signature =
      job === "node"
        ? signAsNode(keys.node, algorithm, message)
        : signAsLog(keys, algorithm, message, files)
    return c.json({ signature: encodeBase64(signature) })
  })
  app.onError((cause, c) => {
    const code = cause instanceof NodeError || cause instanceof ProtocolError ? cause.code : null
    const hint = cause instanceof NodeError ? cause.hint : undefined
    return c.json({ code: code ?? "request.malformed", message: cause.message, hint }, 422)
  })
  return app
}

/** What a node signs with its node key: HTTP messages, keys documents, receipts. Nothing else is. */
function signAsNode(seed: Uint8Array, algorithm: string, message: Uint8Array): Uint8Array {
  if (algorithm !== "ed25519" || !(isHttpMessage(message) || isNodeDocument(message)))
    throw new NodeError("agent.refused", "That is nothing a node key signs.")
  return signEd25519(message, seed)
}

function isHttpMessage(message: Uint8Array): boolean {
  const base = textOf(message)
  const last = base.split("\n").at(-1) ?? ""
  return /^"@(?:method|status)"/.test(base) && /^"@signature-params": .*;tag="comity-1"/.test(last)
}

const nodeTypes = new Set(["comity-keys+jws", "comity-receipts+jws"])

function isNodeDocument(message: Uint8Array): boolean {
  const [header = "", payload = "", ...more] = textOf(message).split(".")
  if (payload === "" || more.length > 0) return false
  try {
    const fields = ingest(decodeBase64url(header), 16 * 1024) as { readonly typ?: string }
    return nodeTypes.has(fields.typ ?? "")
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}

function textOf(message: Uint8Array): string {
  try {
    return decodeUtf8(message)
  } catch (cause) {
    if (cause instanceof ProtocolError) return ""
    throw cause
  }
}

/** A checkpoint of its own log, above the last that it signed, or that one again. DESIGN.md §4 */
function signAsLog(
  { origin, log }: AgentKeys,
  algorithm: "ed25519" | "mldsa44",
  message: Uint8Array,
  files: Files,
): Uint8Array {
  const checkpoint =
    algorithm === "ed25519"
      ? findCheckpoint(textOf(message))
      : readSubtreeMessage(origin, 0, message)
  if (checkpoint === null || checkpoint.origin !== origin)
    throw new NodeError("agent.refused", "That is no checkpoint of the log that this agent signs.")
  assertAbove(files, checkpoint)
  return algorithm === "ed25519"
    ? signEd25519(message, log.ed25519)
    : signMlDsa(44, message, log.mldsa44)
}

const markName = "signed"
const markShape = object({
  root: digest,
  size: integer(0, Number.MAX_SAFE_INTEGER),
  type: literal("comity/agent-signed/v1"),
})

/** On the disk before the signature is given: a crash between costs a size, never a second history. */
function assertAbove(files: Files, { size, root }: Checkpoint): void {
  const bytes = files.read(markName)
  const last =
    bytes === null ? null : decodeShape(markShape, ingest(bytes, 4096), "checkpoint.malformed")
  const isAgain = last !== null && size === last.size && encodeHex(root) === last.root
  if (isAgain) return
  if (last !== null && size <= last.size)
    throw new NodeError("agent.refused", `Size ${size} is not above ${last.size}, signed before.`, {
      hint: "After a crash: comity agent advance SIZE. After a restore: let the node catch up first.",
    })
  const mark = { root: encodeHex(root), size, type: "comity/agent-signed/v1" }
  files.write(markName, encodeCanonical(mark))
}

/** @param decide shows the exported order to the officer, who signs it or does not */
export function officerAgent(
  decide: (exported: Uint8Array) => Promise<SignatureLine & { order: string; seen: number }>,
): Hono {
  const app = new Hono()
  app.post("/order", async (c) => {
    const { export: encoded } = z
      .strictObject({ export: z.string().max(96 * 1024 * 1024) })
      .parse(await c.req.json())
    return c.json(await decide(decodeBase64(encoded)))
  })
  app.onError((cause, c) => {
    const code = (cause as { code?: string }).code ?? "request.malformed"
    return c.json({ code, message: cause.message }, 422)
  })
  return app
}
