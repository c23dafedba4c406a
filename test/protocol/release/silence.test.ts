import { describe, expect, test } from "vitest"
import { utf8 } from "../../../protocol/encoding.ts"
import { blindedEntry } from "../../../protocol/log/entry.ts"
import { encodeProfile, profileDigest } from "../../../protocol/profiles/profile.ts"
import { recordDigest } from "../../../protocol/record/record.ts"
import { daysOfSilence, subjectMark } from "../../../protocol/release/consent.ts"
import { objectionSubject, objectionTag, signableFrom } from "../../../protocol/release/silence.ts"
import { verifyOrder, verifyRelease } from "../../../protocol/verify.ts"
import { refusal } from "../../support/refusal.ts"
import { reviewProfile } from "../../support/review-profile.ts"
import { makeStory, type Silent, type Story, type StoryChanges } from "../../support/story.ts"
import {
  makeMember,
  nextRoot,
  officer,
  type TestMember,
  witnessEntry,
  witnessSigners,
} from "../../support/world.ts"

type Cosigners = NonNullable<Silent["cosigners"]>
type After = NonNullable<Silent["after"]>
type Shown = NonNullable<Silent["shown"]>

const profiles = [profileDigest(encodeProfile(reviewProfile))]
const team = await makeMember({ seed: "silence team", state: "XT", profiles })
const recipient = await makeMember({ seed: "silence d", state: "XD", profiles })
const [w1, w2] = (await Promise.all(
  ["XV", "XW"].map((state) => makeMember({ seed: `silence ${state}`, state })),
)) as [TestMember, TestMember]
const host = await watched([w1, w2], 2)

function watched(by: readonly TestMember[], quorum: number): Promise<TestMember> {
  const witnesses = by.map(witnessEntry).toSorted((a, b) => (a.member < b.member ? -1 : 1))
  return makeMember({ seed: "silence host", profiles, fields: { quorum, witnesses } })
}

/** Received on 23 November, with 90 days of silence: the first day behind them. */
const over = "2027-02-22"
const lastSecond = "2027-02-21T23:59:59Z"
const all = (at: string): Cosigners => [
  [witnessSigners(w1), at],
  [witnessSigners(w2), at],
]
const entry = (name: string) =>
  blindedEntry(2, new Uint8Array(32), new Uint8Array(32).fill(name.length))

function agreementOf(changes: StoryChanges = {}): Promise<Story> {
  return makeStory({
    origin: host,
    recipient: team,
    profile: reviewProfile,
    ...changes,
    record: { kind: "tacit-agreement", ...changes.record },
  })
}

async function report(
  silent: Partial<Silent> = {},
  more: StoryChanges & { readonly day?: string } = {},
): Promise<Story> {
  const agreement = silent.agreement ?? (await agreementOf())
  const { day = over, ...changes } = more
  return makeStory({
    origin: team,
    recipient,
    profile: reviewProfile,
    consents: [{ agreement, cosigners: all(over), ...silent }],
    signers: ["p1", "p2"].map((person) => ({ officer: officer(team, person), day })),
    ...changes,
    record: {
      kind: "mission-report",
      fields: { agreement: recordDigest(agreement.recordBytes), host: agreement.origin.id },
      ...changes.record,
    },
  })
}

function judge({ claim, logged, holder, placed, recordBytes }: Story, more = {}) {
  return refusal(() => {
    const judging = { ...holder, ...more }
    const standing = verifyOrder(claim, logged, judging)
    verifyRelease(standing, placed[0]!, [], { plaintext: recordBytes }, judging)
  })
}

const judged = async (...of: Parameters<typeof report>) => judge(await report(...of))

