import type { Random } from "../random.ts"

/** Stands in every text of the simulation and nowhere else: where it is seen, plaintext is seen. */
export const canary = "zyqxcanary"

/** A text with a mark of its own, in one of three lengths and under one of two profiles. */
export function writeText(random: Random): { readonly mark: string; readonly source: string } {
  const mark = `${canary}${random.next().toString(36)}${random.next().toString(36)}`
  const words = Array.from({ length: random.pick([5, 40, 900]) }, () => random.pick(vocabulary))
  const body = `What is done, ${mark}: ${words.join(" ")}.`
  const isIppas = random.chance(0.25)
  const lines = isIppas
    ? [
        "profile: ippas",
        "kind: good-practice",
        "areas: [FP-I]",
        "basis: A rule that asks for it.",
        "whyBetter: No area is entered by one person alone.",
      ]
    : []
  const matter = [`title: Practice ${mark}`, "language: en", ...lines].join("\n")
  return { mark, source: `---\n${matter}\n---\n${body}\n` }
}

const vocabulary = [
  ...["second", "office", "follows", "every", "finding", "without", "delay", "and", "reports"],
  ...["inspectors", "compare", "seals", "before", "movement", "of", "material", "with", "records"],
]
