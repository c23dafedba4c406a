import { describe, expect, test } from "vitest"
import { encodeProfile, profileDigest } from "../../../protocol/profiles/profile.ts"
import { recordDigest } from "../../../protocol/record/record.ts"
import {
  consentSubject,
  decodeConsent,
  decodeKeptConsent,
  isInMode,
  subjectMark,
  takingBack,
  verifyAgreed,
} from "../../../protocol/release/consent.ts"
import { verifyOrder, verifyRelease } from "../../../protocol/verify.ts"
import { refusal } from "../../support/refusal.ts"
import { reviewProfile } from "../../support/review-profile.ts"
import {
  type ConsentChanges,
  consentOf,
  makeStory,
  type Story,
  type StoryChanges,
  standingOf,
} from "../../support/story.ts"
import {
  makeMember,
  nextRoot,
  officer,
  type TestMember,
  witnessEntry,
  witnessSigners,
} from "../../support/world.ts"

const profiles = [profileDigest(encodeProfile(reviewProfile))]
const origin = await makeMember({ seed: "consent a", profiles })
const recipient = await makeMember({ seed: "consent d", state: "XD", profiles })
const others = await Promise.all(
  ["XB", "XC"].map((state) => makeMember({ seed: `consent ${state}`, state, profiles })),
)
const [w1, w2] = (await Promise.all(
  ["XV", "XW"].map((state) => makeMember({ seed: `consent ${state}`, state })),
)) as [TestMember, TestMember]
const [b, c] = others.toSorted((x, y) => (x.id < y.id ? -1 : 1)) as [TestMember, TestMember]

function story(consents: readonly ConsentChanges[], reviewers = [b, c]): Promise<Story> {
  return makeStory({
    origin,
    recipient,
    profile: reviewProfile,
    record: { kind: "report", fields: { reviewers: reviewers.map(({ id }) => id).join(" ") } },
    consents,
  })
}

function judge({ claim, logged, holder, placed, recordBytes }: Story, more = {}) {
  return refusal(() => {
    const judging = { ...holder, ...more }
    const standing = verifyOrder(claim, logged, judging)
    verifyRelease(standing, placed[0]!, [], { plaintext: recordBytes }, judging)
  })
}

describe("the consents of an order", () => {
  test("are one of each member that the record names, and no more", async () => {
    expect(judge(await story([{ by: b }, { by: c }]))).toBeNull()
    expect(judge(await story([{ by: b }]))).toBe("order.unconsented")
    expect(judge(await story([{ by: b }, { by: c }], [b]))).toBe("order.unconsented")
    expect(judge(await story([{ by: c }, { by: b }]))).toBe("consent.malformed")
  })

  test("of one release do not serve for another: of other grants, or of another record", async () => {
    const first = await story([{ by: b }, { by: c }])
    const other = await makeStory({
      origin,
      recipient: await makeMember({ seed: "consent e", state: "XE", profiles }),
      profile: reviewProfile,
      record: { kind: "report", fields: first.record.fields },
      consents: [{ by: b }, { by: c }],
    })
    const replayed = { ...other, claim: { ...other.claim, consents: first.claim.consents } }
    expect(judge(other)).toBeNull()
    expect(judge(replayed)).toBe("order.unconsented")
  })

  test("do not count when the judge knows that one was taken back", async () => {
    const one = await story([{ by: b }, { by: c }])
    const { payload } = one.claim.consents[1]!.proven.order
    const mark = subjectMark(c.id, takingBack(payload))
    expect(judge(one, { takenBack: new Set([mark]) })).toBe("order.unconsented")
    const ofAnother = subjectMark(b.id, takingBack(payload))
    expect(judge(one, { takenBack: new Set([ofAnother]) })).toBeNull()
  })

  test("do not count by an officer whom a later root document revokes from before", async () => {
    const one = await story([{ by: b }, { by: c }])
    const kid = officer(b, "p1").kid
    const knowing = async (size: number) => {
      const revoked = [{ kid, from: { epoch: 1, size } }]
      return new Map([[b.id, (await nextRoot(b, { fields: { revoked } })).member]])
    }
    expect(judge(one, { members: await knowing(1) })).toBe("order.unauthorised")
    expect(judge(one, { members: await knowing(2) })).toBeNull()
  })

  test("need the officers whom the consenting member's own policy and the profile ask for", async () => {
    const signed = (signers: ConsentChanges["signers"]) =>
      story([{ by: b, ...(signers === undefined ? {} : { signers }) }, { by: c }])
    expect(judge(await signed(["p1"]))).toBe("order.unauthorised")
    expect(judge(await signed(["p2", "p3"]))).toBe("order.unauthorised")
    const stolen = ["p1", "p2"].map((person) => ({ officer: officer(origin, person) }))
    expect(judge(await signed(stolen))).toBe("signed.unknown-key")
  })
})

