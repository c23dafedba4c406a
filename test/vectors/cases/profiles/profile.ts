import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { encodeHex, utf8 } from "../../../../protocol/encoding.ts"
import { dialogue } from "../../../../protocol/profiles/dialogue.ts"
import { general } from "../../../../protocol/profiles/general.ts"
import { prascGeneric } from "../../../../protocol/profiles/prasc-generic.ts"
import {
  checkRecord,
  checkRelease,
  conditionsOf,
  decodeProfile,
  encodeProfile,
  type Judged,
  type Profile,
  profileDigest,
  type Release,
  signoffOf,
} from "../../../../protocol/profiles/profile.ts"
import { builtInProfiles } from "../../../../protocol/profiles/registry.ts"
import type { ComityRecord } from "../../../../protocol/record/record.ts"
import { sampleRecord } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  type Input,
  insist,
  misshapen,
  type Run,
  repeated,
  shown,
  text,
} from "../../format.ts"
import { sampleOf, someMembers } from "./samples.ts"

const run: Run = (input) => {
  const found = bytes(input, "bytes")
  const profile = decodeProfile(found)
  insist(encodeHex(encodeProfile(profile)) === encodeHex(found), "profile.malformed")
  const digest = profileDigest(found)
  if (input.record === undefined) return { digest }
  const record = input.record as Judged & Pick<ComityRecord, "origin">
  checkRecord(profile, record)
  if (input.release !== undefined) checkRelease(profile, record, input.release as Release)
  const conditions = conditionsOf(profile, record, text(input, "recipient"), text(input, "onward"))
  return { digest, conditions, signoff: signoffOf(profile, "release", record.kind) }
}

const small: Profile = {
  areas: { A: "First", B: "Second" },
  fields: { facility: "Facility", source: "Source" },
  id: "small",
  kinds: {
    finding: {
      areas: 1,
      marking: { allowed: ["TLP:AMBER", "TLP:RED"], default: "TLP:RED" },
      optional: ["facility"],
      required: ["source"],
      title: "Finding",
    },
  },
  languages: ["en", "fr"],
  signoff: [
    { act: "release", kind: "any", persons: 1, role: "competentAuthority" },
    {
      act: "release",
      kind: "finding",
      organisations: 2,
      persons: 2,
      role: "any",
      when: "facility",
    },
  ],
  title: "A small mechanism",
  type: "comity/profile/v1",
  version: 1,
}
/** The same with findings that the host and two reviewers agree to. */
const agreed: Profile = {
  ...small,
  consent: [
    { kind: "finding", members: ["host", "reviewers"], mode: "explicit" },
    {
      basis: { field: "agreement", kind: "finding" },
      days: 90,
      kind: "any",
      members: ["host"],
      mode: "tacit",
    },
  ],
  fields: { ...small.fields, agreement: "Agreement", host: "Host", reviewers: "Reviewers" },
  kinds: {
    finding: {
      ...small.kinds.finding!,
      optional: ["agreement", "facility", "host", "reviewers"],
    },
  },
}
const [origin, host, reviewer, other] = ["aa", "bb", "cc", "dd"].map((pair) => pair.repeat(32))
const judged: Judged = {
  areas: ["A"],
  body: "What was found.",
  fields: { source: "https://source.example" },
  kind: "finding",
  language: "en",
  marking: "TLP:AMBER",
}

