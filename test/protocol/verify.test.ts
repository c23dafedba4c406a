import { describe, expect, test } from "vitest"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { sealObject } from "../../protocol/crypto/seal.ts"
import { encodeHex, utf8 } from "../../protocol/encoding.ts"
import { officerDigest } from "../../protocol/member/officer.ts"
import type { Member } from "../../protocol/member/root.ts"
import { general } from "../../protocol/profiles/general.ts"
import { ippas } from "../../protocol/profiles/ippas.ts"
import { encodeProfile, type Profile, profileDigest } from "../../protocol/profiles/profile.ts"
import type { Marking } from "../../protocol/record/marking.ts"
import type { Grant } from "../../protocol/release/grant.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import type { Fact } from "../../protocol/release/precedence.ts"
import type { Logged } from "../../protocol/standing.ts"
import {
  type Claim,
  factOf,
  type Holder,
  verifyOrder,
  verifyRelease,
} from "../../protocol/verify.ts"
import { alteredPayload } from "../support/envelope.ts"
import { refusal } from "../support/refusal.ts"
import {
  generalDigest,
  makeStory,
  type Story,
  type StoryChanges,
  storyOrigin,
  storyRecipient,
} from "../support/story.ts"
import { makeMember, makeOfficer, nextRoot, officer, signOrder } from "../support/world.ts"

type Judgement = {
  readonly claim?: Partial<Claim>
  readonly logged?: Partial<Logged>
  readonly holder?: Partial<Holder>
  readonly known?: readonly Fact[]
  readonly key?: Uint8Array
  readonly sealed?: Uint8Array
}

/** All eight steps, as a node takes them; null when the record is received. */
function judge(story: Story, changes: Judgement = {}): string | null {
  const { claim, logged, holder, placed, contentKey, sealed } = story
  const judging = { ...holder, ...changes.holder }
  const content = { key: changes.key ?? contentKey, sealed: changes.sealed ?? sealed }
  return refusal(() => {
    const standing = verifyOrder(
      { ...claim, ...changes.claim },
      { ...logged, ...changes.logged },
      judging,
    )
    return verifyRelease(standing, placed[0]!, changes.known ?? [], content, judging)
  })
}

const story = await makeStory()
const of = async (changes: StoryChanges, how: Judgement = {}) =>
  judge(await makeStory(changes), how)
const otherId = storyRecipient.id

test("what was released to us passes every step, and comes out as it went in", () => {
  const standing = verifyOrder(story.claim, story.logged, story.holder)
  const content = { key: story.contentKey, sealed: story.sealed }
  const received = verifyRelease(standing, story.placed[0]!, [], content, story.holder)
  expect(received.record).toEqual(story.record)
  expect(encodeHex(received.bytes)).toBe(encodeHex(story.recordBytes))
  expect(standing.approvals.map(({ person }) => person)).toEqual(["p1", "p2"])
})

describe("step 1: form, network, ceiling", () => {
  test("an order of another member, or a consent, is no order for this log", async () => {
    const { payload } = story.claim.order
    expect(await of({ order: { origin: otherId } })).toBe("order.malformed")
    const { root: _, ...rootless } = payload
    const consent = { ...rootless, act: "consent" as const, subject: "00".repeat(32) }
    const signed = decodeOrder(await signOrder(storyOrigin, consent, ["p1", "p2"]))
    expect(judge(story, { claim: { order: signed } })).toBe("order.malformed")
    expect(judge(story, { claim: { grants: [] } })).toBe("order.malformed")
  })

  test("nothing crosses from one network to another", async () => {
    expect(judge(story, { holder: { network: "operational" } })).toBe("network.mismatch")
    const origin = await makeMember({
      seed: "story a",
      network: "exercise:x",
      profiles: [generalDigest],
    })
    expect(await of({ origin })).toBe("network.mismatch")
    expect(await of({ record: { network: "operational" } })).toBe("network.mismatch")
    const member: Member = { ...storyOrigin.member, network: "operational" }
    expect(judge(story, { logged: { origin: member } })).toBe("network.mismatch")
  })

  test("marked narrower than we may hold, in the terms or in the record", async () => {
    const ceiling: Marking = "TLP:GREEN"
    expect(judge(story, { holder: { ceiling } })).toBe("marking.ceiling")
    const terms = { ...story.placed[0]!.grant.terms, marking: "TLP:GREEN" }
    expect(await of({ grant: { terms } }, { holder: { ceiling } })).toBe("marking.ceiling")
    // Under the ceiling, a release still travels no further than its record.
    expect(await of({ grant: { terms } }, { holder: { ceiling: "TLP:AMBER" } })).toBe(
      "profile.violated",
    )
    expect(judge(story, { holder: { mapMarking: () => null } })).toBe("marking.unmapped")
    // The ceiling is over the mark at home, not over the one on the paper.
    expect(judge(story, { holder: { mapMarking: () => "TLP:RED", ceiling: "TLP:AMBER" } })).toBe(
      "marking.ceiling",
    )
  })
})

