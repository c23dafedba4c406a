import { ingest, type Json } from "../../protocol/canonical.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { decodeShape, integer, json, literal, object, text } from "../../protocol/shape.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { readBody } from "../http/read-body.ts"
import { takeRoots } from "../log/mirror.ts"
import { memberById, type Peer } from "../store/queries/members.ts"

/** The open pages of a node: who it is, and its root documents. docs/spec/http.md */

const ours = "comity-1"

const introductionShape = object({
  keys: json,
  member: text({ min: 64, max: 64 }),
  network: text({ min: 1, max: 64 }),
  proof: text({ min: 1, max: limits.noteBytes }),
  rootVersion: integer(1, limits.rootVersions),
  suite: literal(ours),
})

export async function fetchOpenPage(context: Context, url: URL, path: string): Promise<Uint8Array> {
  const target = new URL(path, url)
  const response = await context.env.transport.send({
    method: "GET",
    url: target,
    headers: new Headers(),
    body: new Uint8Array(0),
    maxBytes: limits.cardBytes,
  })
  if (response.status !== 200)
    throw new NodeError("peer.refused", `${target.host} did not answer as a comity node.`)
  return readBody(response.body, limits.cardBytes)
}

/** @throws `peer.refused`, `suite.unknown`, `card.malformed`, `json.*` */
export async function fetchIntroduction(context: Context, url: URL) {
  const page = await fetchOpenPage(context, url, "/.well-known/comity")
  const value = ingest(page, limits.cardBytes)
  // Of another suite the rest may look otherwise: what is wrong is the suite.
  const { suite = ours } = (value ?? {}) as { readonly suite?: Json }
  if (suite !== ours) throw new ProtocolError("suite.unknown")
  return decodeShape(introductionShape, value, "card.malformed")
}

/**
 * Root versions of a peer that we do not have yet: the answer of a node whose keys have changed can't be
 * verified before they are here. The chain proves them, whoever sends them. PROTOCOL.md §1
 *
 * @returns whether there were any; @throws as takeRoots, and what the transport throws
 */
export async function refreshRoots(context: Context, peer: Peer): Promise<boolean> {
  const known = await memberById(context.db, peer.member)
  if (known === null || peer.url === null) return false
  const url = new URL(peer.url)
  const { rootVersion } = await fetchIntroduction(context, url)
  const documents: Uint8Array[] = []
  for (let n = newestRoot(known).payload.version + 1; n <= rootVersion; n++)
    documents.push(await fetchOpenPage(context, url, `/root/${n}`))
  if (documents.length === 0) return false
  await context.db.transaction().execute((trx) => takeRoots(context, trx, known, documents))
  return true
}
