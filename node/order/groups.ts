import { ProtocolError } from "../../protocol/errors.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { type Group, groupOf, namedGroup, verifySuccession } from "../../protocol/record/group.ts"
import { type ComityRecord, decodeRecord } from "../../protocol/record/record.ts"
import { findPeer, nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { recordsWithContent } from "../store/queries/contents.ts"
import { memberById } from "../store/queries/members.ts"
import { ofLiaison } from "../store/queries/partial.ts"
import type { Db } from "../store/schema.ts"
import { liveFactsOf, nameOf as nameOfReference } from "./standing.ts"

/**
 * What is known here of groups: the versions that stand, and who has accepted or left. Acceptance is of a
 * lineage: of one convener's record, and of what came before it under other conveners. docs/spec/group.md
 */

export type GroupVersion = {
  readonly origin: string
  /** the record's */
  readonly id: string
  readonly version: number
  readonly digest: string
  readonly group: Group
  /** ours, of a version that others hold, or another member's that we hold */
  readonly record: ComityRecord
}

type Statement = {
  readonly member: string
  /** digest of a version */
  readonly of: string
  readonly isAcceptance: boolean
}

export class Groups {
  readonly #self: string
  /** the newest version of each record that stands, the newest last */
  readonly #newest: readonly GroupVersion[]
  readonly #versions: ReadonlyMap<string, GroupVersion>
  /** the record of each version that was ever here */
  readonly #lineages: ReadonlyMap<string, string>
  /** oldest first */
  readonly #statements: readonly Statement[]
  /** members whose root documents here say that they close: they have left every group by that */
  readonly #closed: ReadonlySet<string>

  constructor(
    self: string,
    versions: readonly GroupVersion[],
    lineages: ReadonlyMap<string, string>,
    statements: readonly Statement[],
    closed: ReadonlySet<string>,
  ) {
    this.#self = self
    this.#versions = new Map(versions.map((one) => [one.digest, one]))
    this.#newest = [
      ...new Map(
        versions.toSorted((a, b) => a.version - b.version).map((one) => [lineageOf(one), one]),
      ).values(),
    ]
    this.#lineages = lineages
    this.#statements = statements
    this.#closed = closed
  }

  /** The version of each group that is in force. */
  get heads(): readonly GroupVersion[] {
    const replaced = new Set(
      [...this.#versions.values()]
        .filter((one) => this.#follows(one))
        .map(({ group }) => group.previous),
    )
    return this.#newest.filter(({ digest }) => !replaced.has(digest))
  }

  byDigest(digest: string): GroupVersion | null {
    return this.#versions.get(digest) ?? null
  }

  /** What is in force of the group that a version was one of; null where nothing of it is here any more. */
  inForce(digest: string): GroupVersion | null {
    const lineage = this.#lineages.get(digest) ?? ""
    return this.heads.find((head) => this.#lineagesOf(head).has(lineage)) ?? null
  }

  #follows(one: GroupVersion): boolean {
    const before = this.#versions.get(one.group.previous ?? "")
    return before?.group.convener === one.origin && before.group.name === one.group.name
  }

  /** The newest word of `member` about the group of this record; null for none. */
  wordOf(member: string, group: Line): "accepted" | "left" | "closed" | null {
    if (this.#closed.has(member)) return "closed"
    const newest = this.#statementsAbout(group).findLast((one) => one.member === member)
    return newest === undefined ? null : newest.isAcceptance ? "accepted" : "left"
  }

  /** Without those who have left by closing; the group itself where nobody has. */
  present(group: Group): Group {
    const members = group.members.filter((member) => !this.#closed.has(member))
    return members.length === group.members.length ? group : { ...group, members }
  }

  /** Who has ever said a word about the group of this record. */
  spokenOf(group: Line): readonly string[] {
    return [...new Set(this.#statementsAbout(group).map(({ member }) => member))]
  }

  #statementsAbout(group: Line): readonly Statement[] {
    const lineages = this.#lineagesOf(group)
    return this.#statements.filter(({ of }) => lineages.has(this.#lineages.get(of) ?? ""))
  }

  #lineagesOf(group: Line): ReadonlySet<string> {
    const found = new Set([lineageOf(group)])
    let { previous } = group.group
    while (previous !== null) {
      const lineage = this.#lineages.get(previous)
      if (lineage !== undefined) found.add(lineage)
      previous = this.#versions.get(previous)?.group.previous ?? null
    }
    return found
  }

  /**
   * Whether this version may be kept, or, of ours, released: it follows from the one before it, and lists
   * nobody against their word.
   *
   * @throws `group.malformed`, `group.succession`, `group.unaccepted`
   */
  verify(record: ComityRecord): void {
    const { origin, id } = record
    const group = groupOf(record)
    const before = this.#versions.get(group.previous ?? "") ?? null
    if (before !== null) verifySuccession(before.group, group, origin)
    const last = this.#newest.find((one) => one.origin === origin && one.id === id)
    // Whoever passed convening on, and is silent about that, convenes no more.
    if (last !== undefined && last.group.convener !== origin && last.version < record.version)
      throw new ProtocolError("group.succession")
    const isOurs = origin === this.#self
    for (const member of group.members) {
      // Of others' words a recipient knows nothing: it answers for itself.
      if (member === origin || (!isOurs && member !== this.#self)) continue
      const word = this.wordOf(member, { origin, id, group })
      // Whoever convenes after another has the list from it, not the acceptances; and a former convener
      // is in it by its own hand.
      const isInherited =
        word === null &&
        this.#wasListed(group, member, isOurs ? (by) => by !== origin : (by) => by === member)
      if (word !== "accepted" && !isInherited)
        throw new ProtocolError("group.unaccepted", { detail: member.slice(0, 12) })
    }
  }

  /** Whether a version before this one, by such a convener, lists the member. */
  #wasListed({ previous }: Group, member: string, isSuch: (origin: string) => boolean): boolean {
    const before = this.#versions.get(previous ?? "")
    if (before === undefined) return false
    const isIn = isSuch(before.origin) && before.group.members.includes(member)
    return isIn || this.#wasListed(before.group, member, isSuch)
  }
}

/** What a word about a group is about. */
type Line = Pick<GroupVersion, "origin" | "id" | "group">

function lineageOf({ origin, id }: { readonly origin: string; readonly id: string }): string {
  return `${origin} ${id}`
}

const groupKinds = ["group", "group-acceptance", "group-departure"] as const

/** @param db that of the caller's transaction, inside of one */
export async function groupsKnown(context: Context, db: Db = context.db): Promise<Groups> {
  const rows = await recordsWithContent(db)
    .select([
      "record.origin",
      "record.id",
      "record.version",
      "record.digest",
      "content.rid",
      "content.bytes",
    ])
    .where(ofLiaison)
    .where("record.kind", "in", groupKinds)
    .orderBy("content.rid")
    .execute()
  const facts = await liveFactsOf({ ...context, db }, rows)
  const versions: GroupVersion[] = []
  const statements: Statement[] = []
  const lineages = new Map<string, string>()
  for (const { rid: _rid, bytes, ...reference } of rows) {
    const { origin, digest } = reference
    lineages.set(digest, lineageOf(reference))
    const standing = facts.get(nameOfReference(reference))?.[0]?.standing
    if (bytes === null || (standing !== "verified" && standing !== "pending")) continue
    const record = decodeRecord(new Uint8Array(bytes))
    if (record.kind === "group") versions.push({ ...reference, group: groupOf(record), record })
    else
      statements.push({
        member: origin,
        of: namedGroup(record),
        isAcceptance: record.kind === "group-acceptance",
      })
  }
  const named = versions.flatMap(({ group }) => group.members)
  const closed = await closedAmong(db, [...named, ...statements.map(({ member }) => member)])
  return new Groups(context.self.id, versions, lineages, statements, closed)
}

async function closedAmong(db: Db, members: readonly string[]): Promise<ReadonlySet<string>> {
  const closed = new Set<string>()
  for (const id of new Set(members)) {
    const member = await memberById(db, id)
    if (member !== null && newestRoot(member).payload.closing !== undefined) closed.add(id)
  }
  return closed
}

/**
 * A group by `@name`, or, where several conveners use one name, `@convener/name`.
 *
 * @throws `group.unknown`, `group.ambiguous`
 */
export async function findGroup(context: Context, wanted: string): Promise<GroupVersion> {
  const [, peer, name] = /^@?(?:([^/]+)\/)?([^/]+)$/.exec(wanted) ?? []
  const { heads } = await groupsKnown(context)
  const convener = peer === undefined ? null : await memberOf(context, peer)
  const named = heads.filter(
    ({ group }) => group.name === name && (convener === null || group.convener === convener),
  )
  const [found, other] = named
  if (found === undefined)
    throw new NodeError("group.unknown", `No group is called ${JSON.stringify(wanted)}.`, {
      hint: "comity group list shows those that are known here.",
    })
  if (other !== undefined) {
    const names = await Promise.all(
      named.map(async ({ group }) => `@${await nameOf(context, group.convener)}/${group.name}`),
    )
    throw new NodeError("group.ambiguous", `Several groups are called ${name}.`, {
      hint: `Say which: ${names.join(", ")}.`,
    })
  }
  return found
}

async function memberOf(context: Context, name: string): Promise<string> {
  if (name === (await nameOf(context, context.self.id))) return context.self.id
  return (await findPeer(context, name)).member
}

export function isGroup({ kind, profile }: Pick<ComityRecord, "kind" | "profile">): boolean {
  return profile.id === "liaison" && kind === "group"
}

/** For a record that is a version of a group; every other passes. @throws as Groups.verify */
export async function verifyGroup(context: Context, db: Db, record: ComityRecord): Promise<void> {
  if (!isGroup(record)) return
  const groups = await groupsKnown(context, db)
  groups.verify(record)
}