describe("step 2: the grant", () => {
  test("to somebody else", async () => {
    const third = await makeMember({ seed: "story c", state: "XC" })
    expect(judge(story, { holder: { recipient: third.id } })).toBe("grant.recipient")
  })

  test("to everybody, which whoever gets it takes: TLP:CLEAR, by a line of the policy's own", async () => {
    const line = { act: "any", kind: "any", persons: 2, profile: "any", role: "any" } as const
    const origin = await makeMember({
      seed: "story a",
      profiles: [generalDigest],
      policy: [line, { ...line, act: "release", when: "public" }],
    })
    const key = encodeHex(story.contentKey)
    const terms = { ...story.placed[0]!.grant.terms!, marking: "TLP:CLEAR" as const }
    const to = { recipient: "public", key, terms }
    const record = { marking: "TLP:CLEAR" as const }
    const open = await makeStory({ origin, record, grant: to })
    const third = await makeMember({ seed: "story c", state: "XC" })
    expect(judge(open)).toBeNull()
    expect(judge(open, { holder: { recipient: third.id } })).toBeNull()
    expect(judge(open, { holder: { profiles: [] } })).toBe("profile.unadopted")
    expect(await of({ record, grant: to })).toBe("order.unauthorised")
    expect(await of({ origin, grant: to })).toBe("profile.violated")
    // Under the rule of a release to one member fewer would have to sign.
    const { rule } = story.claim.order.payload
    expect(rule.conditions).toEqual([])
    expect(await of({ origin, record, grant: to, order: { rule } })).toBe("rule.mismatch")
  })

  test("not in the tree that was signed", () => {
    const [placed] = story.placed
    const moved = [
      { ...placed!, position: placed!.position + 1 },
      { ...placed!, path: placed!.path.slice(1) },
      { ...placed!, leaf: new Uint8Array(32) },
    ]
    for (const one of moved) expect(judge(story, { claim: { grants: [one] } })).toBe("grant.path")
  })

  test("of another act than the order", async () => {
    expect(await of({ order: { act: "withdraw" } })).toBe("grant.malformed")
  })

  test("one version of a record to one recipient stands once in an order", async () => {
    const { grant } = story.placed[0]!
    const again: Grant = { ...grant, salt: "77".repeat(32) }
    const twice = await makeStory({ beside: [again] })
    expect(judge(twice)).toBeNull()
    expect(judge(twice, { claim: { grants: twice.placed } })).toBe("order.malformed")
    expect(judge(story, { claim: { grants: [story.placed[0]!, story.placed[0]!] } })).toBe(
      "order.malformed",
    )
    const next: Grant = { ...again, record: { ...grant.record, version: 2 } }
    const both = await makeStory({ beside: [next] })
    expect(judge(both, { claim: { grants: both.placed } })).toBeNull()
  })
})