function form(): Cases["hostile"] {
  const of = "a small one"
  const { kinds, signoff } = small
  const what = (name: string) => ({ what: `${name}: ` })
  return [
    ...misshapen(of, "/bytes", small, "profile.malformed", { optional: ["areas", "languages"] }),
    ...misshapen(of, "/bytes/kinds/finding", kinds.finding!, "profile.malformed", what("kind")),
    ...misshapen(
      of,
      "/bytes/kinds/finding/marking",
      kinds.finding!.marking,
      "profile.malformed",
      what("marking"),
    ),
    ...misshapen(of, "/bytes/signoff/0", signoff[0]!, "profile.malformed", what("sign-off")),
    ...edited(of, "profile.malformed", [
      ["another type", "/bytes/type", "comity/profile/v2"],
      ["version 0", "/bytes/version", 0],
      ["an id in capitals", "/bytes/id", "Small"],
      ["an id of 42 characters", "/bytes/id", "x".repeat(42)],
      ["an empty title", "/bytes/title", ""],
      ["a title of two lines", "/bytes/title", "one\ntwo"],
      ["no kind", "/bytes/kinds", {}],
      ["a kind in capitals", "/bytes/kinds", { Finding: kinds.finding }],
      ["no languages, where there is a list", "/bytes/languages", []],
      ["languages out of order", "/bytes/languages", ["fr", "en"]],
      ["a language not in canonical form", "/bytes/languages", ["EN"]],
      [
        "a default marking that is not allowed",
        "/bytes/kinds/finding/marking/default",
        "TLP:CLEAR",
      ],
      ["markings out of order", "/bytes/kinds/finding/marking/allowed", ["TLP:RED", "TLP:AMBER"]],
      ["no marking", "/bytes/kinds/finding/marking/allowed", []],
      ["a required field that is not defined", "/bytes/kinds/finding/required", ["team"]],
      ["an optional field that is not defined", "/bytes/kinds/finding/optional", ["team"]],
      ["a field both required and optional", "/bytes/kinds/finding/optional", ["source"]],
      ["a required field twice", "/bytes/kinds/finding/required", ["source", "source"]],
      ["a field name in capitals", "/bytes/fields", { Source: "Source", facility: "Facility" }],
      ["more areas than there are", "/bytes/kinds/finding/areas", 3],
      ["an area with a space", "/bytes/areas", { "A 1": "First", B: "Second" }],
      ["a sign-off for a kind that is not defined", "/bytes/signoff/1/kind", "report"],
      ["a sign-off by nobody", "/bytes/signoff/0/persons", 0],
      ["a sign-off for no act", "/bytes/signoff/0/act", "publish"],
      ["a sign-off under no condition", "/bytes/signoff/0/when", "urgent"],
      ["65 lines of sign-off", "/bytes/signoff", Array.from({ length: 65 }, () => signoff[0])],
      ["code for a rule", "/bytes/kinds/finding/check", "return true"],
    ]),
    ...misshapen(
      "consent of others",
      "/bytes/consent/1",
      agreed.consent![1]!,
      "profile.malformed",
      what("consent"),
    ),
    ...edited("consent of others", "profile.malformed", [
      ["no line of consent, where there is a list", "/bytes/consent", []],
      ["consent by nobody", "/bytes/consent/0/members", []],
      ["consent by members out of order", "/bytes/consent/0/members", ["reviewers", "host"]],
      ["consent by a field that is not defined", "/bytes/consent/0/members", ["team"]],
      ["consent to a kind that is not defined", "/bytes/consent/0/kind", "report"],
      ["consent in another mode", "/bytes/consent/0/mode", "silent"],
      ["a tacit consent within no day", "/bytes/consent/1/days", 0],
      ["a tacit consent within 367 days", "/bytes/consent/1/days", 367],
      ["a standing consent with days", "/bytes/consent/1/mode", "standing"],
      ["an explicit consent with a basis", "/bytes/consent/1/mode", "explicit"],
      ["a basis in a field that is not defined", "/bytes/consent/1/basis/field", "memorandum"],
      ["a basis of a kind that is not defined", "/bytes/consent/1/basis/kind", "memorandum"],
    ]),
    [
      "no kind and no sign-off",
      edit(of, ["/bytes/kinds", {}], ["/bytes/signoff", []]),
      "profile.malformed",
    ],
    ["a list", { bytes: shown(utf8("[]")) }, "profile.malformed"],
    ["white space", { bytes: JSON.stringify(small, null, 1) }, "profile.malformed"],
    [
      "one byte more than a profile may have",
      { bytes: repeated("20", 65_537) },
      "profile.malformed",
    ],
  ]
}

