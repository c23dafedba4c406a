import { kidOf } from "../../protocol/member/key.ts"
import { describeLine, type PolicyLine } from "../../protocol/member/policy.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { type Context, ownRoot, today } from "../context.ts"
import { isInDays, type OfficerRow, officersByDigest, opened } from "../store/queries/officers.ts"

/** Who may speak for this member today, as its people see it. */

export type OfficerView = {
  readonly person: string
  readonly organisation: string
  readonly roles: readonly string[]
  readonly kid: string
  readonly from?: string
  readonly until?: string
  /** whether our own node takes a signature today */
  readonly active: boolean
  readonly revoked: boolean
  /** whether register entries can be sealed to this key */
  readonly sealing: boolean
}

export async function listOfficers(context: Context): Promise<readonly OfficerView[]> {
  const root = ownRoot(context)
  const rows = await officersByDigest(context.db, root.officers)
  return rows.map((row) => viewOf(row, today(context), new Set(root.revoked.map(({ kid }) => kid))))
}

function viewOf(row: OfficerRow, day: string, revoked: ReadonlySet<string>): OfficerView {
  const { person, organisation, roles, key } = opened(row)
  const kid = kidOf(key)
  return {
    person,
    organisation,
    roles,
    kid,
    ...(row.not_before === null ? {} : { from: row.not_before }),
    ...(row.not_after === null ? {} : { until: row.not_after }),
    active: isInDays(row, day) && !revoked.has(kid),
    revoked: revoked.has(kid),
    sealing: row.sealing_key !== null,
  }
}

export type KeyView = {
  readonly job: "root" | "log" | "node" | "witness"
  readonly kid: string
}

/** The keys that the newest root document names, officers' apart. */
export function listKeys(context: Context): {
  readonly rootVersion: number
  readonly threshold: number
  readonly expires: string
  readonly next: string
  readonly keys: readonly KeyView[]
  readonly revoked: readonly { readonly kid: string; readonly from: number }[]
} {
  const { version, threshold, expires, next, rootKeys, ...root } = ownRoot(context)
  const { name: _, ...witnessKey } = root.witnessKey
  return {
    rootVersion: version,
    threshold,
    expires,
    next,
    keys: [
      ...rootKeys.map((key) => ({ job: "root" as const, kid: kidOf(key) })),
      { job: "log", kid: kidOf(root.logKey) },
      { job: "node", kid: kidOf(root.nodeKey) },
      { job: "witness", kid: kidOf(witnessKey) },
    ],
    revoked: root.revoked.map(({ kid, from }) => ({ kid, from: from.size })),
  }
}

/** The policy in force, with each line in words. */
export function showPolicy(context: Context): {
  readonly rootVersion: number
  readonly lines: readonly (PolicyLine & { readonly words: string })[]
} {
  const { policy, version } = ownRoot(context)
  return {
    rootVersion: version,
    lines: policy.map((line) => ({ ...line, words: describeLine(line, profileName) })),
  }
}

export function profileName(digest: string): string | null {
  return findProfile(digest)?.profile.id ?? null
}

/**
 * The lines that the officers of today can't meet, each by itself, in words: such a policy would lock
 * the member out of what it asks for.
 */
export async function unmetLines(
  context: Context,
  policy: readonly PolicyLine[] = ownRoot(context).policy,
): Promise<readonly string[]> {
  const active = (await listOfficers(context)).filter((officer) => officer.active)
  return policy
    .filter((line) => {
      const fit = active.filter(({ roles }) => line.role === "any" || roles.includes(line.role))
      const persons = new Set(fit.map(({ person }) => person)).size
      const organisations = new Set(fit.map(({ organisation }) => organisation)).size
      return persons < line.persons || organisations < (line.organisations ?? 1)
    })
    .map((line) => describeLine(line, profileName))
}
