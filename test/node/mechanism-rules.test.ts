import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { printRecords } from "../../cli/commands/records.ts"
import { createOutput } from "../../cli/output.ts"
import { reviewProfile } from "../../node/authority/profiles.ts"
import { parseDraft } from "../../node/order/draft.ts"
import { lintRules } from "../../node/order/lint-rules.ts"
import { statesNamed, tracesIn } from "../../node/order/state-names.ts"
import { indexRecords, searchContent, unindexRecord } from "../../node/reading/search.ts"
import { trends } from "../../node/reading/trends.ts"
import { insertContents } from "../../node/store/queries/contents.ts"
import { conditions, isAuthorised, personsNeeded } from "../../protocol/member/policy.ts"
import { type Reader, readers } from "../../protocol/profiles/audience.ts"
import { memberFields } from "../../protocol/profiles/consent.ts"
import {
  conditionsOf,
  consentRulesOf,
  encodeProfile,
  findViolations,
  type KindRule,
  type Profile,
  releaseViolations,
  signoffOf,
} from "../../protocol/profiles/profile.ts"
import { hasSealedRating } from "../../protocol/profiles/rating.ts"
import { bringProfile, builtInProfiles, findProfile } from "../../protocol/profiles/registry.ts"
import { compareMarking, markings } from "../../protocol/record/marking.ts"
import { type ComityRecord, encodeRecord } from "../../protocol/record/record.ts"
import { type Agreed, verifyAgreed } from "../../protocol/release/consent.ts"
import { network } from "../support/network.ts"
import { sampleOf, someMembers } from "../vectors/cases/profiles/samples.ts"

/** What holds under every mechanism, whatever its own rules are. */

const mechanisms = builtInProfiles
  .map(({ profile }) => profile)
  .filter(({ category }) => category !== undefined)
const named = mechanisms.map((profile) => [profile.id, profile] as const)
const kindsOf = ({ kinds }: Profile): readonly (readonly [string, KindRule])[] =>
  Object.entries(kinds)
const anyKind = fc
  .constantFrom(...mechanisms)
  .chain((profile) => fc.constantFrom(...kindsOf(profile)).map(([kind]) => ({ profile, kind })))

