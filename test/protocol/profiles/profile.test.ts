import { describe, expect, test } from "vitest"
import { utf8 } from "../../../protocol/encoding.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { isAuthorised, type PolicyLine } from "../../../protocol/member/policy.ts"
import type { ConsentRule } from "../../../protocol/profiles/consent.ts"
import { general } from "../../../protocol/profiles/general.ts"
import { ippas } from "../../../protocol/profiles/ippas.ts"
import {
  checkRecord,
  conditionsOf,
  consentRulesOf,
  decodeProfile,
  encodeProfile,
  findViolations,
  type Judged,
  type Profile,
  profileBytes,
  profileDigest,
  signoffOf,
} from "../../../protocol/profiles/profile.ts"
import {
  builtInProfiles,
  findProfile,
  findProfileById,
} from "../../../protocol/profiles/registry.ts"
import type { ComityRecord } from "../../../protocol/record/record.ts"

const practice: Judged = {
  areas: ["M2"],
  body: "What is done.",
  fields: { basis: "NSS 13, para 3.26", whyBetter: "It is followed up by somebody else." },
  kind: "good-practice",
  language: "en",
  marking: "TLP:AMBER+STRICT",
}

function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error("nothing was refused")
}

describe("bytes of a profile", () => {
  test("one profile has one digest, whoever writes it", () => {
    const { fields, ...rest } = ippas
    const shuffled = { ...rest, fields }
    expect(encodeProfile(shuffled)).toEqual(encodeProfile(ippas))
    expect(decodeProfile(encodeProfile(ippas))).toEqual(ippas)
  })

  test.each(builtInProfiles.map((built) => [built.profile.id, built] as const))(
    "%s is well formed, and found by id and by digest",
    (id, built) => {
      expect(built.bytes).toEqual(encodeProfile(built.profile))
      expect(built.digest).toBe(profileDigest(built.bytes))
      expect(findProfileById(id)).toBe(built)
      expect(findProfile(built.digest)).toBe(built)
    },
  )

  test("nothing is found for an unknown id or digest", () => {
    expect(findProfileById("constructor")).toBeNull()
    expect(findProfile("00".repeat(32))).toBeNull()
  })

  test.each<[string, Profile]>([
    ["a required field nobody can write", withKind({ required: ["nowhere"] })],
    ["a field both required and optional", withKind({ optional: ["basis"] })],
    [
      "a default marking that is not allowed",
      withKind({ marking: { allowed: ["TLP:RED"], default: "TLP:CLEAR" } }),
    ],
    ["more areas than there are", withKind({ areas: 60 })],
    [
      "sign-off for a kind that does not exist",
      { ...ippas, signoff: [{ act: "release", kind: "verdict", persons: 1, role: "operator" }] },
    ],
    ["no kind at all", { ...ippas, kinds: {} }],
    ["no language at all", { ...ippas, languages: [] }],
    [
      "code in place of a condition",
      {
        ...ippas,
        signoff: [
          { act: "release", kind: "any", persons: 1, role: "operator", when: "1 == 1" as "public" },
        ],
      },
    ],
  ])("refuses %s", (_name, profile) => {
    expect(refusal(() => encodeProfile(profile)).code).toBe("profile.malformed")
  })

  test("refuses bytes that are not canonical, and more than 64 KiB before parsing them", () => {
    expect(refusal(() => decodeProfile(utf8(JSON.stringify(ippas, null, 1)))).code).toBe(
      "profile.malformed",
    )
    expect(refusal(() => decodeProfile(new Uint8Array(profileBytes + 1))).code).toBe(
      "profile.malformed",
    )
  })

  function withKind(change: Partial<Profile["kinds"][string]>): Profile {
    const kinds = {
      ...ippas.kinds,
      "good-practice": { ...ippas.kinds["good-practice"]!, ...change },
    }
    return { ...ippas, kinds }
  }
})

