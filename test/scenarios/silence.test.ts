import { expect, test } from "vitest"
import { reviewExport } from "../../node/authority/officer.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { why } from "../../node/exchange/why.ts"
import { nodeKid } from "../../node/keys/keys.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { publish } from "../../node/log/sequencer.ts"
import { makeObjection } from "../../node/order/objection.ts"
import { exportOrder, showOrder } from "../../node/order/orders.ts"
import { requestWithdrawal } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { allowPublic } from "../support/ceremony.ts"
import { everybodyReads, pass } from "../support/days.ts"
import {
  agreeMission,
  digestOf,
  membersOf,
  named,
  propose,
  share as transmit,
  write,
} from "../support/mechanism.ts"
import { authoriseAndPublish } from "../support/network.ts"
import { codeOf, refusal } from "../support/refusal.ts"
import { agreeToSilence, object, silentMission } from "../support/silence.ts"
import { amend } from "../support/witnessing.ts"

const host = { roles: ["operator", "regulator"] }
const team = { kind: "team", roles: ["teamLeader"] } as const

const mission = () => silentMission("osart", host.roles)
type Mission = Awaited<ReturnType<typeof mission>>

/** What the team found, as the host has it, with more of the same: the clock runs. */
async function transmitted(
  { nodes: { xa, xt }, digest }: Mission,
  title = "Synthetic finding",
  marking = "TLP:AMBER",
) {
  const found = { agreement: digest, areas: ["1"], host: named(xa), marking }
  const records: string[] = []
  for (const one of [title, `${title}, and what else there was`])
    records.push((await write(xt, "osart", "encouragement", { ...found, title: one })).record)
  await transmit(xt, records, [xa])
  await sync(xa.context, "xt")
  return records[0]!
}

const share = (net: Mission, record: string) =>
  propose(net.nodes.xt, record, [net.nodes.xc], { beyondDefault: true })

test("a host that agreed to it is silent for 90 days, and the team's officers release: provably", async () => {
  await using net = await mission()
  const { xa, xt, xc } = net.nodes
  // The key of the host's node is another when the record comes, and again another when the silence is over.
  await amend(xa, { renew: ["node"] })
  await everybodyReads(net)
  const record = await transmitted(net)
  expect((await show(xa.context, record)).notes).toContain(
    `from 2027-02-22 on its origin may release it on our silence, as we agreed; before: comity consent object ${record.slice(0, 12)} --reason TEXT`,
  )

  const [early = ""] = await share(net, record)
  expect((await showOrder(xt.context, early)).missing).toEqual([
    "the consent of xa, or its silence: officers may sign from 2027-02-22 on",
  ])
  expect(await why(xt.context, record, "xc")).toMatchObject({
    have: false,
    detail: expect.stringContaining("officers may sign from 2027-02-22 on"),
  })
  expect(await codeOf(publish(xt.context, early))).toBe("order.unconsented")

  await amend(xa, { renew: ["node"] })
  await pass(net, 90)
  const [last = ""] = await share(net, record)
  expect(await codeOf(publish(xt.context, last))).toBe("order.unconsented")

  // The silence is over. What was signed before is not signed on it.
  await pass(net, 1)
  expect((await showOrder(xt.context, last)).missing).toEqual([
    "signatures of 2027-02-22 or later: ask for the release again",
  ])
  expect(await codeOf(publish(xt.context, last))).toBe("order.unconsented")
  const [order = ""] = await share(net, record)
  expect(await showOrder(xt.context, order)).toMatchObject({ satisfied: true, missing: [] })
  await publish(xt.context, order)
  await sync(xc.context, "xt")
  expect((await inbox(xc.context)).records).toMatchObject([{ record, verdict: "verified" }])
  const { provenance } = await show(xc.context, record)
  expect(provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))
  expect(provenance[4]!.text).toContain(`tacit consent of ${xa.context.self.id}`)

  const { file } = await exportEvidence(xc.context, record)
  const { verdict, ground } = verifyEvidence(file, [parsePin(xt.context.self.id)])
  expect(verdict).toBe("verified")
  expect(ground).toContainEqual(
    expect.stringMatching(
      /^not objected to before 2027-02-22, as agreed beforehand, by Authority XA/,
    ),
  )

  // An objection that comes after it starts no deletion: what was released stays, until it is withdrawn.
  await object(net.nodes.xa, record)
  await everybodyReads(net)
  expect((await inbox(xc.context)).records).toMatchObject([{ record, verdict: "verified" }])
  const again = await share(net, record)
  expect(await codeOf(publish(xt.context, again[0]!))).toBe("order.unconsented")
})