test("all of the paper's review systems are here", () => {
  const ids = [
    ...[
      "ippas",
      "cns",
      "joint-convention",
      "osart",
      "prasc-generic",
      "gnssn",
      "inpo",
      "wano",
      "cog",
    ],
    ...["uncac", "untoc", "insserv", "infcirc-869", "cppnm-14", "unscr-1540", "icao-usap"],
    "wins-bilateral",
  ]
  expect(mechanisms.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
})

describe.each(named)("%s", (_id, profile) => {
  test("can be followed: a record of each kind keeps to it, and the review finds nothing wrong", () => {
    for (const [kind] of kindsOf(profile))
      expect(findViolations(profile, sampleOf(profile, kind)), kind).toEqual([])
    expect(reviewProfile(profile)).toEqual([])
    const rules = new Set(lintRules.map(({ rule }) => rule))
    expect((profile.lint ?? []).filter((rule) => !rules.has(rule))).toEqual([])
  })

  test("1 nothing is released in a stage before the one from which its mechanism releases", () => {
    const { stages, release } = profile.lifecycle!
    const from = stages.indexOf(release)
    for (const [at, stage] of stages.entries()) {
      const { findings } = parseDraft(
        `---\nprofile: ${profile.id}\nstage: ${stage}\n---\n# T\n\nB.`,
      )
      const isHeld = findings.some((one) => one.rule === "stage" && one.severity === "error")
      expect(isHeld, stage).toBe(at < from)
    }
  })

  test("2 where sign-off names two roles, no one person completes a release", () => {
    const line = { act: "any", kind: "any", persons: 1, profile: "any", role: "any" } as const
    // To everybody too: the policy must have a line for that, or nobody could complete it.
    const policy = [line, { ...line, when: "public" }] as const
    for (const [kind] of kindsOf(profile)) {
      const signoff = signoffOf(profile, "release", kind)
      const rule = { profile: "00".repeat(32), kind, conditions }
      const roles = new Set(signoff.map(({ role }) => role))
      // What is not signed for by role is signed for by the member's own policy: never by nobody.
      expect(personsNeeded(policy, signoff, "release", rule)).toBeGreaterThanOrEqual(roles.size)
      for (const role of roles) {
        const alone = [{ organisation: "o", person: "p1", role }]
        const isEnough = isAuthorised(policy, signoff, "release", rule, alone)
        expect(isEnough, `${kind} by ${role}`).toBe(roles.size === 1)
      }
    }
  })

  test("3 where a facility can be named, whoever runs it has a say", () => {
    const ofOperators = ["operator", "executive", "opexCoordinator"]
    for (const [kind, { optional, required }] of kindsOf(profile)) {
      if (![...optional, ...required].includes("facility")) continue
      const acts =
        consentRulesOf(profile, kind).length > 0
          ? (["release", "consent"] as const)
          : (["release"] as const)
      const roles = acts.flatMap((act) => signoffOf(profile, act, kind).map(({ role }) => role))
      expect(
        roles.some((role) => ofOperators.includes(role)),
        kind,
      ).toBe(true)
    }
  })

  test("8 those who must agree are named in every such record: silence is nobody's", () => {
    for (const [kind, { required }] of kindsOf(profile)) {
      const fields = memberFields(consentRulesOf(profile, kind))
      expect(
        fields.filter((field) => !required.includes(field)),
        kind,
      ).toEqual([])
      if (fields.length === 0) continue
      const record = sampleOf(profile, kind)
      const conditionsFor = (recipient: string) => conditionsOf(profile, record, recipient, "no")
      expect(conditionsFor(someMembers[1])).toContain("consent")
      expect(conditionsFor(someMembers[0])).not.toContain("consent")
    }
    for (const rule of profile.consent ?? [])
      if (rule.mode === "tacit") expect(rule).toMatchObject({ days: 90, basis: expect.anything() })
  })

  test("9 a new version leaves records under the old one as they were", () => {
    const before = findProfile(builtInProfiles.find((one) => one.profile === profile)!.digest)!
    const [kind, rule] = kindsOf(profile)[0]!
    const fields = { ...profile.fields, extra: "Something more" }
    const kinds = {
      ...profile.kinds,
      [kind]: { ...rule, required: [...rule.required, "extra"].toSorted() },
    }
    const next: Profile = { ...profile, fields, kinds, version: profile.version + 1 }
    const after = bringProfile(encodeProfile(next))
    expect(after.digest).not.toBe(before.digest)
    const record = sampleOf(profile, kind)
    expect(findViolations(findProfile(after.digest)!.profile, record)).toHaveLength(1)
    expect(findViolations(findProfile(before.digest)!.profile, record)).toEqual([])
  })

  test("10 its numbers rank nobody: refused across States, or in cells of several members", () => {
    const { comparison } = profile
    expect(comparison?.disclaimer).toMatch(/\w/)
    if (comparison?.rule === "aggregate") expect(comparison.k).toBeGreaterThanOrEqual(3)
  })
})

test("4 no release goes wider than its record, its audience or its onward rule", () => {
  const onwards = ["no", "consent", "inside", "free"]
  fc.assert(
    fc.property(
      anyKind,
      fc.constantFrom<Reader>(...readers),
      fc.constantFrom(...onwards),
      fc.constantFrom(...markings),
      ({ profile, kind }, to, onward, marking) => {
        const record = sampleOf(profile, kind)
        const recipient = to === "public" ? "public" : "aa".repeat(32)
        const release = { from: "secretariat", to, recipient, onward, marking } as const
        const fields = releaseViolations(profile, record, release).map(({ field }) => field)
        const { audience } = profile.kinds[kind]!
        expect(fields.includes("recipient")).toBe(!audience!.ceiling.includes(to))
        const isWider = compareMarking(marking, record.marking) < 0
        const isShut = to === "public" && marking !== "TLP:CLEAR"
        expect(fields.includes("terms.marking")).toBe(isWider || isShut)
        const mayPass = onward === "no" || (profile.onward ?? onwards).includes(onward as "free")
        expect(fields.includes("onward")).toBe(!mayPass)
      },
    ),
    { numRuns: 500 },
  )
})

test("5 who may not be named is found in the text, and a State's own record is never nameless", () => {
  const regions = new Intl.DisplayNames("en", { type: "region" })
  const codes = ["SI", "CA", "AU", "FI", "AE", "GB", "US", "JP", "FR", "KR", "RU", "CN", "SK", "NL"]
  fc.assert(
    fc.property(
      anyKind,
      fc.constantFrom(...codes),
      fc.constantFrom("members", "network", "public"),
      ({ profile, kind }, code, audience) => {
        const naming = profile.kinds[kind]!.naming!
        const record = {
          ...sampleOf(profile, kind),
          title: "T",
          body: `As in ${regions.of(code)}.`,
        }
        const isNamed = naming.state[audience as "members"] === "named"
        expect(tracesIn(record, { state: !isNamed, facility: false })).toHaveLength(isNamed ? 0 : 1)
        const recipient = audience === "public" ? "public" : "aa".repeat(32)
        const onward = audience === "network" ? "free" : "no"
        const release = { from: "state", to: null, recipient, onward, marking: "TLP:RED" } as const
        const fields = releaseViolations(profile, record, release).map(({ field }) => field)
        expect(fields.includes("state")).toBe(!isNamed)
      },
    ),
    { numRuns: 300 },
  )
})

test("5 a person is named under no mechanism", () => {
  for (const profile of mechanisms) {
    expect(profile.lint, profile.id).toContain("person")
    for (const [kind, { naming }] of kindsOf(profile))
      expect(new Set(Object.values(naming!.person)), `${profile.id} ${kind}`).toEqual(
        new Set(["never"]),
      )
  }
})

test("7, 8 where those named agree one by one, all have or it goes nowhere: no memorandum, silence or haste does", () => {
  const asked = mechanisms.flatMap((profile) =>
    kindsOf(profile)
      .filter(([kind]) => {
        const rules = consentRulesOf(profile, kind)
        return rules.length > 0 && rules.every(({ mode }) => oneByOne.includes(mode))
      })
      .map(([kind]) => ({ profile, kind })),
  )
  expect(new Set(asked.map(({ profile }) => profile.id))).toEqual(
    new Set(["cns", "joint-convention", "uncac", "untoc", "unscr-1540", "icao-usap"]),
  )
  const member = fc.constantFrom(...["1a", "2b", "3c", "5e"].map((pair) => pair.repeat(32)))
  fc.assert(
    fc.property(
      fc.constantFrom(...asked),
      fc.uniqueArray(member, { minLength: 1 }),
      fc.uniqueArray(member),
      fc.option(member, { nil: null }),
      ({ profile, kind }, named, agreeing, byMemorandum) => {
        const sample = sampleOf(profile, kind)
        const isGroup = consentRulesOf(profile, kind).some(({ mode }) => mode === "consensus")
        const ids = [...named, ...(isGroup ? [sample.origin] : [])].toSorted().join(" ")
        const fields = { ...sample.fields }
        for (const field of memberFields(consentRulesOf(profile, kind))) fields[field] = ids
        const agreed = agreeing.toSorted().map((id) => {
          const memorandum = id === byMemorandum ? { digest: "3c".repeat(32), kind } : null
          const mode = memorandum === null ? "explicit" : "standing"
          return { member: id, mode, memorandum, silent: null } as Agreed
        })
        const isWhole = named.toSorted().join() === agreeing.toSorted().join()
        const isEach = agreed.every(({ memorandum }) => memorandum === null)
        const verify = () => verifyAgreed(profile, { ...sample, fields }, "00".repeat(32), agreed)
        if (isWhole && isEach) verify()
        else expect(verify).toThrow(expect.objectContaining({ code: "order.unconsented" }))
      },
    ),
    { numRuns: 500 },
  )
})
const oneByOne = ["explicit", "consensus"]

test("7 silence is a consent where its mechanism has it, of this record, as the agreement that it names has it", () => {
  const asked = mechanisms.flatMap((profile) =>
    kindsOf(profile)
      .filter(([kind]) => consentRulesOf(profile, kind).length > 0)
      .map(([kind]) => ({ profile, kind })),
  )
  const withSilence = new Set<string>()
  fc.assert(
    fc.property(
      fc.constantFrom(...asked),
      fc.constantFrom("3c".repeat(32), "4d".repeat(32)),
      fc.constantFrom("tacit-agreement", "memorandum"),
      fc.constantFrom("00".repeat(32), "ff".repeat(32)),
      ({ profile, kind }, digest, agreed, record) => {
        const rules = consentRulesOf(profile, kind)
        const sample = sampleOf(profile, kind)
        const silent = { record: "00".repeat(32), from: "2027-02-22" }
        const memorandum = { digest, kind: agreed }
        const one = { member: someMembers[0], mode: "tacit", memorandum, silent } as Agreed
        const isAgreed = ({ basis, mode }: (typeof rules)[number]) =>
          mode === "tacit" && basis?.kind === agreed && sample.fields[basis.field] === digest
        const verify = () => verifyAgreed(profile, sample, record, [one])
        if (rules.every(isAgreed) && record === silent.record) {
          withSilence.add(profile.id)
          verify()
        } else expect(verify).toThrow(expect.objectContaining({ code: "order.unconsented" }))
      },
    ),
    { numRuns: 1000 },
  )
  expect(withSilence).toEqual(new Set(["osart", "prasc-generic"]))
})

test("10 numbers of other members are refused under every mechanism, and one's own come with its words", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { context } = net.nodes.xa!
  for (const { id: mechanism, comparison } of mechanisms) {
    for (const of of [["xb"], ["xa", "xb"], ["xb", "xc"]])
      await expect(trends(context, { mechanism, of }), mechanism).rejects.toMatchObject({
        code: "comparison.forbidden",
      })
    expect(await trends(context, { mechanism, of: ["xa"] })).toMatchObject({
      of: expect.anything(),
      disclaimer: comparison!.disclaimer,
    })
  }
})

