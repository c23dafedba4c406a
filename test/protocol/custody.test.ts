import { describe, expect, test } from "vitest"
import type { Json } from "../../protocol/canonical.ts"
import { chainBehind, decodeLinkValue, type Link, verifyCustody } from "../../protocol/custody.ts"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import type { Terms } from "../../protocol/release/grant.ts"
import { verifyOrder, verifyRelease } from "../../protocol/verify.ts"
import { codeOf, refusal } from "../support/refusal.ts"
import {
  evidenceOf,
  generalDigest,
  linkOf,
  listOf,
  makeStory,
  type Story,
  type StoryChanges,
} from "../support/story.ts"
import { makeMember, type TestMember } from "../support/world.ts"

const profiles = [generalDigest]
const [a, b, c, d, e] = (await Promise.all(
  ["XA", "XB", "XC", "XD", "XE"].map((state) =>
    makeMember({ seed: `custody ${state}`, state, profiles }),
  ),
)) as [TestMember, TestMember, TestMember, TestMember, TestMember]

const terms: Terms = {
  caveats: ["not for the press"],
  evidence: "members",
  expires: "2027-06-30",
  marking: "TLP:AMBER",
  onward: "free",
  purpose: "peer learning",
}

/** A gives its practice to B. */
function given(changes: StoryChanges = {}): Promise<Story> {
  return makeStory({ origin: a, recipient: b, grant: { terms }, ...changes })
}

/** Whoever it is passes on what it got by `link`, as it should or otherwise. */
async function passed(
  first: Story,
  link: Link,
  from: TestMember,
  to: TestMember,
  grant: Record<string, unknown> = {},
): Promise<Story> {
  const { record } = first
  return makeStory({
    origin: from,
    recipient: to,
    record,
    grant: { custody: link.digest, terms: { ...terms, onward: "no" }, ...grant },
  })
}

function judge(story: Story, links: readonly Link[]) {
  const { claim, logged, holder, placed, recordBytes, origin } = story
  return refusal(() => {
    const standing = verifyOrder(claim, logged, holder)
    const chain = chainBehind(placed[0]!.grant, new Map(links.map((one) => [one.digest, one])))
    const custody = chain.length === 0 ? null : verifyCustody(chain, placed[0]!, origin.id, holder)
    const content = { plaintext: recordBytes }
    verifyRelease(standing, placed[0]!, [], content, holder, undefined, custody)
  })
}

