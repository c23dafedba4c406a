import { describe, expect, test } from "vitest"
import { utf8 } from "../../../protocol/encoding.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { isAuthorised, type PolicyLine } from "../../../protocol/member/policy.ts"
import { general } from "../../../protocol/profiles/general.ts"
import { ippas } from "../../../protocol/profiles/ippas.ts"
import {
  checkRecord,
  conditionsOf,
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
    "%s is found by id and by digest",
    (id, built) => {
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
    expect(conditionsOf({ fields }, "public", "free")).toEqual(["facility", "onward", "public"])
    expect(conditionsOf({ fields: {} }, "ab".repeat(32), "consent")).toEqual(["onward"])
    expect(conditionsOf({ fields: {} }, "ab".repeat(32), "no")).toEqual([])
  })
})