function manyMembers(count: number): string {
  return Array.from({ length: count }, (_, i) => (i + 16).toString(16).repeat(32)).join(" ")
}

const mechanisms = builtInProfiles
  .map(({ profile }) => profile)
  .filter(({ category, id }) => category !== undefined || id === "dialogue")

/** What each mechanism is known by not allowing: a record, or a release of one. */
const refused: {
  readonly [id: string]: readonly [name: string, kind: string, pointer: string, value: unknown]
} = {
  cns: [
    "a good practice that is done everywhere",
    "good-practice",
    "/record/fields/notWidespread",
    "No, most do it.",
  ],
  cog: ["an event passed on outside", "event-report", "/release/to", "state"],
  "cppnm-14": ["a point of contact told to everybody", "point-of-contact", "/release/to", "public"],
  dialogue: [
    "an answer told to others than asked",
    "answer",
    "/release/recipient",
    "00".repeat(32),
  ],
  gnssn: [
    "a practice without the consent it rests on",
    "shared-good-practice",
    "/record/fields",
    {},
  ],
  "icao-usap": [
    "an audit report beyond the audited State",
    "audit-report",
    "/release/to",
    "operator",
  ],
  "infcirc-869": [
    "an answer that is not on the checklist",
    "checklist",
    "/record/fields/rating",
    "mostly",
  ],
  inpo: ["a rating under a wider marking", "rating", "/record/marking", "TLP:AMBER"],
  insserv: ["a practice given to everybody", "good-practice", "/release/to", "public"],
  ippas: [
    "a practice passed on under its State's name",
    "good-practice",
    "/release/onward",
    "free",
  ],
  "joint-convention": [
    "a rapporteur's report made public",
    "country-review-report",
    "/release/to",
    "public",
  ],
  osart: [
    "a recommendation that recommends nothing",
    "recommendation",
    "/record/body",
    "All is as it is.",
  ],
  "prasc-generic": ["a self-assessment made public", "self-assessment", "/release/to", "public"],
  uncac: [
    "a report that no reviewing State is named in",
    "country-review-report",
    "/record/fields/reviewers",
    " ",
  ],
  "unscr-1540": ["a report in another language", "national-report", "/record/language", "de"],
  untoc: ["feedback told to everybody", "written-feedback", "/release/to", "public"],
  wano: ["a rating on another region's scale", "rating", "/record/fields/rating", "5"],
  "wins-bilateral": ["a maturity beyond its scale", "maturity", "/record/fields/rating", "6"],
}

