import { jsonOf } from "../../../protocol/canonical.ts"
import { chainBehind, decodeLinkValue, type Link } from "../../../protocol/custody.ts"
import type { Member } from "../../../protocol/member/root.ts"
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
