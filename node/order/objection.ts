import { encodeCanonical, type Json, jsonOf } from "../../protocol/canonical.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { consentRulesOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import { objectionSubject, objectionTag } from "../../protocol/release/silence.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { findRecord } from "../reading/records.ts"
import { factsWithRecord, readableBytes } from "../store/queries/contents.ts"
import { placedGrants } from "../store/queries/grants.ts"
import type { Db } from "../store/schema.ts"
import type { ConsentMade } from "./consent.ts"
import { insertOrder, neededFor } from "./release.ts"

/**
 * Objections to a release that our silence would stand for: an order of ours like any consent, and behind it
 * an entry by which everybody who reads our log, and was shown the agreement's grant, knows it.
 * docs/spec/consent.md, docs/decisions/0064-silence.md
 */

/**
 * Makes the orders by which we object to a record that was sent to us, or, with an agreement of ours, to
 * every record under it from now on: one for each member that we have such an agreement with.
 *
 * @throws `consent.unasked` where no silence of ours would stand for anything, `record.*`
 */
export async function makeObjection(
  context: Context,
  prefix: string,
  reason: string,
): Promise<readonly ConsentMade[]> {
  if (reason.trim() === "") throw new NodeError("terms.invalid", "An objection states its reason.")
  const { self } = context
  const named = await findRecord(context, prefix)
  return context.db.transaction().execute(async (trx) => {
    const { digest, kind, profile_digest: profile } = await rowOf(trx, named)
    const isOurs = named.origin === self.id
    const agreements = isOurs
      ? await agreementsWith(trx, self.id, { digest })
      : await agreementsWith(trx, self.id, { kinds: basesOf(profile, kind), to: named.origin })
    if (agreements.length === 0)
      throw new NodeError("consent.unasked", "Our silence would stand for nothing here.", {
        hint: isOurs
          ? "That is no agreement to a silence procedure that another member has of us."
          : "We have agreed to no silence procedure with its origin: it needs our consent anyway.",
      })
    const made: ConsentMade[] = []
    for (const { placed, kind: agreed, profile: under } of agreements) {
      const subject = objectionSubject(placed.leaf, digest)
      const rule = { conditions: [], kind: agreed, profile: under }
      const seed = new Uint8Array(0)
      const id = await insertOrder(context, trx, { act: "consent", subject, rule, seed, reason })
      const about = encodeCanonical({
        agreement: jsonOf(placed.bytes),
        ...(await contentOf(trx, named)),
        record: digest,
        type: "comity/objecting/v1",
      })
      const { recipient: origin } = placed.grant
      await trx
        .insertInto("consent_asked")
        .values({ order_id: id, subject, origin, recipients: "", says: "objection", export: about })
        .execute()
      const needs = neededFor(ownRoot(context), "consent", rule)
      made.push({ order: id, subject, about: named.id, origin, needs })
    }
    return made
  })
}

type Named = Awaited<ReturnType<typeof findRecord>>

function rowOf(trx: Db, { origin, id, version }: Named) {
  return trx
    .selectFrom("record")
    .select(["digest", "kind", "profile_digest"])
    .where("origin", "=", origin)
    .where("id", "=", id)
    .where("version", "=", version)
    .executeTakeFirstOrThrow()
}

/** What it says, for our officers to read; it may have been withdrawn from us since. */
async function contentOf(trx: Db, version: Named): Promise<{ readonly content?: Json }> {
  const bytes = await readableBytes(trx, version)
  return bytes === null ? {} : { content: jsonOf(bytes) }
}

/** Kinds of agreement under which silence stands for the release of such a record. */
function basesOf(digest: string, kind: string): readonly string[] {
  const profile = findProfile(digest)?.profile
  if (profile === undefined) throw new ProtocolError("profile.unknown", { detail: digest })
  return consentRulesOf(profile, kind).flatMap(({ basis, mode }) =>
    mode === "tacit" && basis !== undefined ? [basis.kind] : [],
  )
}

type Agreement = { readonly placed: PlacedGrant; readonly kind: string; readonly profile: string }

/** Every grant of ours by which another member has such an agreement of ours, whether or not it was ended. */
async function agreementsWith(
  trx: Db,
  self: string,
  wanted: { readonly digest: string } | { readonly kinds: readonly string[]; readonly to: string },
): Promise<readonly Agreement[]> {
  const rows = await factsWithRecord(trx)
    .select(["fact.order_origin", "fact.order_id", "fact.position"])
    .select(["record.kind", "record.profile_digest as profile"])
    .where("fact.order_origin", "=", self)
    .where("fact.record_origin", "=", self)
    .where("fact.act", "=", "release")
    .where((eb) =>
      "digest" in wanted
        ? eb("record.digest", "=", wanted.digest)
        : eb.and([eb("record.kind", "in", wanted.kinds), eb("fact.recipient", "=", wanted.to)]),
    )
    .orderBy("fact.idx")
    .execute()
  const found: Agreement[] = []
  for (const row of rows) {
    const { kind, profile } = row
    const rules = findProfile(profile)?.profile.consent ?? []
    if (!rules.some(({ basis, mode }) => mode === "tacit" && basis?.kind === kind)) continue
    const [placed] = await placedGrants(trx, [row])
    if (placed !== undefined) found.push({ placed, kind, profile })
  }
  return found
}

/** The entry behind an objection's own; none for any other order. */
export async function objectionTags(
  trx: Db,
  { id, subject }: { readonly id: string; readonly subject?: string | undefined },
): Promise<readonly Uint8Array[]> {
  const row = await trx
    .selectFrom("consent_asked")
    .select("says")
    .where("order_id", "=", id)
    .executeTakeFirst()
  return row?.says === "objection" && subject !== undefined ? [objectionTag(subject)] : []
}
