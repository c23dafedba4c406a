import { ProtocolError } from "../errors.ts"
import { decodeShape, digest, object, optional, sortedSet, text } from "../shape.ts"
import type { ComityRecord } from "./record.ts"

/** Members of one group: more would not fit into a field. */
export const groupMembers = 250

export const groupNameShape = text({ min: 1, max: 32, pattern: /^[a-z][a-z0-9-]*$/ })

const groupShape = object({
  convener: digest,
  members: sortedSet(digest, groupMembers),
  name: groupNameShape,
  previous: optional(digest),
})

/** A version of a named list of members, as its convener's officers released it. docs/spec/group.md */
export type Group = {
  readonly name: string
  /** member ids, ascending */
  readonly members: readonly string[]
  /** who issues the next version: the record's origin, unless convening passes on */
  readonly convener: string
  /** digest of the version before; null for the first */
  readonly previous: string | null
}

/** @throws `group.malformed` */
export function groupOf(record: Pick<ComityRecord, "fields" | "origin" | "version">): Group {
  const { fields, origin, version } = record
  const { members, ...named } = fields
  const value = { ...named, members: (members ?? "").split("\n") }
  const { previous, ...group } = decodeShape(groupShape, value, "group.malformed")
  // Convening passes to a member of the group, so to one whose officers have accepted.
  if (group.convener !== origin && !group.members.includes(group.convener))
    throw new ProtocolError("group.malformed", { detail: "convener" })
  if (version > 1 && previous === undefined)
    throw new ProtocolError("group.malformed", { detail: "previous" })
  return { ...group, previous: previous ?? null }
}

/** The version of a group that an acceptance or a departure names. @throws `group.malformed` */
export function namedGroup({ fields }: Pick<ComityRecord, "fields">): string {
  return decodeShape(object({ group: digest }), { ...fields }, "group.malformed").group
}

/** The fields of its record. */
export function groupFields({ name, members, convener, previous }: Group): ComityRecord["fields"] {
  return {
    convener,
    members: members.toSorted().join("\n"),
    name,
    ...(previous === null ? {} : { previous }),
  }
}

/**
 * Whether `next`, which `origin` issued, may follow `before`: from the convener that `before` names, under
 * the same name.
 *
 * @throws `group.succession`
 */
export function verifySuccession(before: Group, next: Group, origin: string): void {
  if (before.convener !== origin || before.name !== next.name)
    throw new ProtocolError("group.succession")
}
