import type { Group } from "../../protocol/record/group.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { everybody, type Grant, type Terms } from "../../protocol/release/grant.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { releasing } from "../store/queries/partial.ts"
import { prepared } from "../store/queries/prepared.ts"

/** What a recipient will hold by an order, and what it can tell from that: shown before anyone signs. */
export type Foreseen = {
  readonly recipient: string
  readonly member: string
  readonly record: string
  readonly version: number
  readonly title: string
  readonly terms?: Terms
  /** all that it can read of the record; absent where it is taken back */
  readonly sees?: Seen
  /** what it knows by it beyond the record, a clause each */
  readonly knows: readonly string[]
  /** of a release to everybody: what allows it, a clause each */
  readonly allowedBy?: readonly string[]
}

export type Seen = {
  readonly title: string
  readonly kind: string
  readonly profile: string
  readonly language: string
  readonly marking: string
  readonly areas: readonly string[]
  /** names of the profile's fields that the record fills in */
  readonly fields: readonly string[]
  readonly attachments: readonly string[]
  readonly bytes: number
}

/** A grant in the making, and the record of a release. */
export type Foreseeable = {
  readonly grant: Grant
  readonly title: string
  readonly record?: { readonly content: ComityRecord; readonly bytes: number }
  /** inside which its recipient may pass it on */
  readonly group?: Group | null
  /** of a release to everybody, what allows it */
  readonly allowedBy?: readonly string[] | null
}

export async function foresee(
  context: Context,
  planned: readonly Foreseeable[],
): Promise<readonly Foreseen[]> {
  const foreseen: Foreseen[] = []
  const together = Map.groupBy(planned, ({ grant }) => grant.recipient)
  for (const { grant, title, record, group, allowedBy = null } of planned) {
    const { recipient: member, record: named, terms } = grant
    const company = (together.get(member)?.length ?? 1) - 1
    const before = await heldBy(context, grant)
    foreseen.push({
      recipient: await nameOf(context, member),
      member,
      record: named.id,
      version: named.version,
      title,
      ...(terms === undefined ? {} : { terms }),
      ...(record === undefined ? {} : { sees: seenOf(record) }),
      ...(allowedBy === null ? {} : { allowedBy }),
      knows: [
        ...(grant.act === "release" ? knownOfRelease(named.version, before) : knownOfWithdrawal),
        ...(member === everybody ? knownOfAll[grant.act] : []),
        ...(group == null ? [] : [await knownOfGroup(context, group)]),
        ...(company === 0 ? [] : [`that ${company} more of its records came with this one`]),
        ...knownOfOrder,
      ],
    })
  }
  return foreseen
}

function seenOf({ content, bytes }: NonNullable<Foreseeable["record"]>): Seen {
  const { title, kind, profile, language, marking, areas, fields, attachments } = content
  return {
    title,
    kind,
    profile: profile.id,
    language,
    marking,
    areas,
    fields: Object.keys(fields),
    attachments: attachments.map(({ name }) => name),
    bytes,
  }
}

const knownOfOrder: readonly string[] = [
  "who signed: pseudonym, organisation and role of each officer",
  "where the order stands in our log; not who else is in it, nor how many, nor which records",
]

/** Said of what everybody was given, or is to give back. */
const knownOfAll = {
  release: [
    "for ever: it can be marked withdrawn, and is then destroyed by members, not by whoever copied it",
  ],
  withdraw: ["and whatever was exported or copied meanwhile stays where it is"],
} as const satisfies { readonly [act in Grant["act"]]: readonly string[] }

/** The list goes to the recipient whole, whether or not it is on it. */
async function knownOfGroup(context: Context, { name, members }: Group): Promise<string> {
  const names = await Promise.all(members.map((member) => nameOf(context, member)))
  return `who is in @${name}, the record of that list included: ${names.join(", ")}`
}

const knownOfWithdrawal: readonly string[] = [
  "that this version and all before it are taken back from it; not why",
]

function knownOfRelease(version: number, before: number | null): readonly string[] {
  if (before === version) return ["nothing new: it was given this version before"]
  if (before !== null) return [`that this replaces version ${before}, which it was given`]
  if (version === 1) return []
  const earlier = version === 2 ? "1 version" : `${version - 1} versions`
  return [`that there were ${earlier} before this one, which it was not given`]
}

/** The newest version that was ever released to the recipient. */
async function heldBy({ db }: Context, { recipient, record }: Grant): Promise<number | null> {
  const [row] = await newestReleased(db, record.origin, record.id, recipient)
  return row?.version ?? null
}

const newestReleased = prepared((db, origin: string, id: string, recipient: string) =>
  db
    .selectFrom("fact")
    .select((eb) => eb.fn.max<number | null>("version").as("version"))
    .where("record_id", "=", id)
    .where("record_origin", "=", origin)
    .where("recipient", "=", recipient)
    .where(releasing),
)
