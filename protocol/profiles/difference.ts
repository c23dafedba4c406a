import { encodeCanonical } from "../canonical.ts"
import { decodeUtf8 } from "../encoding.ts"
import { readers } from "./audience.ts"
import type { namings } from "./naming.ts"
import type { KindRule, Profile } from "./profile.ts"

/** What one profile asks more or less than another; `other` where neither can be said. */
export type Difference = {
  readonly what: string
  readonly is: "looser" | "stricter" | "other"
}

/**
 * How `b` differs from `a`. A member may adopt a profile of its own that is stricter than the one it goes
 * by, never one that is looser. docs/mechanisms.md
 */
export function differences(a: Profile, b: Profile): readonly Difference[] {
  const found: Difference[] = []
  const say = (is: Difference["is"], what: string) => void found.push({ what, is })
  /** Of what is asked: more is stricter. */
  const asked = (what: string, before: readonly string[], after: readonly string[]) => {
    for (const one of after) if (!before.includes(one)) say("stricter", `${what}: adds ${one}`)
    for (const one of before) if (!after.includes(one)) say("looser", `${what}: drops ${one}`)
  }
  /** Of what is allowed: more is looser. */
  const allowed = (what: string, before: readonly string[], after: readonly string[]) => {
    for (const one of after) if (!before.includes(one)) say("looser", `${what}: adds ${one}`)
    for (const one of before) if (!after.includes(one)) say("stricter", `${what}: drops ${one}`)
  }
  const rank = (what: string, before: number, after: number) => {
    if (before !== after) say(after > before ? "stricter" : "looser", what)
  }

  allowed("kinds", Object.keys(a.kinds), Object.keys(b.kinds))
  for (const [name, before] of Object.entries(a.kinds)) {
    const after = Object.hasOwn(b.kinds, name) ? b.kinds[name] : undefined
    if (after !== undefined) compareKinds(name, before, after, { asked, allowed, rank })
  }
  asked("sign-off", lines(a.signoff), lines(b.signoff))
  asked("mission agreement", a.agreement ?? [], b.agreement ?? [])
  asked("consent", lines(a.consent ?? []), lines(b.consent ?? []))
  allowed("onward", a.onward ?? anyOnward, b.onward ?? anyOnward)
  asked("lint", a.lint ?? [], b.lint ?? [])
  allowed("reasons to withhold", a.redaction ?? [], b.redaction ?? [])
  rank("mark of one's own", Number(a.localMark === true), Number(b.localMark === true))
  rank("sealed rating", Number(a.rating?.sealed === true), Number(b.rating?.sealed === true))
  rank("comparison", comparing(a), comparing(b))
  if (a.languages === undefined || b.languages === undefined)
    rank("languages", Number(a.languages !== undefined), Number(b.languages !== undefined))
  else allowed("languages", a.languages, b.languages)
  if (a.areas === undefined || b.areas === undefined)
    rank("areas", Number(a.areas !== undefined), Number(b.areas !== undefined))
  else allowed("areas", Object.keys(a.areas), Object.keys(b.areas))
  for (const name of asIs)
    if (JSON.stringify(a[name]) !== JSON.stringify(b[name])) say("other", name)
  return found
}

const anyOnward = ["consent", "free", "inside"]
/** What says how things are done, and neither asks nor allows. */
const asIs = [
  ...[
    "assignment",
    "category",
    "crossWalk",
    "deadlines",
    "fields",
    "followUp",
    "id",
    "instruments",
  ],
  ...["lifecycle", "questions", "recalled", "steward", "title", "version"],
] as (keyof Profile)[]

type Comparers = {
  asked(what: string, before: readonly string[], after: readonly string[]): void
  allowed(what: string, before: readonly string[], after: readonly string[]): void
  rank(what: string, before: number, after: number): void
}

function compareKinds(
  name: string,
  a: KindRule,
  b: KindRule,
  { asked, allowed, rank }: Comparers,
): void {
  asked(`${name}, required`, a.required, b.required)
  const fields = ({ optional, required }: KindRule) => [...optional, ...required]
  // What has become required is asked for already.
  allowed(
    `${name}, fields`,
    fields(a),
    fields(b).filter((field) => !b.required.includes(field) || fields(a).includes(field)),
  )
  asked(`${name}, tests`, a.tests ?? [], b.tests ?? [])
  asked(`${name}, text`, a.textRules ?? [], b.textRules ?? [])
  allowed(`${name}, marking`, a.marking.allowed, b.marking.allowed)
  rank(`${name}, areas`, a.areas, b.areas)
  const audience = (rule: KindRule) => rule.audience ?? { ceiling: readers, default: readers }
  allowed(`${name}, audience`, audience(a).ceiling, audience(b).ceiling)
  allowed(`${name}, audience by default`, audience(a).default, audience(b).default)
  for (const named of ["facility", "person", "state"] as const)
    for (const to of ["members", "network", "public"] as const) {
      const degree = (rule: KindRule) => degrees.indexOf(rule.naming?.[named][to] ?? "named")
      rank(`${name}, ${named} named to ${to}`, degree(a), degree(b))
    }
}

const degrees: readonly (typeof namings)[number][] = ["named", "anonymous", "never"]

function lines(all: readonly object[]): readonly string[] {
  return all.map((line) => decodeUtf8(encodeCanonical(line)))
}

/** Not at all counts more than among many. */
function comparing({ comparison }: Profile): number {
  if (comparison === undefined) return 0
  return comparison.rule === "forbidden" ? Number.MAX_SAFE_INTEGER : (comparison.k ?? 0)
}