describe("a record under its profile", () => {
  test.each<[string, Partial<Judged>, string]>([
    ["an unknown kind", { kind: "verdict" }, "kind"],
    ["an area outside the vocabulary", { areas: ["M9"] }, "areas"],
    ["an area named like a member of Object", { areas: ["constructor"] }, "areas"],
    ["no area", { areas: [] }, "areas"],
    ["no basis", { fields: { whyBetter: "…" } }, "basis"],
    ["a basis of blanks", { fields: { basis: " ", whyBetter: "…" } }, "basis"],
    ["a field of another kind", { fields: { ...practice.fields, team: "five" } }, "team"],
    ["an empty body", { body: "\n " }, "body"],
  ])("%s is refused by name", (_name, change, field) => {
    const { code, message } = refusal(() => checkRecord(ippas, { ...practice, ...change }))
    expect(code).toBe("profile.violated")
    expect(message).toMatch(new RegExp(`^profile.violated: ${field}: `))
  })

  test("a marking that the kind does not allow is refused, one that it allows is not", () => {
    const rule = {
      ...ippas.kinds["good-practice"]!,
      marking: { allowed: ["TLP:RED"], default: "TLP:RED" as const },
    }
    const strict: Profile = { ...ippas, kinds: { "good-practice": rule } }
    expect(findViolations(strict, practice).map(({ field }) => field)).toEqual(["marking"])
    expect(findViolations(strict, { ...practice, marking: "TLP:RED" })).toEqual([])
  })

  test("a language outside the list is refused, without a list none is", () => {
    const french = { ...practice, language: "fr" }
    expect(findViolations({ ...ippas, languages: ["en"] }, french)).toHaveLength(1)
    expect(findViolations(ippas, french)).toEqual([])
  })

  test("general takes any kind, but only fields that it knows", () => {
    const record = { ...practice, fields: {}, areas: ["anything"], kind: "adoption" }
    expect(findViolations(general, record)).toEqual([])
    expect(findViolations(general, practice).map(({ field }) => field)).toEqual([
      "basis",
      "whyBetter",
    ])
  })

  test("a refusal never repeats what the record says", () => {
    const { message } = refusal(() => checkRecord(ippas, { ...practice, kind: "secret-name" }))
    expect(message).not.toContain("secret-name")
  })
})

describe("sign-off", () => {
  const policy: readonly PolicyLine[] = [
    { act: "any", kind: "any", persons: 2, profile: "any", role: "any" },
  ]
  const p1 = { organisation: "authority", person: "p1", role: "competentAuthority" }
  const p2 = { organisation: "authority", person: "p2", role: "informationSecurity" }
  const p3 = { organisation: "plant", person: "p3", role: "operator" }

  function authorised(kind: string, conditions: readonly string[], approvals: (typeof p1)[]) {
    const rule = { profile: "00".repeat(32), kind, conditions }
    return isAuthorised(policy, signoffOf(ippas, "release", kind), "release", rule, approvals)
  }

  test("competent authority and information security release a practice, nobody else's two do", () => {
    expect(authorised("good-practice", [], [p1, p2])).toBe(true)
    expect(authorised("good-practice", [], [p1, p3])).toBe(false)
    expect(authorised("good-practice", [], [p1, { ...p1, person: "p4" }])).toBe(false)
  })

  test("a named facility needs its operator as well", () => {
    expect(authorised("good-practice", ["facility"], [p1, p2])).toBe(false)
    expect(authorised("good-practice", ["facility"], [p1, p2, p3])).toBe(true)
  })

  test("a mission report needs the team leader as well", () => {
    expect(authorised("mission-report", [], [p1, p2])).toBe(false)
    const leader = { organisation: "team", person: "p5", role: "teamLeader" }
    expect(authorised("mission-report", [], [p1, p2, leader])).toBe(true)
  })

  test("no profile slows a withdrawal down", () => {
    for (const { profile } of builtInProfiles)
      for (const kind of Object.keys(profile.kinds))
        expect(signoffOf(profile, "withdraw", kind)).toEqual([])
  })

  test("conditions are what record and grant say, sorted", () => {
    const fields: ComityRecord["fields"] = { facility: "Plant A" }
    const record = { fields, kind: "good-practice", origin: "aa".repeat(32) }
    const bare = { ...record, fields: {} }
    const all = ["facility", "onward", "public"]
    expect(conditionsOf(ippas, record, "public", "free")).toEqual(all)
    expect(conditionsOf(ippas, bare, "ab".repeat(32), "consent")).toEqual(["onward"])
    expect(conditionsOf(ippas, bare, "ab".repeat(32), "no")).toEqual([])
  })
})

