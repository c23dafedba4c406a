import { sync } from "../../node/exchange/subscribe.ts"
import { freezeDraft } from "../../node/order/drafts.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import {
  type ComityRecord,
  decodeRecord,
  encodeRecord,
  recordDigest,
} from "../../protocol/record/record.ts"
import type { Terms } from "../../protocol/release/grant.ts"
import { ruleConditions } from "../../protocol/verify.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  officerKey,
  releaseGrant,
  serveForged,
} from "./hostile.ts"
import type { TestNetwork, TestNode } from "./network.ts"

/** What is wrong with it; where nothing else is, that nobody consented. */
export type Wrong = {
  readonly record?: Partial<ComityRecord>
  readonly terms?: Partial<Terms>
  /** officers that sign, instead of all */
  readonly signers?: readonly string[]
}

/**
 * A draft that its member's own node would not release, in a log and a feed as they should be: what is
 * refused then, the recipient refuses. The draft was never released.
 *
 * @returns the code of the recipient's receipt, null when it took it in
 */
export async function forced(
  net: TestNetwork,
  from: TestNode,
  draft: string,
  to: TestNode,
  { record: changes, terms, signers }: Wrong = {},
): Promise<string | null> {
  const record = await frozen(from, draft, changes)
  const recipient = to.context.self.id
  const worded = await releaseGrant(from, draft, recipient)
  const usual = { ...worded.terms!, marking: record.marking, ...terms }
  const grant = { ...worded, terms: usual }
  const { digest } = record.profile
  const conditions = ruleConditions(findProfile(digest)!.profile, record, grant)
  const order = await forgeOrder(from, [grant], {
    fields: { rule: { conditions, kind: record.kind, profile: digest } },
    ...(signers && { signers: signers.map((person) => ({ key: officerKey(from, person) })) }),
  })
  const entry = await logForged(from, order.order)
  const feed = new ForgedFeed(encodeHex(from.env.random(16))).add({ ...order, entry })
  using host = serveForged(net, from, to, feed)
  await sync(to.context, from.name)
  const receipt = host.receipts().find((one) => one.order === order.order.payload.id)
  if (receipt === undefined) throw new TypeError(`no receipt of ${to.name}`)
  return receipt.state === "refused" ? receipt.code! : null
}

/** The draft as a version, with other content than its node would make of it. */
async function frozen(
  { context }: TestNode,
  draft: string,
  changes: Partial<ComityRecord> = {},
): Promise<ComityRecord> {
  const { db } = context
  const row = await db
    .selectFrom("draft")
    .selectAll()
    .where("id", "=", draft)
    .executeTakeFirstOrThrow()
  await db.transaction().execute((trx) => freezeDraft(context, trx, row))
  const { bytes: made, content_key } = await db
    .selectFrom("content")
    .select(["bytes", "content_key"])
    .where("id", "=", draft)
    .executeTakeFirstOrThrow()
  const record = { ...decodeRecord(new Uint8Array(made)), ...changes }
  const bytes = encodeRecord(record)
  const sealed = sealObject(new Uint8Array(content_key), 0, bytes)
  await db.updateTable("content").set({ bytes }).where("id", "=", draft).execute()
  await db
    .updateTable("record")
    .set({
      ...{ digest: recordDigest(bytes), kind: record.kind, profile_digest: record.profile.digest },
      ...{ sealed_digest: encodeHex(sha256(sealed)), sealed_size: sealed.length },
    })
    .where("id", "=", draft)
    .execute()
  return record
}
