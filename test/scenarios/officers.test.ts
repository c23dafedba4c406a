import { describe, expect, test } from "vitest"
import { publishRoot } from "../../node/authority/amend.ts"
import { listOfficers, unmetLines } from "../../node/authority/authority.ts"
import { describeChanges, readProposal } from "../../node/authority/ceremony.ts"
import { signDecision } from "../../node/authority/decision.ts"
import { readEnrolment, requestEnrolment } from "../../node/authority/enrol.ts"
import { makeOfficerKey, type OfficerKey } from "../../node/authority/found.ts"
import { propose } from "../../node/authority/propose.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { refuseOrder, showOrder } from "../../node/order/orders.ts"
import { requestRelease } from "../../node/order/release.ts"
import { show } from "../../node/reading/records.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { amend, release, signedBy } from "../support/ceremony.ts"
import { officerKey, practiceText } from "../support/hostile.ts"
import { network, signAs, type TestNode } from "../support/network.ts"
import { codeOf, refusal as refusedWith } from "../support/refusal.ts"
import { flipBit } from "../support/world.ts"

const day = "2026-11-23"
const addressOf = ({ context: { self } }: TestNode) => ({
  member: self.id,
  network: self.network,
  day,
})

function newOfficer(node: TestNode, person: string, role = "operator"): OfficerKey {
  return makeOfficerKey(node.env, { person, organisation: "Security", roles: [role] })
}

/** The same node, with these officers' keys for the test to sign with. */
function withOfficers(node: TestNode, ...keys: readonly OfficerKey[]): TestNode {
  const officers = [...node.founded.officers, ...keys]
  return { ...node, founded: { ...node.founded, officers } }
}

async function open(node: TestNode, title: string) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { order } = await requestRelease(node.context, { records: [record], to: ["xb"] })
  return order
}

async function pair() {
  const net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  return { net, xa, xb, [Symbol.asyncDispose]: () => net.close() }
}

const no = (subject: string, reason = "no") => ({ act: "refuse", reason, subject }) as const

describe("an enrolment request", () => {
  test("becomes an officer by a root version whose signers see who it is", async () => {
    await using world = await pair()
    const { xa } = world
    const p3 = newOfficer(xa, "p3")
    const request = await requestEnrolment(p3, addressOf(xa))
    const proposal = await propose(xa.context, { enrol: [{ request }], dismiss: ["p2"] })
    const changes = describeChanges(readProposal(proposal))
    expect(changes).toContainEqual(expect.stringMatching(/adds p3 as operator \(Security\), key /))
    expect(changes).toContainEqual(expect.stringMatching(/removes p2 as informationSecurity/))
    await publishRoot(xa.context, proposal, await signedBy(proposal, xa.founded.rootPairs))
    const officers = await listOfficers(xa.context)
    expect(officers.map(({ person, sealing }) => [person, sealing])).toEqual([
      ["p1", true],
      ["p3", true],
    ])
  })

  test("proves possession: without the private key, or altered in a bit, it is none", async () => {
    await using world = await pair()
    const { xa } = world
    const p3 = newOfficer(xa, "p3")
    const to = addressOf(xa)
    // Somebody else's public key in the thief's request.
    const stolen = { officer: p3.officer, seed: newOfficer(xa, "thief").seed }
    expect(
      await codeOf(requestEnrolment(stolen, to).then((bytes) => readEnrolment(bytes, to))),
    ).toBe("signed.invalid")
    const request = await requestEnrolment(p3, to)
    for (let bit = 3; bit < 8 * request.length; bit += 1013)
      expect(refusedWith(() => readEnrolment(flipBit(request, bit), to))).not.toBeNull()
    expect(readEnrolment(request, to).officer).toEqual(p3.officer)
  })

  test("to another member enrols nobody here: no officer is made one unawares", async () => {
    await using world = await pair()
    const { xa, xb } = world
    const request = await requestEnrolment(newOfficer(xa, "p3"), addressOf(xb))
    expect(await codeOf(propose(xa.context, { enrol: [{ request }] }))).toBe("statement.malformed")
  })

  test("a refusal is no enrolment, though the same key signed it", async () => {
    await using world = await pair()
    const { xa } = world
    const p1 = officerKey(xa, "p1")
    const statement = await signDecision(p1, addressOf(xa), no("00".repeat(16)))
    expect(await codeOf(propose(xa.context, { enrol: [{ request: statement }] }))).toBe(
      "statement.malformed",
    )
  })
})