describe("a memorandum", () => {
  const released = (changes: StoryChanges = {}) =>
    makeStory({
      origin: b,
      recipient: origin,
      profile: reviewProfile,
      ...changes,
      record: { kind: "memorandum", ...changes.record },
    })
  const audit = (memorandum: Story, more: StoryChanges = {}, evidence = {}) =>
    makeStory({
      origin,
      recipient,
      profile: reviewProfile,
      consents: [{ memorandum, evidence }],
      ...more,
      record: {
        kind: "audit-report",
        fields: { memorandum: recordDigest(memorandum.recordBytes), reviewers: b.id },
        ...more.record,
      },
    })
  const judged = async (changes: StoryChanges, more: StoryChanges = {}) =>
    judge(await audit(await released(changes), more))
  const terms = { caveats: [], marking: "TLP:AMBER", onward: "no", purpose: "audit" } as const

  test("that a member released to the one that releases now is its consent", async () => {
    expect(await judged({})).toBeNull()
  })

  test("counts for no kind whose line does not say so, nor unnamed by the record", async () => {
    const asReport = { record: { kind: "report" } }
    expect(await judged({}, asReport)).toBe("order.unconsented")
    const unnamed = { record: { fields: { reviewers: b.id } } }
    expect(await judged({}, unnamed)).toBe("order.unconsented")
    const another = { record: { fields: { memorandum: "0".repeat(64), reviewers: b.id } } }
    expect(await judged({}, another)).toBe("order.unconsented")
    // Of another kind than the line names, and by another member than the record does.
    const isNone = { record: { kind: "report", fields: { reviewers: b.id } } }
    expect(await judged(isNone)).toBe("order.unconsented")
    const byAnother = await audit(await released({ origin: c }))
    expect(judge(byAnother)).toBe("order.unconsented")
  })

  test("counts for whom it was released to, under terms that last and let it be shown", async () => {
    expect(await judged({ recipient: c })).toBe("order.unconsented")
    const hidden = { terms: { ...terms, evidence: "recipient" as const } }
    expect(await judged({ grant: hidden })).toBe("order.unconsented")
    const until = (expires: string) =>
      judged({ grant: { terms: { ...terms, evidence: "members", expires } } })
    const { notAfter } = (await released()).claim.order.payload
    expect(await until(notAfter)).toBeNull()
    expect(await until("2026-11-24")).toBe("order.unconsented")
  })

  test("needs the officers whom its own member's policy asks for, and its quorum", async () => {
    expect(await judged({ signers: ["p1"] })).toBe("order.unauthorised")
    const watching = { quorum: 2, witnesses: [w1, w2].map(witnessEntry) }
    const watched = await makeMember({
      seed: "consent XB",
      state: "XB",
      profiles,
      fields: watching,
    })
    const memorandum = await released({ origin: watched })
    const seenBy = async (...witnesses: readonly (typeof w1)[]) => {
      const cosigners = witnesses.flatMap(witnessSigners)
      const named = { memorandum: recordDigest(memorandum.recordBytes), reviewers: watched.id }
      return judge(await audit(memorandum, { record: { fields: named } }, { cosigners }))
    }
    expect(await seenBy(w1, w2)).toBeNull()
    expect(await seenBy(w1)).toBe("quorum.missing")
  })

  test("serves no line that would have silence for consent: that asks for an order", async () => {
    const line = reviewProfile.consent!.find(({ mode }) => mode === "standing")
    const silent = { consent: [{ ...line!, days: 90, mode: "tacit" as const }] }
    const { record } = await audit(await released())
    const { memorandum: digest = "" } = record.fields
    const by = { member: b.id, memorandum: { digest, kind: "memorandum" }, silent: null }
    const isIn = (profile: Parameters<typeof isInMode>[0], one: Parameters<typeof isInMode>[3]) =>
      isInMode(profile, record, "", one)
    expect(isIn(reviewProfile, by)).toBe(true)
    expect(isIn(silent, by)).toBe(false)
    expect(isIn(silent, { ...by, memorandum: null })).toBe(true)
  })

  test("does not count where it is known to be taken back", async () => {
    const memorandum = await released()
    const story = await audit(memorandum)
    const mark = subjectMark(b.id, takingBack(memorandum.claim.order.payload))
    expect(judge(story, { takenBack: new Set([mark]) })).toBe("order.unconsented")
  })

  test("is no file of its own: a member consents by an order", async () => {
    const bytes = await standingOf(await released())
    expect(refusal(() => decodeConsent(bytes))).toBe("consent.malformed")
    expect(refusal(() => decodeKeptConsent(bytes))).toBeNull()
  })
})

test("a subject is of one payload, and taking back of one consent", async () => {
  const { claim } = await story([])
  const release = claim.order.payload
  const { payload } = decodeConsent(await consentOf(release, { by: b })).proven.order
  expect(payload.subject).toBe(consentSubject(release))
  expect(consentSubject({ ...release, notAfter: "2026-12-08" })).not.toBe(payload.subject)
  expect(takingBack(payload)).not.toBe(takingBack({ ...payload, notAfter: "2026-12-08" }))
})

test("a group is whole only with the member that releases in its name", () => {
  const record = { kind: "group-report", origin: origin.id }
  const agreed = [
    { member: b.id, memorandum: null, mode: "explicit", silent: null },
  ] as unknown as Parameters<typeof verifyAgreed>[3]
  const group = (...ids: readonly string[]) => ({ ...record, fields: { group: ids.join(" ") } })
  const of = (fields: ReturnType<typeof group>) =>
    refusal(() => verifyAgreed(reviewProfile, fields, "", agreed))
  expect(of(group(...[origin.id, b.id].toSorted()))).toBeNull()
  expect(of(group(b.id))).toBe("order.unconsented")
})
