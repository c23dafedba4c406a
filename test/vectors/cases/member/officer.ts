import { type Officer, officerDigest } from "../../../../protocol/member/officer.ts"
import { officer as officerOf } from "../../../support/world.ts"
import { a } from "../../cast.ts"
import type { Cases, Format, Run } from "../../format.ts"

const run: Run = (input) => ({ digest: officerDigest(input.officer as Officer) })

function cases(): Cases {
  const one = (person: string) => {
    const { key: k, organisation, roles, salt } = officerOf(a, person)
    return { officer: { key: k, organisation, person, roles, salt } }
  }
  return {
    about: "what a root document lists of an officer",
    valid: ["p1", "p2", "p3"].map((person) => [person, one(person)] as const),
    hostile: [],
  }
}

export const officer: Format = { run, cases }