describe("a deputy", () => {
  async function deputised(days: { from?: string; until?: string }) {
    const world = await pair()
    const p3 = newOfficer(world.xa, "p3", "competentAuthority")
    const request = await requestEnrolment(p3, addressOf(world.xa))
    const proposal = await propose(world.xa.context, { enrol: [{ request, ...days }] })
    await publishRoot(
      world.xa.context,
      proposal,
      await signedBy(proposal, world.xa.founded.rootPairs),
    )
    return { ...world, xa: withOfficers(world.xa, p3) }
  }

  test("signs on its days, both included", async () => {
    await using world = await deputised({ from: day, until: day })
    const order = await open(world.xa, "Today")
    for (const person of ["p1", "p3"]) await signAs(world.xa, order, person)
    expect(await publish(world.xa.context, order)).toMatchObject({ order })
  })

  test("does not sign before its first day, nor after its last", async () => {
    await using early = await deputised({ from: "2026-11-24" })
    expect(await codeOf(signAs(early.xa, await open(early.xa, "Early"), "p3"))).toBe(
      "officer.lapsed",
    )
    await using late = await deputised({ until: "2026-11-22" })
    expect(await codeOf(signAs(late.xa, await open(late.xa, "Late"), "p3"))).toBe("officer.lapsed")
  })

  test("who signed on the last day is not counted the day after, and makes room for others", async () => {
    await using world = await deputised({ until: day })
    const { xa, net } = world
    const order = await open(xa, "Overnight")
    for (const person of ["p1", "p3"]) await signAs(xa, order, person)
    expect((await showOrder(xa.context, order)).satisfied).toBe(true)
    net.clock.now += 86_400_000
    expect(await codeOf(publish(xa.context, order))).toBe("order.unsatisfied")
    await signAs(xa, order, "p2")
    await publish(xa.context, order)
    expect((await showOrder(xa.context, order)).signatures.map(({ person }) => person)).toEqual([
      "p1",
      "p2",
    ])
  })

  test("leaves the root document with the next version, whatever that is for", async () => {
    await using world = await deputised({ until: day })
    const { xa, net } = world
    expect(newestRoot(xa.context.self).payload.officers).toHaveLength(3)
    net.clock.now += 86_400_000
    await amend(xa, { fields: { name: "Another name" } })
    expect(newestRoot(xa.context.self).payload.officers).toHaveLength(2)
    expect((await listOfficers(xa.context)).map(({ person }) => person)).toEqual(["p1", "p2"])
  })
})

test("one person with two enrolled keys is one person", async () => {
  await using world = await pair()
  const second = newOfficer(world.xa, "p1", "competentAuthority")
  await amend(world.xa, { enrol: [{ officer: second.officer }] })
  const order = await open(world.xa, "Twice")
  await signAs(world.xa, order, "p1")
  const alone = { ...world.xa, founded: { ...world.xa.founded, officers: [second] } }
  expect(await codeOf(signAs(alone, order, "p1"))).toBe("officer.signed")
  expect(await codeOf(publish(world.xa.context, order))).toBe("order.unsatisfied")
})

describe("a refusal", () => {
  test("by an officer ends the order, with reason and name on record", async () => {
    await using world = await pair()
    const { xa } = world
    const order = await open(xa, "Names a site")
    await signAs(xa, order, "p1")
    const says = no(order, "names a site")
    await refuseOrder(xa.context, await signDecision(officerKey(xa, "p2"), addressOf(xa), says))
    expect(await showOrder(xa.context, order)).toMatchObject({
      state: "refused",
      refusedBy: "p2",
      reason: "names a site",
    })
    expect(await codeOf(signAs(xa, order, "p2"))).toBe("order.closed")
    expect(await codeOf(publish(xa.context, order))).toBe("order.closed")
  })

  test("by anybody else, of another order or member, ends nothing", async () => {
    await using world = await pair()
    const { xa, xb } = world
    const order = await open(xa, "Stays")
    const refuse = async (key: OfficerKey, to = xa, of = order) =>
      codeOf(
        signDecision(key, addressOf(to), no(of)).then((bytes) => refuseOrder(xa.context, bytes)),
      )
    expect(await refuse(newOfficer(xa, "p1"))).toBe("signed.unknown-key")
    expect(await refuse(officerKey(xb, "p1"))).toBe("signed.unknown-key")
    expect(await refuse(officerKey(xa, "p1"), xb)).toBe("statement.malformed")
    expect(await refuse(officerKey(xa, "p1"), xa, "ff".repeat(16))).toBe("order.unknown")
    expect((await showOrder(xa.context, order)).state).toBe("open")
  })
})

test("history stays when everybody has changed: what the former officers released still verifies", async () => {
  await using world = await pair()
  const { xa, xb } = world
  const { record } = await release(xa, "By the former", "xb")
  const heirs = [newOfficer(xa, "p3"), newOfficer(xa, "p4")]
  await amend(xa, { enrol: heirs.map(({ officer }) => ({ officer })), dismiss: ["p1", "p2"] })
  await sync(xb.context)
  expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
  expect(await codeOf(signAs(xa, await open(xa, "Too late"), "p1"))).toBe("officer.unknown")
})

test("a policy that today's officers can't meet is told before it locks anybody out", async () => {
  await using world = await pair()
  const { context } = world.xa
  const line = { act: "any", kind: "any", persons: 1, profile: "any", role: "any" } as const
  expect(await unmetLines(context)).toEqual([])
  expect(
    await unmetLines(context, [
      { ...line, persons: 2 },
      { ...line, persons: 3 },
      { ...line, role: "minister" },
      { ...line, organisations: 2 },
      { ...line, role: "competentAuthority" },
    ]),
  ).toEqual([
    "every act: 3 persons in any role",
    "every act: 1 person as minister",
    "every act: 1 person in any role, from 2 organisations",
  ])
})