describe("silence that was agreed to beforehand", () => {
  test("is a consent when it is over, as its member's witnesses say", async () => {
    expect(await judged()).toBeNull()
    expect(await judged({ after: () => [entry("a"), entry("bc")] })).toBeNull()
  })

  test("is none before the whole of the last day has gone by, whoever's clock says so", async () => {
    expect(await judged({ cosigners: all(lastSecond) })).toBe("order.unconsented")
    const one: Cosigners = [
      [witnessSigners(w1), over],
      [witnessSigners(w2), lastSecond],
    ]
    expect(await judged({ cosigners: one })).toBe("order.unconsented")
    expect(await judged({ receipt: { day: "2026-11-24" } })).toBe("order.unconsented")
    expect(await judged({ receipt: { day: "2026-11-01" } })).toBeNull()
  })

  test("begins with the agreement, where that came after the record", async () => {
    const signers = ["p1", "p2"].map((person) => ({
      officer: officer(host, person),
      day: "2026-11-24",
    }))
    expect(await judged({ agreement: await agreementOf({ signers }) })).toBe("order.unconsented")
  })

  test("is nothing that officers sign on before it is over", async () => {
    expect(await judged({}, { day: "2027-02-21" })).toBe("order.unconsented")
  })

  test("is broken by an objection that the log holds, wherever it is", async () => {
    const objection =
      (to: (agreement: Story, record: string) => string): After =>
      (agreement, record) => [
        entry("a"),
        objectionTag(objectionSubject(agreement.placed[0]!.leaf, to(agreement, record))),
        entry("bc"),
      ]
    expect(await judged({ after: objection((_, record) => record) })).toBe("order.unconsented")
    const toAll = objection((agreement) => recordDigest(agreement.recordBytes))
    expect(await judged({ after: toAll })).toBe("order.unconsented")
    const toAnother = objection(() => "ab".repeat(32))
    expect(await judged({ after: toAnother })).toBeNull()
  })

  test("is broken by an objection that the judge knows otherwise", async () => {
    const story = await report()
    const { leaf } = story.claim.consents[0]!.placed!
    const { digest } = story.placed[0]!.grant.record
    const knowing = (member: string, subject: string) => ({
      takenBack: new Set([subjectMark(member, subject)]),
    })
    const subject = objectionSubject(leaf, digest)
    expect(judge(story, knowing(host.id, subject))).toBe("order.unconsented")
    expect(judge(story, knowing(team.id, subject))).toBeNull()
  })

  test("is shown whole: an entry left out, replaced or added leads to no checkpoint", async () => {
    const after = () => [entry("a"), entry("bc")]
    const showing = (shown: Shown) => judged({ after, shown })
    expect(await showing((entries) => entries.slice(0, -1))).toBe("inclusion.invalid")
    expect(await showing((entries) => entries.with(1, entry("abc")))).toBe("inclusion.invalid")
    expect(await showing((entries) => [...entries, entry("a")])).toBe("inclusion.invalid")
    const before = [new Uint8Array(32)]
    expect(await judged({ before })).toBe("inclusion.invalid")
  })

  test("needs a quorum, and one without the member that releases", async () => {
    expect(await judged({ cosigners: [] })).toBe("quorum.missing")
    expect(await judged({ cosigners: all(over).slice(1) })).toBe("quorum.missing")
    const bare = await watched([], 0)
    const unwatched = await agreementOf({ origin: bare })
    expect(await judged({ agreement: unwatched, cosigners: [] })).toBe("quorum.missing")
    const partial = await agreementOf({ origin: await watched([w1, w2, team], 2) })
    const withTeam: Cosigners = [
      [witnessSigners(w1), over],
      [witnessSigners(team), over],
    ]
    expect(await judged({ agreement: partial, cosigners: withTeam })).toBe("quorum.missing")
    expect(await judged({ agreement: partial, cosigners: all(over) })).toBeNull()
  })
})