test("an objection on the last day stops it: at the team's sequencer, and at whoever reads the host's log", async () => {
  await using net = await mission()
  const { xa, xt, xc } = net.nodes
  const record = await transmitted(net)
  await pass(net, 90)
  const [made] = await object(net.nodes.xa, record)
  expect(made).toMatchObject({ about: record, needs: 2 })
  expect((await show(xa.context, record)).notes.join()).not.toContain("silence")
  await pass(net, 2)
  const [order = ""] = await share(net, record)
  expect((await showOrder(xt.context, order)).missing).toEqual([
    "the consent of xa, which has objected",
  ])
  expect(await codeOf(publish(xt.context, order))).toBe("order.unconsented")

  // A server that keeps the order from its officers: the log says it as well.
  await xt.context.db.deleteFrom("consent").execute()
  expect(await codeOf(publish(xt.context, order))).toBe("order.unconsented")

  // Another record of the same mission is not objected to.
  const other = await transmitted(net, "Another finding")
  await pass(net, 91)
  const [free = ""] = await share(net, other)
  await publish(xt.context, free)
  await sync(xc.context, "xt")
  expect((await inbox(xc.context)).records).toMatchObject([{ record: other }])
  expect(await codeOf(makeObjection(xc.context, other, "not ours to say"))).toBe("consent.unasked")
})

test("what a server keeps out of sight of the host's log is known to whoever has read it", async () => {
  await using net = await mission()
  const { xt, xc } = net.nodes
  const record = await transmitted(net)
  await pass(net, 91)
  // The term is over: this is behind the checkpoint that the team's server has, and it reads no further.
  await object(net.nodes.xa, record)
  await sync(xc.context, "xa")
  const [order = ""] = await share(net, record)
  await publish(xt.context, order)
  const { peers } = await sync(xc.context, "xt")
  expect(peers).toMatchObject([{ received: 0, refused: 1 }])
  expect((await inbox(xc.context)).records).toEqual([])
})

test("a host that is away is not silent: its witness has nothing to say", async () => {
  await using net = await mission()
  const { xa, xt } = net.nodes
  const record = await transmitted(net)
  net.down.add(xa.host)
  await pass(net, 120)
  const [order = ""] = await share(net, record)
  expect((await showOrder(xt.context, order)).missing).toEqual([
    "the consent of xa, or that its witnesses say on 2027-02-22 or later that it has been silent",
  ])
  expect(await codeOf(publish(xt.context, order))).toBe("order.unconsented")
})

test("officers see to what they object, as their own machine found it", async () => {
  await using net = await mission()
  const { xa } = net.nodes
  const record = await transmitted(net)
  const [made] = await makeObjection(xa.context, record, "names a person")
  const exported = await exportOrder(xa.context, made!.order)
  const reviewed = (change: (about: { [field: string]: unknown }) => void) => {
    const fields = JSON.parse(decodeUtf8(exported))
    change(fields.about)
    return () =>
      reviewExport(
        encodeCanonical(fields),
        new Map([[net.nodes.xt.context.self.id, "the team"]]),
        null,
      )
  }
  expect(reviewed(() => {})().notes).toEqual([
    "objects to the release of “Synthetic finding” by the team: our silence stands for nothing",
  ])
  const other = "ab".repeat(32)
  expect(refusal(reviewed((about) => (about.record = other)))).toBe("order.unconsented")
  expect(
    refusal(reviewed((about) => ((about.content as { title: string }).title = "Another"))),
  ).toBe("record.mismatch")
  const [toAll] = await makeObjection(xa.context, net.agreement, "ended")
  const { notes } = reviewExport(await exportOrder(xa.context, toAll!.order), new Map(), null)
  expect(notes[0]).toMatch(
    /^objects to whatever words: .* would release on our silence from now on$/,
  )
})

