import { oneOf, type Shape } from "../shape.ts"

/** Traffic Light Protocol 2.0 (FIRST), from the widest circle to the narrowest. docs/spec/record.md */
export const markings = [
  "TLP:CLEAR",
  "TLP:GREEN",
  "TLP:AMBER",
  "TLP:AMBER+STRICT",
  "TLP:RED",
] as const

export type Marking = (typeof markings)[number]

/** One of the five markings: a closed vocabulary, so that a ceiling can be computed. PROTOCOL.md §2 */
export const markingShape: Shape<Marking> = oneOf(markings)

/** Negative when `a` may travel further than `b`, positive when less far, 0 when they are equal. */
export function compareMarking(a: Marking, b: Marking): number {
  return markings.indexOf(a) - markings.indexOf(b)
}

/** Whether a node with this ceiling may hold the marking: PROTOCOL.md §1, `ceiling`. */
export function isAtMost(marking: Marking, ceiling: Marking): boolean {
  return compareMarking(marking, ceiling) <= 0
}
