import { dueOn } from "../../protocol/profiles/cycle.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import { builtInProfiles } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, dayOf } from "../context.ts"
import { claimOf, heldRecords } from "../order/linked.ts"
import type { Due } from "./calendar.ts"

/**
 * When a host says again how far its findings have come: `followUp.every` after it last did, until a status
 * that is final. Overdue only where the mechanism makes it a duty.
 */
export async function nextStatuses(context: Context): Promise<readonly Due[]> {
  const dues: Due[] = []
  for (const { digest, profile } of builtInProfiles) {
    const { every, final = [], mandatory } = profile.followUp ?? {}
    if (every === undefined) continue
    for (const finding of await findingsUnder(context, digest, profile)) {
      const { at, status } = await lastSaid(context, finding)
      if (status !== undefined && final.includes(status)) continue
      const { id, origin, title } = finding
      const day = dueOn(dayOf(at), { offset: `+${every}` })
      dues.push({
        ...{ key: `${origin} ${id} status ${day}`, day, what: "Status", title },
        ...{ mechanism: profile.id, anchor: "status", onMiss: mandatory ? "notify" : "nothing" },
        from: await nameOf(context, origin),
      })
    }
  }
  return dues
}

/** What was found at our own place, whoever found it; what is a status by its kind is its origin's to say again. */
async function findingsUnder(
  context: Context,
  digest: string,
  { kinds }: Profile,
): Promise<readonly ComityRecord[]> {
  const { self } = context
  const saying = Object.keys(kinds).filter((kind) => kinds[kind]!.required.includes("status"))
  const found = Object.keys(kinds).filter((kind) => kinds[kind]!.optional.includes("status"))
  const followed = [...found, ...saying]
  if (followed.length === 0) return []
  const rows = await context.db
    .selectFrom("record")
    .select(["origin", "id"])
    .distinct()
    .where("profile_digest", "=", digest)
    .where("kind", "in", followed)
    .execute()
  const held = await heldRecords(context, rows)
  return held.filter(
    (finding) =>
      claimOf({ origin: self.id }, finding) === "host" &&
      (finding.origin === self.id || !saying.includes(finding.kind)),
  )
}

/** The latest that was said of how far it has come, and when: by the host, or in the finding itself. */
async function lastSaid({ db, self }: Context, { fields, id, origin }: ComityRecord) {
  const own = await db
    .selectFrom("record")
    .select((eb) => eb.fn.max<number>("created_at").as("at"))
    .where("origin", "=", origin)
    .where("id", "=", id)
    .executeTakeFirst()
  const said = await db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .innerJoin("record", (join) =>
      join
        .onRef("record.origin", "=", "content.origin")
        .onRef("record.id", "=", "content.id")
        .onRef("record.version", "=", "content.version"),
    )
    .select(["content.bytes", "record.created_at as at"])
    .where("to_id", "=", id)
    .where("to_origin", "=", origin)
    .where("relation", "=", "follows-up")
    .where("content.origin", "=", self.id)
    .where("content.locked", "=", 0)
    .orderBy("content.rid", "desc")
    .executeTakeFirst()
  const at = own?.at ?? 0
  if (said === undefined || said.at < at) return { at, status: fields.status }
  return { at: said.at, status: decodeRecord(new Uint8Array(said.bytes)).fields.progress }
}