describe("the receipt", () => {
  test("is of this transmittal, by that member, to the one that releases", async () => {
    const other = "ab".repeat(32)
    expect(await judged({ receipt: { leaf: other } })).toBe("receipt.invalid")
    expect(await judged({ receipt: { state: "declined" } })).toBe("receipt.invalid")
    expect(await judged({ receiptOf: { to: recipient.id } })).toBe("receipt.invalid")
    expect(await judged({ receiptOf: { from: recipient.id } })).toBe("receipt.invalid")
    expect(await judged({ receiptBy: team })).toBe("signed.unknown-key")
    const another = { day: "2026-11-23", leaf: other, order: "ab".repeat(16) } as const
    const beside = [{ ...another, state: "delivered" as const }]
    expect(await judged({ beside })).toBe("receipt.invalid")
  })

  test("is by a node key of any root version in that log, and no version is shown for nothing", async () => {
    const renewed = await nextRoot(host, { newNodeKey: true })
    const again = await nextRoot(renewed, { newNodeKey: true })
    const laterRoots = renewed.roots.slice(1)
    expect(await judged({ laterRoots, receiptBy: renewed })).toBeNull()
    expect(await judged({ laterRoots, receiptBy: host })).toBe("consent.malformed")
    expect(await judged({ laterRoots, receiptBy: again })).toBe("consent.malformed")
    expect(await judged({ receiptBy: renewed })).toBe("signed.unknown-key")
  })

  test("is of the record that is released, and of no other version of it", async () => {
    const { record } = (await report()).placed[0]!.grant
    const ofAnother = { record: { ...record, version: 2, digest: "ab".repeat(32) } }
    expect(await judged({ transmittal: ofAnother })).toBe("order.unconsented")
    const ofAThird = { record: { ...record, origin: host.id } }
    expect(await judged({ transmittal: ofAThird })).toBe("consent.malformed")
    expect(await judged({ transmittal: { recipient: w1.id } })).toBe("consent.malformed")
    expect(await judged({ transmittal: { custody: "ab".repeat(32) } })).toBe("consent.malformed")
    const withdrawn = { act: "withdraw", sealed: [], terms: undefined }
    expect(await judged({ transmittal: withdrawn })).toBe("consent.malformed")
  })
})

describe("the agreement", () => {
  test("is the one that the record names, for a kind whose line has silence", async () => {
    const fields = { agreement: "ab".repeat(32), host: host.id }
    expect(await judged({}, { record: { fields } })).toBe("order.unconsented")
    const asReport = { kind: "report", fields: { reviewers: host.id } }
    expect(await judged({}, { record: asReport })).toBe("order.unconsented")
    const memorandum = await agreementOf({ record: { kind: "memorandum" } })
    expect(await judged({ agreement: memorandum })).toBe("order.unconsented")
  })

  test("is with the member that releases, and signed as its own policy asks", async () => {
    expect(await judged({ agreement: await agreementOf({ recipient: w1 }) })).toBe(
      "order.unconsented",
    )
    expect(await judged({ agreement: await agreementOf({ signers: ["p1"] }) })).toBe(
      "order.unauthorised",
    )
  })
})

test("the term is the longest that a line for this kind and agreement asks for", () => {
  const [line] = reviewProfile.consent!.filter(({ mode }) => mode === "tacit")
  const lines = (...days: readonly number[]) => ({
    consent: [
      ...days.map((one) => ({ ...line!, days: one })),
      { ...line!, basis: { field: "agreement", kind: "another-agreement" }, days: 300 },
      { ...line!, kind: "report", days: 300 },
    ],
  })
  const daysOf = (...days: readonly number[]) =>
    daysOfSilence(lines(...days), "mission-report", "tacit-agreement")
  expect(daysOf(90)).toBe(90)
  expect(daysOf(30, 60, 45)).toBe(60)
  expect(refusal(() => daysOf())).toBe("order.unconsented")
})

test("whole days lie between the later of receipt and agreement, and the first signature", () => {
  const signed = (...days: readonly string[]) =>
    ({ signatures: days.map((day) => ({ header: { day } })) }) as unknown as Parameters<
      typeof signableFrom
    >[1]
  expect(signableFrom("2026-11-23", signed("2026-11-01"), 90)).toBe(over)
  expect(signableFrom("2026-11-23", signed("2026-11-01", "2026-11-24"), 1)).toBe("2026-11-26")
  expect(signableFrom("2027-12-30", signed("2026-11-01"), 1)).toBe("2028-01-01")
})

test("an objection is known by those alone who hold the agreement's grant", () => {
  const [one, two] = ["one", "two"].map((name) => utf8(name.padEnd(32)))
  const record = "ab".repeat(32)
  expect(objectionSubject(one!, record)).not.toBe(objectionSubject(two!, record))
  expect(objectionTag(objectionSubject(one!, record))).toHaveLength(33)
})