describe("steps 3 and 4: the log, and the root version in force", () => {
  test("an order counts where its log has it, after its base, and nowhere else", async () => {
    const { index } = story.claim.entry
    expect(judge(story, { logged: { places: [] } })).toBe("entry.mismatch")
    expect(judge(story, { logged: { places: [index + 2] } })).toBe("entry.mismatch")
    expect(judge(story, { logged: { baseRoot: null } })).toBe("order.base")
    expect(judge(story, { logged: { baseRoot: new Uint8Array(32) } })).toBe("order.base")
    const size = index + 1
    const early = { base: { ...story.claim.order.payload.base, size } }
    expect(await of({ order: early })).toBe("order.base")
    const root = encodeHex(new Uint8Array(32).fill(1))
    const later = { base: { epoch: 1, root, size } }
    const baseRoot = new Uint8Array(32).fill(1)
    expect(await of({ order: later }, { logged: { baseRoot } })).toBe("order.base")
    const nothing = { epoch: 1, root: "00".repeat(32), size: 0 }
    expect(await of({ order: { base: nothing } })).toBe("order.base")
  })

  test("a base of size 0 needs no log, and is the empty tree's", async () => {
    const { base } = (await makeStory({ order: {} })).claim.order.payload
    const root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    expect(await of({ order: { base: { ...base, root, size: 0 } } })).toBeNull()
  })

  test("a root version that is not in force yet, not any more, or not logged", async () => {
    expect(await of({ order: { rootVersion: 2 } })).toBe("order.root-version")
    const origin = await nextRoot(storyOrigin)
    const laterRoots = origin.roots.slice(1)
    expect(await of({ origin, laterRoots, order: { rootVersion: 1 } })).toBe("order.root-version")
    expect(await of({ origin, laterRoots, order: { rootVersion: 2 } })).toBeNull()
    const unlogged = { rootIndexes: [0, null] }
    expect(await of({ origin, laterRoots }, { logged: unlogged })).toBe("order.root-version")
    expect(judge(story, { logged: { rootIndexes: [null] } })).toBe("order.root-version")
    expect(judge(story, { logged: { rootIndexes: [9] } })).toBe("order.root-version")
  })

  test("what its origin left behind with the old log key releases nothing, and still takes back", async () => {
    const { index } = story.claim.entry
    const { logKey } = (await makeMember({ seed: "story a, second log" })).root
    const left = async (size: number) => {
      const root = encodeHex(story.log.root(size))
      const fields = { epoch: 2, logKey, survives: { epoch: 1, root, size } }
      return (await nextRoot(storyOrigin, { fields })).member
    }
    const under = async (size: number, endRoot: Uint8Array | null) =>
      judge(story, { logged: { origin: await left(size), endRoot, rootIndexes: [0, 0] } })
    expect(await under(index, story.log.root(index))).toBe("order.repudiated")
    expect(await under(index + 1, story.log.root(index + 1))).toBeNull()
    // Another branch of the old log than the one that survives, or none known that far.
    expect(await under(index + 1, new Uint8Array(32))).toBe("order.repudiated")
    expect(await under(index + 1, null)).toBe("order.repudiated")
    const { claim, logged, holder } = await withdrawal()
    const ended = { ...logged, origin: await left(index), rootIndexes: [0, 0] }
    expect(refusal(() => verifyOrder(claim, ended, holder))).toBeNull()
  })

  test("once a member has closed only its withdrawals count, under later versions too", async () => {
    const closing = { answers: "Ministry of XA", day: "2027-01-01", keep: true }
    const closed = await nextRoot(storyOrigin, { fields: { closing } })
    const later = await nextRoot(closed)
    for (const [origin, rootVersion] of [
      [closed, 2],
      [later, 3],
    ] as const) {
      const laterRoots = origin.roots.slice(1)
      expect(await of({ origin, laterRoots, order: { rootVersion } })).toBe("root.closed")
      const { claim, logged, holder } = await withdrawal({ origin, laterRoots })
      expect(refusal(() => verifyOrder(claim, logged, holder))).toBeNull()
    }
    // What was logged before the closing version stands.
    const before = { logged: { origin: closed.member, rootIndexes: [0, 9] } }
    expect(judge(story, before)).toBeNull()
  })
})

/** The story's record taken back instead. */
function withdrawal(changes: StoryChanges = {}): Promise<Story> {
  return makeStory({
    ...changes,
    grant: { act: "withdraw", sealed: [], terms: undefined, ...changes.grant },
  })
}