test("11 both marks are on every line that names a record, whatever its mechanism and marking", () => {
  const line = fc.record({
    ...{ kind: fc.constant("any"), title: fc.constant("A practice"), from: fc.constant("xb") },
    marking: fc.constantFrom(...markings),
    localMark: fc.option(fc.constantFrom("XA RESTRICTED", "VS-NfD", ...markings), { nil: null }),
    profile: fc.constantFrom(...mechanisms.map(({ id }) => id)),
    public: fc.boolean(),
    withdrawn: fc.constant(false),
  })
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
      const written: string[] = []
      const sink = { write: (text: string) => written.push(text) > 0 }
      const output = createOutput({ isJson: false, stdout: sink, stderr: sink, environment: {} })
      const views = lines.map((one, i) => ({
        ...one,
        ...{ record: `${i}0`.repeat(16), origin: "aa".repeat(32), version: 1 },
        ...{ receivedAt: "2026-11-25T00:00:00Z", verdict: "verified" as const },
      }))
      printRecords(output, views)
      const shown = written.join("").split("\n").slice(1)
      for (const [i, { marking, localMark }] of lines.entries()) {
        expect(shown[i]).toContain(marking)
        expect(shown[i]).toContain(localMark ?? marking)
      }
    }),
    { numRuns: 100 },
  )
})

