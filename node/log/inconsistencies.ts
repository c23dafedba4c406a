import { decodeExplanation, encodeExplanation, explanationTyp } from "../../protocol/explanation.ts"
import { verifyInconsistency } from "../../protocol/inconsistency.ts"
import { encodeSigned, signLine } from "../../protocol/signed.ts"
import { verifyDecision } from "../authority/decision.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { nodeKid, nodeSigner } from "../keys/keys.ts"
import type { Db, Schema } from "../store/schema.ts"
import { noteEvent } from "./event.ts"
import { keepExplanation } from "./inconsistency.ts"

/** What this member's people see of proofs of inconsistency, and do about them. */

export type InconsistencyView = {
  /** of the file */
  readonly inconsistency: string
  readonly peer: string
  readonly member: string
  readonly kind: string
  readonly text: string
  readonly foundAt: string
  /** `waiting`: nothing new of that member is taken until an officer decides */
  readonly state: "waiting" | "decided" | "ours"
  readonly decision?: { readonly person: string; readonly day: string; readonly reason: string }
  readonly explanations: readonly { readonly day: string; readonly text: string }[]
}

export async function listInconsistencies(
  context: Context,
): Promise<{ readonly inconsistencies: readonly InconsistencyView[] }> {
  const rows = await context.db.selectFrom("inconsistency").selectAll().orderBy("at").execute()
  const inconsistencies: InconsistencyView[] = []
  for (const row of rows) inconsistencies.push(await viewOf(context, row))
  return { inconsistencies }
}

/** By its digest or a unique prefix. @throws `inconsistency.unknown` */
export async function showInconsistency(
  context: Context,
  prefix: string,
): Promise<InconsistencyView & { readonly file: Uint8Array }> {
  const row = await byDigest(context.db, prefix)
  return { ...(await viewOf(context, row)), file: new Uint8Array(row.bytes) }
}

async function byDigest(db: Db, prefix: string): Promise<Schema["inconsistency"]> {
  const rows = await db
    .selectFrom("inconsistency")
    .selectAll()
    .where("digest", ">=", prefix)
    .where("digest", "<=", `${prefix}g`)
    .limit(2)
    .execute()
  const [row, other] = rows
  if (row === undefined || other !== undefined)
    throw new NodeError("inconsistency.unknown", "No single proof has that digest.", {
      hint: "comity inconsistency list",
    })
  return row
}

async function viewOf(
  context: Context,
  { digest, member, kind, bytes, at, decided }: Schema["inconsistency"],
): Promise<InconsistencyView> {
  const explanations = await context.db
    .selectFrom("explanation")
    .select("bytes")
    .where("subject", "=", digest)
    .execute()
  const isOurs = member === context.self.id
  return {
    inconsistency: digest,
    peer: isOurs ? "ourselves" : await nameOf(context, member),
    member,
    kind,
    text: verifyInconsistency(new Uint8Array(bytes)).words,
    foundAt: new Date(at).toISOString(),
    state: isOurs ? "ours" : decided === null ? "waiting" : "decided",
    ...(decided === null ? {} : { decision: JSON.parse(decided) }),
    explanations: explanations.map(({ bytes: one }) => {
      const { day, text } = decodeExplanation(new Uint8Array(one)).payload
      return { day, text }
    }),
  }
}

/** What we say to a proof against ourselves: it travels with the file from now on. */
export async function explain(
  context: Context,
  prefix: string,
  text: string,
): Promise<InconsistencyView> {
  const { db, self, keys } = context
  const row = await byDigest(db, prefix)
  if (row.member !== self.id)
    throw new NodeError("request.malformed", "Only the member concerned can explain it.")
  const day = today(context)
  const { network } = self
  const payload = encodeExplanation({
    day,
    member: self.id,
    network,
    subject: row.digest,
    text,
    type: "comity/explanation/v1",
  })
  const header = { alg: "Ed25519", kid: nodeKid(keys), network, typ: explanationTyp } as const
  const line = await signLine(header, payload, nodeSigner(keys))
  await keepExplanation(db, encodeSigned(payload, [line]), self)
  context.gossip.revision++
  return viewOf(context, row)
}

/**
 * An officer has looked at the proof and lets new entries of that member in again.
 *
 * @throws as verifyDecision
 */
export async function continueWith(
  context: Context,
  prefix: string,
  statement: Uint8Array,
): Promise<InconsistencyView> {
  const { db } = context
  const row = await byDigest(db, prefix)
  const about = { act: "continue", subject: row.digest } as const
  const document = verifyDecision(context, statement, about)
  const { day, reason } = document
  const { person } = document.officer
  const decided = JSON.stringify({ person, day, reason })
  await db.updateTable("inconsistency").set({ decided }).where("digest", "=", row.digest).execute()
  await db
    .insertInto("decision")
    .values({ digest: document.digest, bytes: document.bytes, at: context.env.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await noteEvent(context, db, "inconsistency.decided", row.member, document.digest)
  return viewOf(context, { ...row, decided })
}
