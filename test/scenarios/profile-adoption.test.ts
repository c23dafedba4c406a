import { expect, test } from "vitest"
import { publishRoot } from "../../node/authority/amend.ts"
import { readProposal, signProposal } from "../../node/authority/ceremony.ts"
import { adoptProfile, listProfiles } from "../../node/authority/profiles.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { createNode } from "../../node/node.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { exportOrder } from "../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { writeMeta } from "../../node/store/queries/members.ts"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import { ippas } from "../../protocol/profiles/ippas.ts"
import { encodeProfile, type Profile, profileDigest } from "../../protocol/profiles/profile.ts"
import { findProfile, findProfileById } from "../../protocol/profiles/registry.ts"
import { allowPublic, amend } from "../support/ceremony.ts"
import { errorsIn, holds, membersOf, share, write } from "../support/mechanism.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

const roles = ["competentAuthority", "informationSecurity"]
const practice = { areas: ["M1"], basis: "NSS 13", whyBetter: "Nobody else does it so." }

/** As the mechanism's, and asking for one thing more: the year since which it is in use. */
const rule = ippas.kinds["good-practice"]!
const stricter: Profile = {
  ...ippas,
  kinds: {
    ...ippas.kinds,
    "good-practice": {
      ...rule,
      optional: rule.optional.filter((field) => field !== "since"),
      required: ["basis", "since", "whyBetter"],
    },
  },
  version: 2,
}
const bytes = encodeProfile(stricter)

async function sign(node: TestNode, proposal: Uint8Array) {
  const read = readProposal(proposal)
  const lines = await Promise.all(node.founded.rootPairs.map((pair) => signProposal(read, pair)))
  await publishRoot(node.context, proposal, lines.flat())
}

test("a stricter version is in force when its own officers' root document names it, and where both have", async () => {
  await using net = await membersOf({ xa: { roles }, xb: { roles } })
  const { xa, xb } = net.nodes
  const steward = findProfileById("ippas")!.digest

  const adoption = await adoptProfile(xa.context, { bytes })
  expect(adoption).toMatchObject({ digest: profileDigest(bytes), replaces: [steward] })
  // Proposed is not adopted: drafts go by the old one until root keys have signed.
  expect(errorsIn(await write(xa, "ippas", "good-practice", practice))).toEqual([])
  await sign(xa, adoption.proposal)
  expect(listProfiles(xa.context).brought).toMatchObject([{ id: "ippas" }])
  expect(errorsIn(await write(xa, "ippas", "good-practice", practice))).toEqual([
    "profile.violated",
  ])

  const { record } = await write(xa, "ippas", "good-practice", { ...practice, since: "2019" })
  expect(await codeOf(share(xa, record, [xb]))).toBe("recipient.profile")
  const theirs = await adoptProfile(xb.context, { bytes })
  await sign(xb, theirs.proposal)
  await sync(xa.context, "xb")
  // Officers' machines that have never heard of it are told what the record is judged by.
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  const exported = JSON.parse(decodeUtf8(await exportOrder(xa.context, order)))
  expect(exported.profile).toEqual(stricter)
  await share(xa, record, [xb])
  expect(await holds(xb)).toEqual(["A good-practice"])
  expect(await codeOf(adoptProfile(xa.context, { bytes }))).toBe("profile.adopted")
})

test("one that asks for less is not even proposed", async () => {
  await using net = await membersOf({ xa: { roles } })
  const { xa } = net.nodes
  const looser = encodeProfile({ ...stricter, signoff: stricter.signoff.slice(1), version: 3 })
  expect(await codeOf(adoptProfile(xa.context, { bytes: looser }))).toBe("profile.looser")
  expect(await codeOf(adoptProfile(xa.context, { name: "nowhere" }))).toBe("profile.unknown")
})

test("what was brought in is known again after a restart", async () => {
  await using net = await membersOf({ xa: { roles } })
  const { xa } = net.nodes
  const other = encodeProfile({ ...stricter, version: 4 })
  const digest = profileDigest(other)
  await writeMeta(xa.context.db, `profile ${digest}`, other)
  expect(findProfile(digest)).toBeNull()
  await createNode(xa.env, xa.founded.keys, {})
  expect(findProfile(digest)?.profile.version).toBe(4)
})

test("what a member refused for want of a profile comes again when its root document names it", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  await allowPublic(xa)
  const general = findProfileById("general")!.digest
  await amend(xb, { drop: [general] })
  const released = async (title: string) => {
    const source = `---\ntitle: ${title}\nlanguage: en\nmarking: TLP:CLEAR\n---\nAs we do it.\n`
    const { record } = await addDraft(xa.context, source)
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["public"] })
    await authoriseAndPublish(xa, orders, [record])
    return record
  }
  const gone = await released("Taken back meanwhile")
  await released("Two keys")
  for (const node of [xb, xc]) await sync(node.context, "xa")
  expect([await holds(xb), await holds(xc)]).toEqual([[], ["Taken back meanwhile", "Two keys"]])
  await sync(xa.context, "xb")
  const { orders } = await requestWithdrawal(xa.context, { record: gone, reason: "superseded" })
  await authoriseAndPublish(xa, orders)

  await amend(xb, { adopt: [general] })
  await sync(xa.context, "xb")
  await sync(xb.context, "xa")
  expect(await holds(xb)).toEqual(["Two keys"])
  // Once: another root version that names it as before sends nothing.
  const before = await feedOf(xa, xb)
  await amend(xb, {})
  await sync(xa.context, "xb")
  expect(await feedOf(xa, xb)).toBe(before)
})

const feedOf = async (node: TestNode, peer: TestNode) =>
  (
    await node.context.db
      .selectFrom("feed")
      .select("n")
      .where("peer", "=", peer.context.self.id)
      .executeTakeFirstOrThrow()
  ).n