test("11 what is sensitive by its mechanism is taken in under a mark of the recipient's own only", () => {
  const withMark = mechanisms.filter(({ localMark }) => localMark === true).map(({ id }) => id)
  expect(withMark.toSorted()).toEqual([
    ...["icao-usap", "infcirc-869", "insserv", "ippas", "wins-bilateral"],
  ])
})

test("6 what a sealed rating says is in no index, whichever mechanism has it", async () => {
  await using net = await network(["xa"])
  const { context } = net.nodes.xa!
  const secret = "untold"
  for (const profile of mechanisms)
    for (const [kind, { required }] of kindsOf(profile)) {
      if (profile.rating?.sealed !== true || !required.includes("rating")) continue
      const sample = sampleOf(profile, kind)
      const { digest } = builtInProfiles.find((one) => one.profile === profile)!
      const record = {
        ...sample,
        ...{ attachments: [], body: `${secret} ${sample.fields.rating}`, id: "5e".repeat(16) },
        ...{ network: "exercise:demo", profile: { digest, id: profile.id }, title: "Rating" },
        ...{ type: "comity/record/v1" as const, version: 1 },
      } as ComityRecord
      const bytes = encodeRecord(record)
      const { origin, id, version, title, marking } = record
      const tag = new Uint8Array(32)
      const rids = await insertContents(context.db, [
        { origin, id, version, title, marking, bytes, content_key: tag, tag },
      ])
      const [rid] = [...rids.values()]
      await indexRecords(context.db, [{ rid: rid!, record }])
      expect((await searchContent(context, secret, 10)).rids, profile.id).toEqual([])
      expect((await searchContent(context, "Rating", 10)).rids, profile.id).toEqual([rid])
      await context.db.deleteFrom("content").execute()
      await unindexRecord(context.db, rid!, bytes)
    }
})

test("6 a rating that is sealed is one in every kind that has it", () => {
  const sealed = mechanisms.filter(({ rating }) => rating?.sealed === true)
  expect(sealed.map(({ id }) => id).toSorted()).toEqual(["inpo", "wano", "wins-bilateral"])
  for (const profile of sealed)
    for (const [kind, { required }] of kindsOf(profile))
      expect(hasSealedRating(profile, sampleOf(profile, kind))).toBe(required.includes("rating"))
})

describe("names of States", () => {
  test.each([
    "Slovenia runs exercises.",
    "The Slovenian authority",
    "comme en Finlande",
    "в России",
    "斯洛文尼亚的做法",
    "in the UK",
    "وفرنسا كذلك",
  ])("are found in: %s", (text) => {
    expect(statesNamed(`first\n${text}`)).toEqual([2])
  })

  test.each([
    "a polished floor",
    "chinaware",
    "the state of the art",
    "Frenchman's cap".slice(0, 0),
  ])("are not found in: %s", (text) => {
    expect(statesNamed(text)).toEqual([])
  })
})