describe("consent", () => {
  const [a, b, c, d] = ["aa", "bb", "cc", "dd"].map((pair) => pair.repeat(32)) as string[]
  const asking: Profile = {
    ...ippas,
    consent: [
      { kind: "good-practice", members: ["mission", "team"], mode: "explicit" },
      {
        basis: { field: "source", kind: "suggestion" },
        days: 90,
        kind: "mission-report",
        members: ["mission"],
        mode: "tacit",
      },
    ],
    kinds: {
      ...ippas.kinds,
      "good-practice": { ...ippas.kinds["good-practice"]!, optional: ["mission", "team"] },
    },
  }

  function record(fields: ComityRecord["fields"]) {
    return { ...practice, fields: { ...practice.fields, ...fields }, origin: a! }
  }

  test("a release to others than those named is under the condition consent", () => {
    const conditions = (fields: ComityRecord["fields"], recipient: string) =>
      conditionsOf(asking, record(fields), recipient, "no")
    expect(conditions({ mission: b!, team: `${a} ${c}` }, d!)).toEqual(["consent"])
    expect(conditions({ mission: b! }, "public")).toEqual(["consent", "public"])
    expect(conditions({ mission: b!, team: `${a} ${c}` }, c!)).toEqual([])
    // Nobody agrees with himself, and a field that is not there names nobody.
    expect(conditions({ mission: a! }, d!)).toEqual([])
    expect(conditions({}, d!)).toEqual([])
    expect(conditionsOf(ippas, record({ mission: b! }), d!, "no")).toEqual([])
  })

  test("a line binds its own kind only", () => {
    expect(consentRulesOf(asking, "mission-report").map(({ mode }) => mode)).toEqual(["tacit"])
    expect(consentRulesOf(asking, "recommendation")).toEqual([])
  })

  test.each<[string, string]>([
    ["a name", "xb"],
    ["two in the wrong order", `${b} ${a}`],
    ["one twice", `${a} ${a}`],
    ["two blanks", `${a}  ${b}`],
    ["nobody after a blank", `${a} `],
  ])("members are named in one way: not by %s", (_name, mission) => {
    const judged = { ...record({ mission }), kind: "good-practice" }
    expect(findViolations(asking, judged).map(({ field }) => field)).toEqual(["mission"])
    expect(findViolations(ippas, judged)).toEqual([])
  })

  test("at most sixteen members agree to a record", () => {
    const ids = Array.from({ length: 17 }, (_, i) => (i + 16).toString(16).repeat(32))
    expect(findViolations(asking, record({ mission: ids.slice(0, 16).join(" ") }))).toEqual([])
    expect(findViolations(asking, record({ mission: ids.join(" ") }))).toHaveLength(1)
    const split = { mission: ids.slice(0, 9).join(" "), team: ids.slice(9).join(" ") }
    expect(findViolations(asking, record(split))).toHaveLength(1)
  })

  test("a basis is named by the digest of a record", () => {
    const report = (source: string): Judged => ({
      ...practice,
      fields: { dates: "2025", findings: "3", mission: b!, scope: "M1", source, team: "five" },
      kind: "mission-report",
    })
    expect(findViolations(asking, report(c!))).toEqual([])
    expect(findViolations(asking, report("the agreement")).map(({ field }) => field)).toEqual([
      "source",
    ])
  })

  test.each<[string, Partial<ConsentRule>]>([
    ["no members", { members: [] }],
    ["a field nobody can write", { members: ["nowhere"] }],
    ["a kind that does not exist", { kind: "verdict" }],
    ["days without silence", { days: 90 }],
    ["a basis for a signature", { basis: { field: "source", kind: "suggestion" } }],
    ["silence without days", { basis: { field: "source", kind: "suggestion" }, mode: "tacit" }],
    ["silence without a basis", { days: 90, mode: "tacit" }],
    ["a standing consent that stands on nothing", { mode: "standing" }],
    [
      "a basis of a kind that does not exist",
      { basis: { field: "source", kind: "verdict" }, mode: "standing" },
    ],
    [
      "a basis in a field nobody can write",
      { basis: { field: "nowhere", kind: "suggestion" }, mode: "standing" },
    ],
    ["another mode", { mode: "silent" as "tacit" }],
  ])("refuses a line with %s", (_name, change) => {
    const line: ConsentRule = { kind: "good-practice", members: ["mission"], mode: "explicit" }
    const profile = (consent: readonly ConsentRule[]): Profile => ({ ...ippas, consent })
    expect(decodeProfile(encodeProfile(profile([line]))).consent).toEqual([line])
    expect(refusal(() => encodeProfile(profile([{ ...line, ...change }]))).code).toBe(
      "profile.malformed",
    )
  })
})