describe("step 5: officers", () => {
  test("one where two are needed, a stranger, an edited order", async () => {
    expect(await of({ signers: ["p1"] })).toBe("order.unauthorised")
    const stranger = makeOfficer("thief", { person: "p9", roles: ["competentAuthority"] })
    expect(await of({ signers: ["p1", { officer: stranger }] })).toBe("signed.unknown-key")
    const edited = decodeOrder(alteredPayload(story.claim.order.bytes, { notAfter: "2026-12-08" }))
    expect(judge(story, { claim: { order: edited } })).toBe("signed.invalid")
  })

  test("an officer whose key the newest root revokes from there on", async () => {
    const { index } = story.claim.entry
    const kid = officer(storyOrigin, "p2").kid
    const revoking = async (size: number) => {
      const later = await nextRoot(storyOrigin, {
        fields: { revoked: [{ from: { epoch: 1, size }, kid }] },
      })
      return judge(story, { logged: { origin: later.member, rootIndexes: [0, null] } })
    }
    expect(await revoking(index)).toBe("order.unauthorised")
    expect(await revoking(index + 1)).toBeNull()
  })

  test("the profile's sign-off comes on top of the member's policy", async () => {
    const bytes = encodeProfile(ippas)
    const digest = profileDigest(bytes)
    const origin = await makeMember({ seed: "story a", profiles: [digest], approvals: 1 })
    const recipient = await makeMember({ seed: "story b", state: "XB", profiles: [digest] })
    const record = { fields: { basis: "NSS 13", whyBetter: "It is quicker." } }
    const under = (signers: readonly string[], more: object = {}) =>
      of({
        origin,
        recipient,
        profile: ippas,
        record: { fields: { ...record.fields, ...more } },
        signers,
      })
    expect(await under(["p1", "p2"])).toBeNull()
    expect(await under(["p1"])).toBe("order.unauthorised")
    // A named facility brings the operator in.
    expect(await under(["p1", "p2"], { facility: "Plant 4" })).toBe("order.unauthorised")
    expect(await under(["p1", "p2", "p3"], { facility: "Plant 4" })).toBeNull()
  })

  test("a profile that nobody here knows, or that the origin has not adopted", async () => {
    expect(judge(story, { holder: { profile: () => null } })).toBe("profile.unknown")
    const origin = await makeMember({ seed: "story a", profiles: [] })
    expect(await of({ origin })).toBe("profile.unadopted")
  })

  test("a withdrawal has no conditions, and outlives its root version and its profile", async () => {
    const conditions = {
      conditions: ["facility" as const],
      kind: "good-practice",
      profile: generalDigest,
    }
    const stands = async (changes: StoryChanges) => {
      const { claim, logged, holder } = await withdrawal(changes)
      return refusal(() => verifyOrder(claim, logged, holder))
    }
    expect(await stands({})).toBeNull()
    expect(await stands({ order: { rule: conditions } })).toBe("rule.mismatch")
    const origin = await nextRoot(storyOrigin, { fields: { profiles: [] } })
    const laterRoots = origin.roots.slice(1)
    expect(await stands({ origin, laterRoots, order: { rootVersion: 1 } })).toBeNull()
    expect(await stands({ origin, laterRoots, order: { rootVersion: 2 } })).toBeNull()
    expect(await stands({ origin, laterRoots, order: { rootVersion: 3 } })).toBe(
      "order.root-version",
    )
    // Its signers have to be officers still.
    const one = storyOrigin.officers.filter(({ person }) => person !== "p2").map(officerDigest)
    const fewer = await nextRoot(storyOrigin, { fields: { officers: one.sort() } })
    expect(
      await stands({
        origin: { ...fewer, officers: storyOrigin.officers },
        laterRoots: fewer.roots.slice(1),
        order: { rootVersion: 1 },
      }),
    ).toBe("signed.unknown-key")
  })
})

describe("step 6: precedence", () => {
  test("a withdrawal that is known ends it, one that was overridden does not", async () => {
    const fact = factOf(verifyOrder(story.claim, story.logged, story.holder), story.placed[0]!)
    const ended: Fact = { ...fact, act: "withdraw", orderId: "99".repeat(16), index: 9 }
    expect(judge(story, { known: [ended] })).toBe("order.ended")
    expect(judge(story, { known: [{ ...ended, version: 2 }] })).toBe("order.ended")
    expect(judge(story, { known: [{ ...ended, index: 1 }] })).toBeNull()
    const after = await makeStory({ grant: { after: [ended.orderId] } })
    expect(judge(after, { known: [ended] })).toBeNull()
  })

  test("is no question for a withdrawal", async () => {
    const taken = await withdrawal()
    expect(judge(taken)).toBe("grant.malformed")
  })
})

