import { digest, hex, integer, object, oneOf, optional, refine, type ShapeOf } from "../shape.ts"

/** What one record is to another, a closed vocabulary. docs/spec/record.md */
export const relations = [
  "adopts",
  "agrees",
  "answers",
  "asks",
  "follows-up",
  "replies",
  "requests",
  "reserves",
  "responds",
] as const
export type Relation = (typeof relations)[number]
export type LinkRelation = Relation | "translates"

/** Who answers for a translation: its origin as for the original, as a courtesy, or nobody but a machine. */
export const translationStatuses = ["courtesy", "machine", "official"] as const
export type TranslationStatus = (typeof translationStatuses)[number]

const id = hex(16)
const version = integer(1, 1_000_000)

/** The record that this one speaks of: one version by its digest, or, without both, whatever its version. */
export const aboutShape = refine(
  object({
    digest: optional(digest),
    id,
    origin: digest,
    relation: oneOf(relations),
    version: optional(version),
  }),
  ({ digest, version }) => (digest === undefined) === (version === undefined),
)
export type About = ShapeOf<typeof aboutShape>

export const translationShape = object({
  digest,
  id,
  origin: digest,
  status: oneOf(translationStatuses),
  version,
})
export type Translation = ShapeOf<typeof translationShape>