describe("a chain of custody", () => {
  test("leads from the origin over each holder to the last", async () => {
    const first = await given()
    const one = await linkOf(first)
    const second = await passed(first, one, b, c, { terms })
    expect(judge(second, [one])).toBeNull()
    const two = await linkOf(second)
    expect(judge(await passed(first, two, c, d), [one, two])).toBeNull()
  })

  test("is missed where it is cut, and believed by nobody's word", async () => {
    const first = await given()
    const one = await linkOf(first)
    const two = await linkOf(await passed(first, one, b, c, { terms }))
    const third = await passed(first, two, c, d)
    expect(judge(third, [two])).toBe("custody.malformed")
    expect(judge(third, [one])).toBe("custody.malformed")
    const bare = await passed(first, one, b, c, { custody: undefined })
    expect(judge(bare, [one])).toBe("custody.malformed")
    // A chain where the record is one's own, beside its origin's release.
    const own = await makeStory({ origin: a, recipient: c, grant: { custody: one.digest, terms } })
    expect(judge(own, [one])).toBe("custody.malformed")
  })

  test("rests on what was given to this holder, and to no other", async () => {
    const first = await given()
    const toOther = await linkOf(await given({ recipient: d }))
    expect(judge(await passed(first, toOther, b, c), [toOther])).toBe("custody.malformed")
  })

  test.each<[string, Partial<Terms>]>([
    ["marking", { marking: "TLP:GREEN" }],
    ["caveats", { caveats: [] }],
    ["evidence", { evidence: "public" }],
    ["expires", { expires: "2027-07-01" }],
    ["expires", { expires: undefined as never }],
    ["purpose", { purpose: "publication" }],
  ])("a holder that widens %s is refused by whoever it gives it to", async (_term, wider) => {
    const first = await given()
    const one = await linkOf(first)
    const widened = { ...terms, onward: "no" as const, ...wider }
    const story = await passed(first, one, b, c, { terms: JSON.parse(JSON.stringify(widened)) })
    expect(judge(story, [one])).toBe("custody.unpermitted")
  })

  test.each<Terms["onward"]>(["no", "consent"])(
    "a holder under onward %s passes nothing on",
    async (onward) => {
      const first = await given({ grant: { terms: { ...terms, onward } } })
      const one = await linkOf(first)
      expect(judge(await passed(first, one, b, c), [one])).toBe("custody.unpermitted")
    },
  )

  describe("inside a list", () => {
    const { list, digest } = listOf(b, [c, d])
    const inside = { ...terms, onward: { inside: digest } }

    test("goes round among its members, over three holders, and to nobody else", async () => {
      const first = await given({ grant: { terms: inside } })
      const one = await linkOf(first, list)
      const second = await passed(first, one, b, c, { terms: inside })
      expect(judge(second, [one])).toBeNull()
      expect(judge(await passed(first, one, b, e), [one])).toBe("custody.unpermitted")
      const two = await linkOf(second, list)
      expect(judge(await passed(first, two, c, d), [one, two])).toBeNull()
      expect(judge(await passed(first, two, c, e), [one, two])).toBe("custody.unpermitted")
    })

    test("is no wider with each holder: the same list, or none", async () => {
      const first = await given({ grant: { terms: inside } })
      const one = await linkOf(first, list)
      const newer = listOf(b, [c, d, e], { version: 2 }).digest
      for (const [onward, code] of [
        ["no", null],
        ["consent", null],
        ["free", "custody.unpermitted"],
        [{ inside: newer }, "custody.unpermitted"],
      ] as const)
        expect(judge(await passed(first, one, b, c, { terms: { ...terms, onward } }), [one])).toBe(
          code,
        )
      // Under `free` a holder may name a list of its own.
      const wide = await given()
      const link = await linkOf(wide)
      expect(judge(await passed(wide, link, b, c, { terms: inside }), [link])).toBeNull()
    })

    test("a holder on the way that ends it there ends it", async () => {
      const first = await given({ grant: { terms: inside } })
      const one = await linkOf(first, list)
      const two = await linkOf(await passed(first, one, b, c))
      expect(judge(await passed(first, two, c, d), [one, two])).toBe("custody.unpermitted")
    })

    test("the list is the one that was signed, and comes with the link that names it alone", async () => {
      const first = await given({ grant: { terms: inside } })
      const { list: longer } = listOf(b, [c, d, e])
      expect(await codeOf(linkOf(first, longer))).toBe("custody.malformed")
      expect(await codeOf(linkOf(first))).toBe("custody.malformed")
      expect(await codeOf(linkOf(await given(), list))).toBe("custody.malformed")
      for (const [changes, code] of [
        [{ kind: "good-practice" }, "group.malformed"],
        [{ fields: { ...list.fields, members: "XA" } }, "group.malformed"],
        [{ network: "operational" }, "network.mismatch"],
      ] as const) {
        const other = listOf(b, [c, d], changes)
        const named = await given({
          grant: { terms: { ...terms, onward: { inside: other.digest } } },
        })
        expect(await codeOf(linkOf(named, other.list))).toBe(code)
      }
    })
  })

  test("a holder on the way binds those behind it", async () => {
    const first = await given()
    const one = await linkOf(first)
    const narrow = { ...terms, onward: "no" as const }
    const two = await linkOf(await passed(first, one, b, c, { terms: narrow }))
    expect(judge(await passed(first, two, c, d), [one, two])).toBe("custody.unpermitted")
  })

  test("passes on the same seal of the same version", async () => {
    const first = await given()
    const one = await linkOf(first)
    const sealed = [{ digest: "22".repeat(32), size: 4144 }]
    expect(judge(await passed(first, one, b, c, { sealed }), [one])).toBe("custody.malformed")
    const other = await makeStory({
      origin: b,
      recipient: c,
      record: { ...first.record, body: "Something else.\n" },
      grant: { custody: one.digest, terms: { ...terms, onward: "no" } },
    })
    expect(judge(other, [one])).toBe("custody.malformed")
  })

  test("a link that its officers did not sign, or that is in no log, breaks it", async () => {
    const unsigned = await given({ signers: ["p1"] })
    const one = await linkOf(unsigned)
    expect(judge(await passed(unsigned, one, b, c), [one])).toBe("order.unauthorised")
    const first = await given()
    const whole = await linkOf(first)
    const fields = JSON.parse(decodeUtf8(whole.bytes))
    const forged = decodeLinkValue({ ...fields, salt: "33".repeat(32) })
    expect(judge(await passed(first, forged, b, c), [forged])).toBe("inclusion.invalid")
  })

  test("in evidence it is the record's origin that has to be pinned", async () => {
    const first = await given()
    const one = await linkOf(first)
    const second = await passed(first, one, b, c)
    const custody = [JSON.parse(decodeUtf8(one.bytes)) as Json]
    const file = await evidenceOf(second, { fields: { custody } })
    expect(verifyEvidence(file, [parsePin(a.id)])).toMatchObject({
      verdict: "verified",
      origin: a.id,
    })
    expect(verifyEvidence(file, [parsePin(b.id)]).code).toBe("evidence.pin")
    const cut = await evidenceOf(second, { fields: { custody: [] } })
    expect(verifyEvidence(cut, [parsePin(a.id)]).code).toBe("custody.malformed")
    const more = await evidenceOf(second, { fields: { custody: [...custody, ...custody] } })
    expect(verifyEvidence(more, [parsePin(a.id)]).code).toBe("evidence.malformed")
  })
})