describe("step 7: the content", () => {
  test("other bytes, another key, another text under the same name", async () => {
    expect(judge(story, { sealed: story.sealed.slice(1) })).toBe("sealed.mismatch")
    expect(judge(story, { sealed: sealObject(story.contentKey, 0, utf8("{}")) })).toBe(
      "sealed.mismatch",
    )
    expect(judge(story, { key: new Uint8Array(32) })).toBe("sealed.uncommitted")
    const named = { ...story.placed[0]!.grant.record, digest: "00".repeat(32) }
    expect(await of({ grant: { record: named } })).toBe("record.mismatch")
  })

  test("attachments are not carried out yet, and refused rather than dropped", async () => {
    const { sealed } = story.placed[0]!.grant
    const two = [...sealed, { digest: "00".repeat(32), size: 4144 }]
    expect(await of({ grant: { sealed: two } })).toBe("feature.unsupported")
  })
})

describe("step 8: the record", () => {
  test("not canonical, no record", async () => {
    const spaced = utf8(JSON.stringify(story.record, null, 1))
    expect(await of({ recordBytes: spaced })).toBe("json.noncanonical")
    expect(await of({ recordBytes: encodeCanonical({ ...story.record, title: "" }) })).toBe(
      "record.malformed",
    )
  })

  test("another origin, id or version than the grant names", async () => {
    const { record } = story.placed[0]!.grant
    for (const fields of [{ id: "00".repeat(16) }, { version: 2 }, { origin: otherId }]) {
      const other = await makeStory({ grant: { record: { ...record, ...fields } } })
      expect(judge(other)).toBe("record.mismatch")
    }
    expect(await of({ record: { origin: otherId } })).toBe("custody.malformed")
  })

  test("attachments that were not sealed", async () => {
    const attachments = [
      { digest: "00".repeat(32), mediaType: "text/plain", name: "a.txt", size: 1 },
    ]
    expect(await of({ record: { attachments } })).toBe("record.mismatch")
  })

  test("signed under another rule than its own: profile, kind, conditions", async () => {
    const { rule } = story.claim.order.payload
    expect(await of({ order: { rule: { ...rule, kind: "question" } } })).toBe("rule.mismatch")
    expect(await of({ order: { rule: { ...rule, conditions: ["facility"] } } })).toBe(
      "rule.mismatch",
    )
    const facility = { fields: { facility: "Plant 4" } }
    expect(await of({ record: facility, order: { rule } })).toBe("rule.mismatch")
    expect(await of({ record: facility })).toBeNull()
    const terms = { ...story.placed[0]!.grant.terms, onward: "free" }
    expect(await of({ grant: { terms }, order: { rule } })).toBe("rule.mismatch")
    expect(await of({ grant: { terms } })).toBeNull()
  })

  test("a profile of another name, or one that we have not adopted", async () => {
    const profile = { digest: generalDigest, id: "ippas" }
    expect(await of({ record: { profile } })).toBe("profile.unknown")
    expect(judge(story, { holder: { profiles: [] } })).toBe("profile.unadopted")
  })

  test("a record that departs from its profile", async () => {
    expect(await of({ record: { fields: { colour: "red" } } })).toBe("profile.violated")
  })

  test("a profile may ask for a field by the name of what every object has", async () => {
    const any = { ...general.kinds.any!, required: ["toString"] }
    const profile: Profile = {
      ...general,
      fields: { ...general.fields, toString: "Words for it" },
      kinds: { any },
    }
    const digest = profileDigest(encodeProfile(profile))
    const origin = await makeMember({ seed: "story a", profiles: [digest] })
    const recipient = await makeMember({ seed: "story b", state: "XB", profiles: [digest] })
    expect(await of({ origin, recipient, profile })).toBe("profile.violated")
    const record = { fields: { toString: "in words" } as unknown as Record<string, string> }
    expect(await of({ origin, recipient, profile, record })).toBeNull()
  })
})
