import { everybody } from "../../protocol/release/grant.ts"
import { comparePlace, type Fact, winner } from "../../protocol/release/precedence.ts"
import type { Context } from "../context.ts"
import { asFact, type FactRow, factsTowards, wasRead } from "../store/queries/facts.ts"
import { prepared } from "../store/queries/prepared.ts"
import { pendingOrders } from "../store/queries/proofs.ts"
import type { Db } from "../store/schema.ts"

export type RecordReference = {
  readonly origin: string
  readonly id: string
  readonly version: number
}

/**
 * How a record stands here. `pending` waits for its origin's witnesses, `suspended` is withdrawn for
 * everybody as a tag in the origin's log says, though the order has not come, `repudiated` is annulled by a
 * newer root document of its origin.
 */
export type Standing = "verified" | "pending" | "suspended" | "repudiated"

/** A release that no withdrawal has ended, and how it stands. */
export type LiveFact = FactRow & { readonly standing: Standing }

/** The releases that hold up each of these records here, the one that counts first; many at once. */
export async function liveFactsOf(
  context: Context,
  references: readonly RecordReference[],
): Promise<ReadonlyMap<string, readonly LiveFact[]>> {
  const { db } = context
  const ids = [...new Set(references.map(({ id }) => id))]
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom("fact")
    .selectAll()
    .where("record_id", "in", ids)
    .orderBy("idx")
    .execute()
  const byRecord = Map.groupBy(rows, (row) => `${row.record_origin} ${row.record_id}`)
  const tags = await tagPlaces(db, references)
  const pending = await pendingOrders(db, [...new Set(rows.map((row) => row.order_origin))])
  const found = new Map<string, readonly LiveFact[]>()
  for (const reference of references) {
    const { origin, id, version } = reference
    const name = nameOf(reference)
    const about = byRecord.get(`${origin} ${id}`) ?? []
    const judge = (fact: FactRow): LiveFact => {
      if (fact.repudiated === 1) return { ...fact, standing: "repudiated" }
      const isTagged =
        origin !== context.self.id &&
        (tags.get(name) ?? []).some((tag) => comparePlace(originBase(fact), tag) <= 0)
      if (isTagged) return { ...fact, standing: "suspended" }
      const isPending = pending.has(`${fact.order_origin} ${fact.order_id}`)
      return { ...fact, standing: isPending ? "pending" : "verified" }
    }
    const live = [...Map.groupBy(about, ({ recipient }) => recipient)].flatMap(([to, group]) =>
      bestOf(group, factsTowards(about, reference, to), version, judge),
    )
    found.set(
      name,
      live.sort((a, b) => rank[a.standing] - rank[b.standing] || isForAll(b) - isForAll(a)),
    )
  }
  return found
}

/** The base that the record's origin set: of its own release, whoever passed it on. */
function originBase(row: FactRow): { readonly epoch: number; readonly size: number } {
  const { chain: [first] = [], baseEpoch, baseSize } = asFact(row)
  return { epoch: first?.baseEpoch ?? baseEpoch, size: first?.baseSize ?? baseSize }
}

const rank = { verified: 0, pending: 1, suspended: 2, repudiated: 3 } as const

export function nameOf({ origin, id, version }: RecordReference): string {
  return `${origin} ${id} ${version}`
}

/** Of two that stand, the one to everybody: nobody is bound by narrower terms beside it. */
function isForAll({ recipient }: FactRow): number {
  return Number(recipient === everybody)
}

/** Of one recipient's facts the release that gives the terms, the best standing first. */
function bestOf(
  group: readonly FactRow[],
  known: readonly Fact[],
  version: number,
  judge: (fact: FactRow) => LiveFact,
): readonly LiveFact[] {
  const releases = group
    .filter((row) => row.act === "release" && row.version === version && wasRead(row))
    .map(judge)
  const withdrawals = known.filter(({ act }) => act === "withdraw")
  for (const standing of ["verified", "pending", "suspended", "repudiated"] as const) {
    const these = releases.filter((fact) => fact.standing === standing)
    const best = winner([...these.map(asFact), ...withdrawals], version)
    if (best !== null) return these.filter((fact) => fact.order_id === best.orderId)
  }
  return []
}

/** Where the logs of their origins have the withdrawal tags of records' content keys. */
async function tagPlaces(db: Db, references: readonly RecordReference[]) {
  const places = new Map<string, { readonly epoch: number; readonly size: number }[]>()
  for (const [origin, own] of Map.groupBy(references, (one) => one.origin)) {
    const ids = [...new Set(own.map(({ id }) => id))]
    for (const { epoch, idx, ...version } of await tagRows(db, origin, ids)) {
      const name = nameOf({ origin, ...version })
      places.set(name, [...(places.get(name) ?? []), { epoch, size: idx }])
    }
  }
  return places
}

const tagRows = prepared((db, origin: string, ids: readonly string[]) =>
  db
    .selectFrom("content")
    // In this order: from few records to their tags, and not through all that their origin ever sent.
    .crossJoin("log")
    .crossJoin("log_entry")
    .select(["content.id", "content.version", "log.epoch", "log_entry.idx"])
    .where("content.origin", "=", origin)
    .where("content.id", "in", ids)
    .where("log.member", "=", origin)
    .whereRef("log_entry.log", "=", "log.id")
    .whereRef("log_entry.entry", "=", "content.tag"),
)

/** How a record stands for us. */
export function standingOf(context: Context, facts: readonly LiveFact[], origin: string): Standing {
  return heldBy(context, facts, origin)?.standing ?? "verified"
}

/** What we hold a record by: a grant to us, or to everybody; where it is ours, any. */
export function heldBy(
  { self }: Context,
  facts: readonly LiveFact[],
  origin: string,
): LiveFact | undefined {
  return facts.find(
    ({ recipient }) => origin === self.id || recipient === self.id || recipient === everybody,
  )
}