function cases(): Cases {
  const at = (profile: Profile, more: Input = {}): Input => ({
    bytes: shown(encodeCanonical(profile)),
    ...more,
  })
  const under = (record: Partial<Judged>, more: Input = {}): Input => ({
    ...edit("a small one"),
    record: { ...judged, ...record },
    recipient: "00".repeat(32),
    onward: "no",
    ...more,
  })
  const asked = (fields: ComityRecord["fields"], recipient = other!): Input => ({
    ...edit("consent of others"),
    record: { ...judged, fields: { ...judged.fields, ...fields }, origin },
    recipient,
    onward: "no",
  })
  const { areas, body, fields, kind, language, marking } = sampleRecord
  const practice = { areas, body, fields, kind, language, marking }
  const named = {
    ...small,
    kinds: { any: { ...small.kinds.finding!, required: ["toString"] } },
    fields: { ...small.fields, toString: "Words" },
    signoff: [],
  }
  const release: Release = {
    from: "state",
    marking: "TLP:RED",
    onward: "no",
    recipient: "00".repeat(32),
    to: null,
  }
  const sample = (profile: Profile, kind: string) => {
    const record = sampleOf(profile, kind)
    // An answer goes to whoever asked, a request for assistance to a donor that it names.
    const recipient = record.fields.donors ?? record.about?.origin ?? release.recipient
    return at(profile, {
      record: record as unknown as Input,
      recipient,
      onward: "no",
      release: { ...release, recipient } as unknown as Input,
    })
  }
  const of = (kind: string) => `dialogue: ${kind}`
  const kindOf = ({ id }: Profile) => refused[id]![1]
  return {
    about:
      "a mechanism's profile and its digest; whether a record keeps to it, the conditions of its rule, and the sign-off that a release asks for",
    valid: [
      ["a small one", at(small)],
      ["general", at(general)],
      ...mechanisms.map(
        (profile) =>
          [`${profile.id}: ${kindOf(profile)}`, sample(profile, kindOf(profile))] as const,
      ),
      [
        "a question about nothing",
        edit(of("answer"), ["/record/kind", "question"], ["/record/about"]),
      ],
      [of("mission-agreement"), sample(dialogue, "mission-agreement")],
      ["prasc-generic: calendar-entry", sample(prascGeneric, "calendar-entry")],
      [of("assistance-request"), sample(dialogue, "assistance-request")],
      [of("assistance-reply"), sample(dialogue, "assistance-reply")],
      ["a request for assistance about nothing", edit(of("assistance-request"), ["/record/about"])],
      ["a record as it should be", under({})],
      ["a facility is named", under({ fields: { ...judged.fields, facility: "Plant 4" } })],
      ["it may travel on", under({}, { onward: "consent" })],
      ["it goes to everybody", under({}, { recipient: "public" })],
      [
        "all conditions",
        under(
          { fields: { ...judged.fields, facility: "Plant 4" } },
          { onward: "inside", recipient: "public" },
        ),
      ],
      ["two areas, another language", under({ areas: ["A", "B"], language: "fr" })],
      ["consent of others", at(agreed)],
      ["others agree", asked({ host: host!, reviewers: `${origin} ${reviewer}` })],
      ["nobody is asked who reads it", asked({ host: host!, reviewers: reviewer! }, reviewer)],
      ["the origin itself is not asked", asked({ host: origin! })],
      ["nobody is named", asked({})],
      ["a basis is named", asked({ agreement: "00".repeat(32), host: host! })],
      [
        "any kind under general",
        at(general, {
          record: { ...practice, fields: {} },
          recipient: "00".repeat(32),
          onward: "no",
        }),
      ],
      [
        "a field by the name of what every object has",
        at(named as never, {
          record: { ...judged, fields: { toString: "in words" } },
          recipient: "public",
          onward: "no",
        }),
      ],
    ],
    hostile: [
      ...form(),
      ...mechanisms.map((profile) => {
        const [what, kind, pointer, value] = refused[profile.id]!
        const of = `${profile.id}: ${kind}`
        return [`${profile.id}: ${what}`, edit(of, [pointer, value]), "profile.violated"] as const
      }),
      ...Object.entries({
        dates: "2027-03-12/2027-03-01",
        host: "the host",
        modules: "1, 2",
        rejected: "R2: a conflict",
        service: someMembers[0],
        team: "Two experts.",
      }).map(
        ([field, text]) =>
          [
            `a mission agreement with such a text: ${field}`,
            edit(of("mission-agreement"), [`/record/fields/${field}`, text]),
            "profile.violated",
          ] as const,
      ),
      ...["March 2027", "2027-03-12/2027-03-01", "2027-02-29/2027-03-01", "2027-03-01"].map(
        (dates) =>
          [
            `an entry in the calendar of missions with such dates: ${dates}`,
            edit("prasc-generic: calendar-entry", ["/record/fields/dates", dates]),
            "profile.violated",
          ] as const,
      ),
      [
        "a final status that is not on the scale",
        edit("unscr-1540: national-report", ["/bytes/followUp/final", ["resolved"]]),
        "profile.malformed",
      ],
      ...Object.entries({
        "nobody is named": " ",
        "two names the wrong way round": someMembers.toReversed().join(" "),
        "a donor twice": `${someMembers[0]} ${someMembers[0]}`,
        "a donor by its name": "XB",
        "65 donors": manyMembers(65),
      }).map(
        ([name, donors]) =>
          [
            `a request for assistance in which ${name}`,
            edit(of("assistance-request"), ["/record/fields/donors", donors]),
            "profile.violated",
          ] as const,
      ),
      [
        "a request for assistance that goes to a donor it does not name",
        edit(of("assistance-request"), ["/release/recipient", someMembers[1]]),
        "profile.violated",
      ],
      [
        "a request for assistance that may travel on",
        edit(of("assistance-request"), ["/release/onward", "consent"]),
        "profile.violated",
      ],
      [
        "a reply to a request for assistance that goes to another",
        edit(of("assistance-reply"), ["/release/recipient", someMembers[0]]),
        "profile.violated",
      ],
      [
        "a reply to a request for assistance that may travel on",
        edit(of("assistance-reply"), ["/release/onward", "free"]),
        "profile.violated",
      ],
      [
        "a reply to a request for assistance in other words",
        edit(of("assistance-reply"), ["/record/fields/assistance", "accepted"]),
        "profile.violated",
      ],
      [
        "a reply to no request for assistance",
        edit(of("assistance-reply"), ["/record/about"]),
        "profile.violated",
      ],
      ["an answer to nothing", edit(of("answer"), ["/record/about"]), "profile.violated"],
      [
        "an answer that adopts",
        edit(of("answer"), ["/record/about/relation", "adopts"]),
        "profile.violated",
      ],
      [
        "an answer that may travel on",
        edit(of("answer"), ["/release/onward", "consent"]),
        "profile.violated",
      ],
      [
        "a translation of another member's record, told to a third",
        edit(of("answer"), [
          "/record/translationOf",
          {
            digest: "00".repeat(32),
            id: "00".repeat(16),
            origin: "00".repeat(32),
            status: "courtesy",
            version: 1,
          },
        ]),
        "profile.violated",
      ],
      ["a kind that it does not know", under({ kind: "report" }), "profile.violated"],
      [
        "a kind by the name of what every object has",
        under({ kind: "constructor" }),
        "profile.violated",
      ],
      ["no body", under({ body: "" }), "profile.violated"],
      ["a body of white space", under({ body: " \n\t" }), "profile.violated"],
      ["another language", under({ language: "de" }), "profile.violated"],
      ["a marking that is not allowed", under({ marking: "TLP:CLEAR" }), "profile.violated"],
      ["an area that it does not know", under({ areas: ["C"] }), "profile.violated"],
      ["no area", under({ areas: [] }), "profile.violated"],
      ["a required field is missing", under({ fields: {} }), "profile.violated"],
      ["a required field is white space", under({ fields: { source: " " } }), "profile.violated"],
      [
        "a field that the kind does not have",
        under({ fields: { ...judged.fields, colour: "red" } }),
        "profile.violated",
      ],
      ["members named by their state", asked({ host: "xb" }), "profile.violated"],
      ["members out of order", asked({ host: `${host} ${origin}` }), "profile.violated"],
      ["a member twice", asked({ host: `${host} ${host}` }), "profile.violated"],
      ["two blanks between members", asked({ host: `${host}  ${other}` }), "profile.violated"],
      [
        "17 members",
        asked({
          host: Array.from({ length: 17 }, (_, i) => (i + 16).toString(16).repeat(32)).join(" "),
        }),
        "profile.violated",
      ],
      ["a basis by its title", asked({ agreement: "the agreement" }), "profile.violated"],
      [
        "a missing field by the name of what every object has",
        at(named as never, {
          record: { ...judged, fields: {} },
          recipient: "public",
          onward: "no",
        }),
        "profile.violated",
      ],
    ],
  }
}

export const profile: Format = { run, cases }
