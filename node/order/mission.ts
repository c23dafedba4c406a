import { ProtocolError } from "../../protocol/errors.ts"
import {
  agreementViolations,
  missionParties,
  needsAgreement,
} from "../../protocol/profiles/mission.ts"
import type { Violation } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { endOf } from "../../protocol/release/precedence.ts"
import type { Context } from "../context.ts"
import { heldContents } from "../store/queries/contents.ts"
import { factsAbout } from "../store/queries/facts.ts"
import type { Db } from "../store/schema.ts"

/**
 * A finding of a mission against what host and service agreed on. Both hold that agreement, and both ask: the
 * service before the finding is released, the host when it comes in. Nobody else can tell.
 *
 * @throws `profile.violated`
 */
export async function assertAgreed({ db, self }: Context, finding: ComityRecord): Promise<void> {
  const profile = findProfile(finding.profile.digest)?.profile
  if (profile === undefined || !needsAgreement(profile, finding)) return
  const parties = [finding.fields.host ?? "", finding.origin]
  if (!parties.includes(self.id)) return
  let [first]: readonly Violation[] = [
    { field: "host", expected: "a mission that host and service have agreed to" },
  ]
  const areBoth = (named: readonly string[]) => named.every((member) => parties.includes(member))
  for (const agreement of await agreementsInForce(db, areBoth)) {
    const found = agreementViolations(agreement, finding)
    if (found?.length === 0) return
    if (found !== null) first = found[0]
  }
  throw new ProtocolError("profile.violated", { detail: `${first!.field}: ${first!.expected}` })
}

/** Kinds of records that decide whether a finding that follows is taken. */
export const missionKinds: readonly string[] = ["acceptance", "mission-agreement"]

/** Mission agreements in force: the newest version that one has released, if the other agreed to it. */
export async function agreementsInForce(
  db: Db,
  isBetween: (parties: readonly string[]) => boolean,
): Promise<readonly ComityRecord[]> {
  const rows = await heldContents(db)
    .select(["record.digest", "content.bytes"])
    .where("record.kind", "=", "mission-agreement")
    .where("content.locked", "=", 0)
    .orderBy("record.version", "desc")
    .execute()
  const seen = new Set<string>()
  const found: ComityRecord[] = []
  for (const { digest, bytes } of rows) {
    const agreement = decodeRecord(new Uint8Array(bytes))
    const named = missionParties(agreement)
    const other = named.find((member) => member !== agreement.origin)
    if (!isBetween(named) || !named.includes(agreement.origin) || other === undefined) continue
    // What is only drafted replaces nothing; what is released does, whether or not it is agreed to yet.
    if (seen.has(agreement.id) || !(await isGiven(db, agreement, other))) continue
    seen.add(agreement.id)
    if (await isAccepted(db, agreement, digest, other)) found.push(agreement)
  }
  return found
}

type Version = Pick<ComityRecord, "origin" | "id" | "version">

async function isAccepted(
  db: Db,
  { origin, id }: Version,
  digest: string,
  by: string,
): Promise<boolean> {
  const rows = await db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["content.origin", "content.id", "content.version"])
    .where("to_id", "=", id)
    .where("to_origin", "=", origin)
    .where("to_digest", "=", digest)
    .where("relation", "=", "agrees")
    .where("content.origin", "=", by)
    .execute()
  for (const row of rows) if (await isGiven(db, row, origin)) return true
  return false
}

/** Released to that member in this version, and not taken back. */
async function isGiven(db: Db, record: Version, recipient: string): Promise<boolean> {
  const facts = await factsAbout(db, record, recipient)
  return facts.some(
    (fact) =>
      fact.act === "release" && fact.version === record.version && endOf(fact, facts) === null,
  )
}
