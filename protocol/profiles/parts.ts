import type { Act } from "../member/policy.ts"
import { isAtMost, type Marking, markings } from "../record/marking.ts"
import { type Audience, readers } from "./audience.ts"
import type { ConsentRule } from "./consent.ts"
import type { NamingRule } from "./naming.ts"
import type { KindRule, SignoffLine } from "./profile.ts"

/** What mechanisms have in common: the words that their files of data are written in. */

/** One name for one thing in every mechanism, so that readers compare across them. */
const fieldTitles: { readonly [name: string]: string } = {
  access: "Limits of access",
  actions: "Actions",
  agreement: "Agreement of the host that this rests on, by its digest",
  answers: "Answers",
  applicability: "Why it would serve others with programmes like this",
  assistance: "What the donor says: considered, declined, offered, provided",
  audited: "Audited State, by its id",
  authority: "Authority that is named",
  basis: "Requirement or recommendation that it rests on or goes beyond",
  benefit: "Evidence of benefit",
  cause: "Cause",
  channel: "How to reach the role: no person is named",
  citation: "Law or regulation, as it is cited",
  cluster: "Cluster of articles",
  concerned: "State concerned, by its id",
  confidentiality: "Rules of confidentiality",
  consentRef: "Digest of the order by which the origin agreed",
  consequence: "Consequence",
  contribution: "Why it contributes significantly",
  dates: "Dates",
  donors: "Donors that are asked, by their ids",
  due: "Day by which it is done",
  event: "Event",
  evidenceRef: "Where the evidence is kept",
  facility: "Facility that is named",
  facts: "Facts",
  findings: "Findings in number and kind",
  group: "Members of the country group, by their ids",
  host: "Host, by its id",
  indicator: "Indicator",
  inForceFrom: "Day from which it is in force",
  instrument: "Instrument",
  lesson: "What was learnt",
  limits: "Limits and risks",
  memorandum: "Memorandum that this rests on, by its digest",
  mission: "Mission",
  new: "Why it is new or revised",
  note: "Note verbale",
  notWidespread: "Why it is not widely done elsewhere",
  observation: "What was observed",
  outcome: "Outcome",
  owner: "Role that answers for it",
  parties: "States that agreed, by their ids",
  party: "Who should act, by role",
  period: "Period that is reported on",
  plan: "Plan",
  problem: "Problem",
  proven: "Where it is tried and proven",
  rating: "Rating",
  reference: "Reference",
  region: "Region whose scale is used",
  replicability: "What others need to do likewise",
  reviewers: "Reviewing States, by their ids",
  role: "Role",
  scope: "Modules and scope",
  service: "Service",
  significance: "Significance",
  since: "Year since which it is in use",
  source: "Public source",
  status: "Status",
  system: "System or component",
  team: "Team, by number and field of expertise",
  themes: "Themes",
  toState: "State that is asked",
  topic: "Topic",
  value: "Value",
  whyBetter: "Why it is better than what is usual",
  withheld: "How many parts are withheld",
  year: "Year",
}

/** The fields that these kinds ask for or take, under their common titles. */
export function fieldsOf(kinds: { readonly [kind: string]: KindRule }): {
  readonly [name: string]: string
} {
  const names = Object.values(kinds).flatMap(({ optional, required }) => [...optional, ...required])
  return Object.fromEntries([...new Set(names)].sort().map((name) => [name, titleOf(name)]))
}

function titleOf(name: string): string {
  const title = fieldTitles[name]
  if (title === undefined) throw new RangeError(`no title for field ${name}`)
  return title
}

/** A kind of record; what is not said is not asked. */
export function kind(
  title: string,
  rule: Partial<Omit<KindRule, "title">> & Pick<KindRule, "marking">,
): KindRule {
  const { optional = [], required = [], ...rest } = rule
  return { areas: 0, ...rest, optional: optional.toSorted(), required: required.toSorted(), title }
}

/** From the floor, the widest that a release may reach, to the ceiling, the narrowest. */
export function marked(
  byDefault: Marking,
  floor: Marking = "TLP:CLEAR",
  ceiling: Marking = "TLP:RED",
): KindRule["marking"] {
  const allowed = markings.filter((one) => isAtMost(floor, one) && isAtMost(one, ceiling))
  return { allowed: allowed.toSorted(), default: byDefault }
}