test("a host that names no witnesses can't be silent", async () => {
  await using net = await membersOf({ xa: host, xt: team, xc: host })
  const { xa, xt } = net.nodes
  await agreeMission(xa, xt, "osart")
  const agreement = await agreeToSilence(xa, xt, "osart", "OSART 2026")
  const all = Object.assign(net, { agreement, digest: await digestOf(xa, agreement) })
  const record = await transmitted(all)
  await pass(net, 91)
  const [order = ""] = await share(all, record)
  expect((await showOrder(xt.context, order)).missing).toEqual([
    "the consent of xa: it names no witnesses who could say that it was silent",
  ])
  expect(await codeOf(publish(xt.context, order))).toBe("order.unconsented")
})

test("a host that revokes its node's key stands by no receipt of it: at the team, and at recipients", async () => {
  await using net = await mission()
  const { xa, xt, xc } = net.nodes
  const record = await transmitted(net)
  await pass(net, 91)
  const [order = ""] = await share(net, record)
  const kid = nodeKid(xa.context.keys)
  const revoke = [{ kid, from: { epoch: 1, size: 0 } }]
  await amend(xa, { renew: ["node"], revoke })
  // The recipient has read of it, the team's server has not.
  await sync(xc.context, "xa")
  await publish(xt.context, order)
  expect((await sync(xc.context, "xt")).peers).toMatchObject([{ received: 0, refused: 1 }])
  await sync(xt.context, "xa")
  const [again = ""] = await share(net, record)
  expect((await showOrder(xt.context, again)).missing).toEqual(["the consent of xa"])
})

test("a host that ends its agreement before the term is asked again", async () => {
  await using net = await mission()
  const { xa, xt } = net.nodes
  const record = await transmitted(net)
  await pass(net, 50)
  const ending = await requestWithdrawal(xa.context, { record: net.agreement, reason: "ended" })
  await authoriseAndPublish(xa, [ending.order])
  await pass(net, 50)
  const [order = ""] = await share(net, record)
  expect((await showOrder(xt.context, order)).missing).toEqual(["the consent of xa"])
  expect(await codeOf(publish(xt.context, order))).toBe("order.unconsented")
})

test("an objection to the agreement itself is to all that is sent under it, and to nothing under another", async () => {
  await using net = await mission()
  const { xa, xt } = net.nodes
  const first = await transmitted(net)
  const second = await agreeToSilence(xa, xt, "osart", "OSART 2027")
  const other = { ...net, digest: await digestOf(xa, second) } as Mission
  const later = await transmitted(other, "Of the second mission")
  await pass(net, 50)
  await object(net.nodes.xa, net.agreement)
  await pass(net, 41)
  const [stopped = ""] = await share(net, first)
  expect(await codeOf(publish(xt.context, stopped))).toBe("order.unconsented")
  const [free = ""] = await share(net, later)
  await publish(xt.context, free)
})

test("silence lets everybody read it only where the host agreed that everybody is shown so", async () => {
  await using net = await mission()
  const { xa, xt, xc } = net.nodes
  await allowPublic(xt, 1)
  await everybodyReads(net)
  // The usual terms of an agreement: members may be shown that it was made.
  const among = await transmitted(net, "Among members", "TLP:CLEAR")
  const open = await agreeToSilence(xa, xt, "osart", "OSART 2027", { evidence: "public" })
  const knowing = { ...net, digest: await digestOf(xa, open) } as Mission
  const known = await transmitted(knowing, "For all", "TLP:CLEAR")
  await pass(net, 91)
  const toAll = (record: string) => propose(xt, record, [], { beyondDefault: true, to: ["public"] })
  const [refused = ""] = await toAll(among)
  expect((await showOrder(xt.context, refused)).missing).toEqual([
    "the consent of xa, since not everybody who will read it may be shown that it agreed to be silent",
  ])
  expect(await codeOf(publish(xt.context, refused))).toBe("order.unconsented")
  const [to = ""] = await share(net, among)
  await publish(xt.context, to)
  const [order = ""] = await toAll(known)
  await publish(xt.context, order)
  await sync(xc.context, "xt")
  const { records } = await inbox(xc.context)
  const held = records.map((one) => [one.record, one.public, one.verdict] as const)
  expect(new Set(held)).toEqual(
    new Set([
      [known, true, "verified"],
      [among, false, "verified"],
    ]),
  )
})
