import { ProtocolError } from "../../protocol/errors.ts"
import { type Difference, differences } from "../../protocol/profiles/difference.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import {
  type AdoptableProfile,
  bringProfile,
  builtInProfiles,
  findProfile,
  findProfileById,
} from "../../protocol/profiles/registry.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { lintRules } from "../order/lint-rules.ts"
import { writeMeta } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { proposeRoot } from "./amend.ts"

/** The mechanisms in force for this member: those whose digests its own root document names. */

const namePrefix = "profile "

/** Every profile of the process that starts, from what was brought in before. */
export async function bringStored(db: Db): Promise<void> {
  const rows = await db
    .selectFrom("meta")
    .select("value")
    .where("name", ">=", namePrefix)
    .where("name", "<", "profile!")
    .execute()
  for (const { value } of rows) bringProfile(new Uint8Array(value))
}

/** What is adopted here, and of it what did not come with this version. */
export function listProfiles(context: Context) {
  const adopted = ownRoot(context).profiles
  const brought = adopted.flatMap((digest) => {
    const found = findProfile(digest)
    return found === null || builtInProfiles.includes(found) ? [] : [found]
  })
  return {
    adopted,
    brought: brought.map(({ profile: { id, title, kinds }, digest }) => ({
      id,
      title,
      digest,
      kinds: Object.keys(kinds),
    })),
  }
}

/** By id or digest, or its prefix of at least 8. @throws `profile.unknown` */
export function namedProfile(name: string, adopted: readonly string[] = []): AdoptableProfile {
  const found =
    findProfileById(name, adopted.length === 0 ? undefined : adopted) ??
    findProfile(name) ??
    builtInProfiles.find(({ digest }) => name.length >= 8 && digest.startsWith(name))
  if (found === undefined || found === null)
    throw new ProtocolError("profile.unknown", { detail: name.slice(0, 64) })
  return found
}

/** What can be said of a profile beyond its form. */
export function reviewProfile(profile: Profile): readonly string[] {
  const found: string[] = []
  const rules = new Set<string>([...lintRules.map(({ rule }) => rule), "state"])
  for (const rule of profile.lint ?? [])
    if (!rules.has(rule)) found.push(`lint: this version has no rule ${rule}`)
  for (const [kind, { naming, optional, required }] of Object.entries(profile.kinds)) {
    const hasFacility = [...optional, ...required].includes("facility")
    if (hasFacility && naming?.facility.members === "never")
      found.push(`${kind}: has a field facility, which may never be named`)
  }
  if (profile.signoff.every(({ act }) => act === "consent"))
    found.push("sign-off: nobody by role; the member's own policy decides alone")
  return found
}

export type Adoption = {
  readonly profile: string
  readonly digest: string
  readonly replaces: readonly string[]
  readonly proposal: Uint8Array
}

/**
 * Proposes the root version by which officers adopt a profile: in place of any other of its id. One from a
 * file may be stricter than the version that it stands in for, never looser.
 *
 * @throws `profile.unknown`, `profile.malformed`, `profile.adopted`, `profile.looser`
 */
export async function adoptProfile(
  context: Context,
  wanted: { readonly name: string } | { readonly bytes: Uint8Array },
): Promise<Adoption> {
  const { profile, bytes, digest } =
    "bytes" in wanted ? bringProfile(wanted.bytes) : namedProfile(wanted.name)
  const adopted = ownRoot(context).profiles
  if (adopted.includes(digest))
    throw new NodeError("profile.adopted", `Profile ${profile.id} is adopted in this version.`)
  const stewards = findProfileById(profile.id)
  const looser = stewards === null ? [] : looserIn(differences(stewards.profile, profile))
  if (looser.length > 0)
    throw new NodeError(
      "profile.looser",
      `It is looser than ${profile.id} as it comes with this version: ${looser.join("; ")}.`,
      { hint: "A member may ask for more than its mechanism does, never for less." },
    )
  if ("bytes" in wanted) await writeMeta(context.db, `${namePrefix}${digest}`, bytes)
  const replaces = adopted.filter((one) => findProfile(one)?.profile.id === profile.id)
  const proposal = await proposeRoot(context, { adopt: [digest], drop: replaces })
  return { profile: profile.id, digest, replaces, proposal }
}

function looserIn(found: readonly Difference[]): readonly string[] {
  return found.filter(({ is }) => is === "looser").map(({ what }) => what)
}