const toAll = { members: "named", network: "named", public: "named" } as const
const toNobody = { members: "never", network: "never", public: "never" } as const
const notInPublic = { members: "named", network: "named", public: "anonymous" } as const
const toMembersOnly = { members: "named", network: "anonymous", public: "anonymous" } as const
/** Named where the origin speaks for itself, to one member or to everybody; passed on without a name. */
const byItsOrigin = { members: "named", network: "anonymous", public: "named" } as const

export const naming = {
  open: { facility: toAll, person: toNobody, state: toAll },
  stateOnly: { facility: toNobody, person: toNobody, state: toAll },
  byOrigin: { facility: byItsOrigin, person: toNobody, state: byItsOrigin },
  stateByOrigin: { facility: toNobody, person: toNobody, state: byItsOrigin },
  toParties: { facility: notInPublic, person: toNobody, state: notInPublic },
  facilityToMembers: { facility: toMembersOnly, person: toNobody, state: toAll },
  nobody: { facility: toNobody, person: toNobody, state: toNobody },
} as const satisfies { readonly [name: string]: NamingRule }

const members = readers.filter((one) => one !== "public")
const states = ["secretariat", "state", "team"] as const
export const audience = {
  /** stays with its host until it decides otherwise, then as far as it likes */
  hostThenAnyone: { ceiling: readers, default: [] },
  hostThenMembers: { ceiling: members, default: [] },
  hostThenStates: { ceiling: states, default: [] },
  anyone: { ceiling: readers, default: members },
  members: { ceiling: members, default: members },
  states: { ceiling: states, default: states },
  statesThenAnyone: { ceiling: readers, default: states },
  industry: {
    ceiling: ["operator", "secretariat", "team"],
    default: ["operator", "secretariat", "team"],
  },
  industryThenStates: { ceiling: ["operator", ...states], default: [] },
  industryOnRequest: { ceiling: ["operator", "secretariat", "team"], default: [] },
} as const satisfies { readonly [name: string]: Audience }

/** One person in this role signs records of each of these kinds. */
export function signedBy(
  role: string,
  kinds: readonly string[] = ["any"],
  more: Partial<Pick<SignoffLine, "when">> & { readonly act?: Act } = {},
): readonly SignoffLine[] {
  const { act = "release", ...rest } = more
  return kinds.map((name) => ({ act, kind: name, persons: 1, role, ...rest }))
}

/** Who else agrees before records of these kinds go to anyone else. */
export function agreedBy(
  kinds: readonly string[],
  rule: Omit<ConsentRule, "kind">,
): readonly ConsentRule[] {
  return kinds.map((name) => ({ ...rule, kind: name }))
}

/** As every report of the regulatory review says of its own numbers. */
export const noComparison = {
  disclaimer:
    "The number of findings does not measure anyone's status; comparison between States should not be attempted.",
  rule: "forbidden",
} as const

export const principles = {
  "FP-A": "Responsibility of the State",
  "FP-B": "Responsibilities during international transport",
  "FP-C": "Legislative and regulatory framework",
  "FP-D": "Competent authority",
  "FP-E": "Responsibility of the licence holders",
  "FP-F": "Security culture",
  "FP-G": "Threat",
  "FP-H": "Graded approach",
  "FP-I": "Defence in depth",
  "FP-J": "Quality assurance",
  "FP-K": "Contingency plans",
  "FP-L": "Confidentiality",
} as const

/** The fundamental principles under the name that other mechanisms find them by. */
export const principlesWalk: { readonly [area: string]: readonly string[] } = Object.fromEntries(
  Object.keys(principles).map((code) => [code, [`CPPNM-A:${code}`]]),
)

export const unLanguages = ["ar", "en", "es", "fr", "ru", "zh"] as const
/** What a finding may add to what it must say. */
export const background = ["mission", "source", "year"] as const
export const closure = [
  "open",
  "in-progress",
  "closed-implemented",
  "closed-superseded",
  "withdrawn",
] as const
/** Those of them after which nothing more is to be said. */
export const closed = ["closed-implemented", "closed-superseded", "withdrawn"] as const
/** What nobody writes into a record of nuclear security, whoever may read it. */
export const securityLint = ["guards", "person", "response"] as const
