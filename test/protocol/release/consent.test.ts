import { describe, expect, test } from "vitest"
import { encodeProfile, profileDigest } from "../../../protocol/profiles/profile.ts"
import {
  consentSubject,
  decodeConsent,
  subjectMark,
  takingBack,
  verifyAgreed,
} from "../../../protocol/release/consent.ts"
import { verifyOrder, verifyRelease } from "../../../protocol/verify.ts"
import { refusal } from "../../support/refusal.ts"
import { reviewProfile } from "../../support/review-profile.ts"
import { type ConsentChanges, consentOf, makeStory, type Story } from "../../support/story.ts"
import { makeMember, nextRoot, officer, type TestMember } from "../../support/world.ts"

const profiles = [profileDigest(encodeProfile(reviewProfile))]
const origin = await makeMember({ seed: "consent a", profiles })
const recipient = await makeMember({ seed: "consent d", state: "XD", profiles })
const others = await Promise.all(
  ["XB", "XC"].map((state) => makeMember({ seed: `consent ${state}`, state, profiles })),
)
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
  const agreed = [{ member: b.id, mode: "explicit" }] as unknown as Parameters<
    typeof verifyAgreed
  >[2]
  const group = (...ids: readonly string[]) => ({ ...record, fields: { group: ids.join(" ") } })
  const of = (fields: ReturnType<typeof group>) =>
    refusal(() => verifyAgreed(reviewProfile, fields, agreed))
  expect(of(group(...[origin.id, b.id].toSorted()))).toBeNull()
  expect(of(group(b.id))).toBe("order.unconsented")
})
