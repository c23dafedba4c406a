import { ProtocolError } from "../errors.ts"
import { kindShape } from "../member/policy.ts"
import { decodeShape, list, object, optional, refine, type Shape, text } from "../shape.ts"
import { isLanguage } from "../time.ts"
import { textLine } from "./plain-text.ts"
import type { ComityRecord } from "./record.ts"

const lines = (element: Shape<string>) => optional(list(element, { min: 1, max: 64 }))

const interestShape = object({
  kinds: lines(kindShape),
  languages: lines(refine(text({ min: 2, max: 35 }), isLanguage)),
  mechanisms: lines(kindShape),
  words: optional(textLine({ min: 1, max: 256 })),
})

/**
 * What a member looks for: a record meets it that has one of each list and every word. A list that is
 * empty asks for nothing. docs/spec/interest.md
 */
export type Interest = {
  readonly mechanisms: readonly string[]
  readonly areas: readonly string[]
  readonly kinds: readonly string[]
  readonly languages: readonly string[]
  /** as typed; empty for none */
  readonly words: string
}

/** Of an interest or a request. @throws `interest.malformed` for one that says nothing */
export function interestOf(record: Pick<ComityRecord, "fields" | "areas" | "kind">): Interest {
  const { words, ...lists } = record.fields
  const split = Object.entries(lists).map(([name, text]) => [name, text.split("\n")] as const)
  const value = { ...Object.fromEntries(split), ...(words === undefined ? {} : { words }) }
  const found = decodeShape(interestShape, value, "interest.malformed")
  const interest = {
    mechanisms: found.mechanisms ?? [],
    areas: record.areas,
    kinds: found.kinds ?? [],
    languages: found.languages ?? [],
    words: found.words ?? "",
  }
  // A request asks in its own words; an interest in everything is none.
  if (record.kind === "interest" && isEmptyInterest(interest))
    throw new ProtocolError("interest.malformed")
  return interest
}

/** Looks for nothing that a record could be compared with. */
export function isEmptyInterest({ mechanisms, areas, kinds, languages, words }: Interest): boolean {
  return [mechanisms, areas, kinds, languages].every(({ length }) => length === 0) && words === ""
}

/** The fields of its record; `areas` are the record's own. */
export function interestFields(interest: Interest): ComityRecord["fields"] {
  const { kinds, languages, mechanisms, words } = interest
  const lists = Object.entries({ kinds, languages, mechanisms })
    .filter(([, list]) => list.length > 0)
    .map(([name, list]) => [name, list.join("\n")] as const)
  return { ...Object.fromEntries(lists), ...(words === "" ? {} : { words }) }
}
