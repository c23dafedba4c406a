import { recordDigest } from "../../../protocol/record/record.ts"
import type { Actor } from "../actor.ts"
import type { MakeInvariant } from "./invariant.ts"

type ContentRow = {
  readonly rid: number
  readonly origin: string
  readonly id: string
  readonly version: number
  readonly bytes: Uint8Array
  readonly digest: string | null
}

/** Precedence, as PROTOCOL.md §6 says it and in another language than the node's. */
const heldWithoutRelease = `
  SELECT c.origin, c.id, c.version FROM content c
  WHERE c.origin <> @own AND NOT EXISTS (
    SELECT 1 FROM fact r
    WHERE r.act = 'release' AND r.recipient = @own
      AND r.record_origin = c.origin AND r.record_id = c.id AND r.version = c.version
      AND NOT EXISTS (
        SELECT 1 FROM fact w
        WHERE w.act = 'withdraw' AND w.recipient = @own
          AND w.record_origin = c.origin AND w.record_id = c.id AND w.version >= c.version
          AND w.order_origin IN (r.order_origin, r.record_origin)
          AND w.rule_profile = r.rule_profile AND w.rule_kind = r.rule_kind
          AND instr(r.after, w.order_id) = 0
          AND (w.epoch, w.idx) >= (r.base_epoch, r.base_size)))`

/** S3, S5, S8: a member holds what was released to it, as it was released, for as long as it is. */
export const recordsAreGranted: MakeInvariant = (world) => {
  const read = new Map<Actor, number>()
  return {
    look: (actor) => {
      const own = { own: actor.id }
      const [ended] = actor.disk.read(heldWithoutRelease, own) as ContentRow[]
      if (ended !== undefined && !actor.isRestored)
        world.violate(
          "S8 what was withdrawn is not held",
          `${actor.name} holds ${ended.id} version ${ended.version}`,
        )
      const rows = actor.disk.read(
        `SELECT c.rid, c.origin, c.id, c.version, c.bytes, r.digest FROM content c
         LEFT JOIN record r ON r.origin = c.origin AND r.id = c.id AND r.version = c.version
         WHERE c.rid > ? ORDER BY c.rid`,
        actor.isRestored ? 0 : (read.get(actor) ?? 0),
      ) as ContentRow[]
      for (const row of rows) {
        read.set(actor, row.rid)
        if (row.origin !== actor.id) judge(actor, row)
      }
    },
  }

  function judge(actor: Actor, row: ContentRow): void {
    const { origin, id, version, digest } = row
    const place = `${id} version ${version} at ${actor.name}`
    const bytes = new Uint8Array(row.bytes)
    if (recordDigest(bytes) !== digest)
      return world.violate("S5 a record is what its grant says", place)
    if (world.truth.poison.has(`${origin} ${id} ${version}`))
      return world.violate("S5 nothing forged is kept", place)
    const owner = world.byId(origin)
    if (owner === undefined) return world.violate("S5 nothing forged is kept", `${place}: origin`)
    if (owner.hostility === "whole") return
    const isMeant = [...world.truth.authorised.values()].some(
      ({ grants, origin: by }) =>
        by === origin &&
        grants.some(
          (one) =>
            one.act === "release" &&
            one.record === id &&
            one.version === version &&
            one.recipient === actor.id,
        ),
    )
    if (!isMeant) return world.violate("S3 nobody holds what was not released to it", place)
    if (!owner.isHonest) return
    const theirs = owner.disk.read(
      "SELECT digest FROM record WHERE origin = ? AND id = ? AND version = ?",
      origin,
      id,
      version,
    ) as { digest: string }[]
    if (theirs[0]?.digest !== digest)
      world.violate("S5 a record is what its origin released", place)
  }
}
