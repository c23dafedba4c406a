import { type Json, jsonOf } from "../../../protocol/canonical.ts"
import {
  chainBehind,
  decodeLinkValue,
  groupNamed,
  insideOf,
  type Link,
} from "../../../protocol/custody.ts"
import type { Member } from "../../../protocol/member/root.ts"
import type { Group } from "../../../protocol/record/group.ts"
import type { Grant } from "../../../protocol/release/grant.ts"
import { heldLink } from "../../../protocol/verify.ts"
import type { Db } from "../schema.ts"
import { memberById } from "./members.ts"

/** @param chain from the origin's release on, each with those before it */
export async function keepLinks(db: Db, chain: readonly Link[]): Promise<void> {
  for (const [i, { bytes, digest }] of chain.entries())
    await db
      .insertInto("custody_link")
      .values({ digest, bytes, chain: JSON.stringify(chain.slice(0, i + 1).map(heldLink)) })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
}

/** What a grant of another member's record rests on, its origin's release first; empty for one of ours. */
export async function linksOf(db: Db, grant: Pick<Grant, "custody">): Promise<readonly Link[]> {
  const links = new Map<string, Link>()
  for (let wanted = grant.custody; wanted !== undefined && !links.has(wanted); ) {
    const row = await db
      .selectFrom("custody_link")
      .select("bytes")
      .where("digest", "=", wanted)
      .executeTakeFirst()
    if (row === undefined) break
    const link = decodeLinkValue(jsonOf(new Uint8Array(row.bytes)))
    links.set(wanted, link)
    wanted = link.placed.grant.custody
  }
  return chainBehind(grant, links)
}

/** @param groups records of groups by their digests */
export async function keepLists(db: Db, groups: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [digest, bytes] of groups)
    await db
      .insertInto("inside_list")
      .values({ digest, bytes })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
}

/** The records of groups that terms name by `inside`, as far as they are here, sorted by their digests. */
export async function listsOf(
  db: Db,
  named: readonly (string | null)[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const wanted = new Set(named.filter((digest) => digest !== null))
  if (wanted.size === 0) return new Map()
  const rows = await db
    .selectFrom("inside_list")
    .selectAll()
    .where("digest", "in", [...wanted])
    .orderBy("digest")
    .execute()
  return new Map(rows.map(({ digest, bytes }) => [digest, new Uint8Array(bytes)]))
}

/** The list that one grant's terms name, if any. @throws `custody.malformed` where it is not here */
export async function listOf(
  db: Db,
  grant: Pick<Grant, "terms">,
  network: string,
): Promise<{ readonly value: Json; readonly group: Group } | null> {
  const [bytes] = (await listsOf(db, [insideOf(grant)])).values()
  const value = bytes === undefined ? undefined : jsonOf(bytes)
  const group = groupNamed(grant, value, network)
  return group === null || value === undefined ? null : { value, group }
}

/** What is known here of the members on the way, and of those who consented there. */
export async function membersOf(
  db: Db,
  links: readonly Link[],
): Promise<ReadonlyMap<string, Member>> {
  const members = new Map<string, Member>()
  for (const { proven, consents } of links)
    for (const { payload } of [proven, ...consents.map((one) => one.proven)].map(
      (one) => one.order,
    )) {
      const member = await memberById(db, payload.origin)
      if (member !== null) members.set(member.id, member)
    }
  return members
}
