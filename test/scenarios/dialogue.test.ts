import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { checkHeldLinks } from "../../node/order/links.ts"
import { requestRelease } from "../../node/order/release.ts"
import { say } from "../../node/order/say.ts"
import { translate } from "../../node/order/translate.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { findProfileById } from "../../protocol/profiles/registry.ts"
import { decodeRecord } from "../../protocol/record/record.ts"
import { allowPublic } from "../support/ceremony.ts"
import { agreeMission } from "../support/mechanism.ts"
import { authorise, authoriseAndPublish, network, type TestNode } from "../support/network.ts"

const practice = `---
title: Two persons open the store
profile: ippas
kind: good-practice
areas: [M2]
basis: NSS 13, para 3.26
whyBetter: Nobody is alone with the material.
---
The store opens to two persons of two offices.
`

/** A draft of `from` in the hands of each of these. */
async function given(from: TestNode, source: string, to: readonly TestNode[]): Promise<string> {
  const { record } = await addDraft(from.context, source)
  const names = to.map(({ name }) => name)
  const { orders } = await requestRelease(from.context, {
    records: [record],
    to: names,
    beyondDefault: true,
  })
  await authoriseAndPublish(from, orders)
  for (const node of to) await receive(node)
  return record
}

async function receive(node: TestNode): Promise<void> {
  for (const { refused, failed } of (await sync(node.context)).peers)
    expect({ refused, failed }).toEqual({ refused: 0, failed: 0 })
}

/** Words of one member in the hands of those they are for. */
async function said(
  from: TestNode,
  saying: Parameters<typeof say>[1],
  to: readonly TestNode[],
): Promise<string> {
  const { orders, preview } = await say(from.context, saying)
  await authoriseAndPublish(from, orders)
  for (const node of to) await receive(node)
  return preview[0]!.record
}

async function three() {
  const net = await network(["xa", "xb", "xc"], {
    officers: [
      { person: "p1", roles: ["competentAuthority"] },
      { person: "p2", roles: ["informationSecurity"] },
      { person: "p3", roles: ["teamLeader"] },
    ],
  })
  const { xa, xb, xc } = net.nodes as { readonly [name: string]: TestNode }
  for (const { context } of [xa!, xb!, xc!])
    for (const marking of ["TLP:AMBER+STRICT", "TLP:AMBER"]) context.localMarks.set(marking, "OURS")
  return { net, xa: xa!, xb: xb!, xc: xc! }
}

test("a question is answered to whoever asked; others learn question and answer, and not who asked", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  const record = await given(xa, practice, [xb, xc])
  const question = await said(
    xb,
    { relation: "asks", record, text: "Who signs when one of them is away?", to: ["xa"] },
    [xa],
  )
  expect((await show(xa.context, record)).links.linked).toEqual([
    expect.objectContaining({ relation: "asks", record: question, from: "xb", kind: "question" }),
  ])
  const answer = await said(
    xa,
    { relation: "answers", record: question, text: "A deputy, named before.", also: ["xc"] },
    [xb, xc],
  )
  const asked = await show(xb.context, question)
  expect(asked.links).toMatchObject({
    about: [{ relation: "asks", record, title: "Two persons open the store" }],
    linked: [{ relation: "answers", record: answer, from: "xa", title: "A deputy, named before." }],
  })
  const [told, ...rest] = (await show(xc.context, record)).links.linked
  expect(rest).toEqual([])
  expect(told).toMatchObject({ relation: "replies", from: "xa", kind: "comment" })
  const { content } = await show(xc.context, told!.record)
  expect(content).toMatchObject({
    body: "> Who signs when one of them is away?\n\nA deputy, named before.",
  })
  // Nothing that xc was ever sent says that xb asked.
  const sent = Buffer.concat(xa.served.get(xc.context.self.id) ?? [])
  const held = await xc.context.db.selectFrom("content").select("bytes").execute()
  for (const bytes of [sent, ...held.map((row) => Buffer.from(row.bytes))]) {
    expect(bytes.includes(question)).toBe(false)
  }
  await expect(
    say(xa.context, { relation: "answers", record: question, text: "A deputy.", to: ["xc"] }),
  ).rejects.toMatchObject({ code: "profile.violated" })
})

test("what became of a practice comes back to its origin, and an outcome that is none is refused", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  const record = await given(xa, practice, [xb, xc])
  await said(
    xb,
    { relation: "adopts", record, status: "adapted", text: "With three persons instead of two." },
    [xa],
  )
  await said(xc, { relation: "adopts", record, status: "not-applicable" }, [xa])
  expect((await show(xa.context, record)).links.linked).toMatchObject([
    { relation: "adopts", from: "xb", status: "adapted" },
    { relation: "adopts", from: "xc", status: "not-applicable" },
  ])
  // Who else was given it, and what they made of it, is the origin's to know.
  expect((await show(xc.context, record)).links.linked).toHaveLength(1)
  await expect(
    say(xb.context, { relation: "adopts", record, status: "liked" }),
  ).rejects.toMatchObject({ code: "draft.errors" })
  expect(await xb.context.db.selectFrom("draft").select("title").execute()).toHaveLength(1)
})

const finding = `---
title: The fence is not watched
profile: ippas
kind: recommendation
areas: [M2]
marking: TLP:AMBER+STRICT
basis: NSS 13, para 4.30
observation: One side has no detection.
---
The operator should watch all four sides.
`

test("host and assessor say how far a finding has come, each for itself and on its mechanism's scale", async () => {
  const { net, xa, xb } = await three()
  await using _closing = net
  const record = await given(xa, finding, [xb])
  await said(
    xa,
    { relation: "follows-up", record, status: "closed-implemented", text: "Done in May." },
    [xb],
  )
  await said(xb, { relation: "follows-up", record, status: "in-progress", text: "Half of it." }, [
    xa,
  ])
  for (const node of [xa, xb])
    expect((await show(node.context, record)).links.linked).toEqual([
      expect.objectContaining({ from: "xa", claim: "host", status: "closed-implemented" }),
      expect.objectContaining({ from: "xb", claim: "assessor", status: "in-progress" }),
    ])
  await expect(
    say(xb.context, { relation: "follows-up", record, status: "issue-resolved" }),
  ).rejects.toMatchObject({ code: "profile.violated" })
})

test("a reservation goes wherever the record goes, before it, and not without its author's leave", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  const { record } = await addDraft(xa.context, practice)
  const first = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  await authoriseAndPublish(xa, first.orders)
  await receive(xb)
  const reservation = await said(
    xa,
    { relation: "reserves", record, text: "Not tried in transport." },
    [xb],
  )
  const later = await requestRelease(xa.context, { records: [record], to: ["xc"] })
  expect(later.preview.map(({ record: id }) => id)).toEqual([reservation, record])
  const [remark, practiceOrder] = later.orders as [string, string]
  await authorise(xa, practiceOrder)
  await expect(publish(xa.context, practiceOrder)).rejects.toMatchObject({
    code: "record.reserved",
  })
  await authoriseAndPublish(xa, [remark])
  await publish(xa.context, practiceOrder)
  await receive(xc)
  expect((await show(xc.context, record)).links.linked).toMatchObject([
    { relation: "reserves", from: "xa", title: "Not tried in transport." },
  ])
  // A stranger to the record reserves nothing on it.
  await expect(
    say(xc.context, { relation: "reserves", record, text: "We would rather not." }),
  ).rejects.toMatchObject({ code: "profile.violated" })
})

const fromTheTeam = (host: string) => `---
title: Crews rehearse with the shift before
profile: osart
kind: good-practice
areas: ["3"]
basis: SSR-2/2
replicability: One hour a week.
whyBetter: Both shifts see the same plant.
host: ${host}
agreement: ${"00".repeat(32)}
---
Each crew rehearses with the one before it.
`

test("the words of a host travel with the record of the team, as the host signed them", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  await agreeMission(xb, xa, "osart")
  // A member that a record names sees it in any case.
  const record = await given(xa, fromTheTeam(xb.context.self.id), [xb])
  const words = await said(xb, { relation: "reserves", record, text: "Only in winter." }, [xa])
  const further = { records: [record], to: ["xc"], beyondDefault: true }
  const { orders, preview } = await requestRelease(xa.context, further)
  expect(preview.map(({ record: id }) => id)).toEqual([words, record])
  await authoriseAndPublish(xa, [orders[0]!])
  await receive(xc)
  expect(await show(xc.context, words)).toMatchObject({
    from: "xb",
    links: { about: [{ relation: "reserves", record, title: null }] },
  })
  // Once it is with them it does not come along again.
  const again = await requestRelease(xa.context, { ...further, dryRun: true })
  expect(again.preview).toHaveLength(1)

  const kept = await given(xa, fromTheTeam(xb.context.self.id).replace("shift", "crew"), [xb])
  const comment = await addDraft(xb.context, reservationOn(xa.context.self.id, kept))
  const closed = await requestRelease(xb.context, { records: [comment.record], to: ["xa"] })
  await authoriseAndPublish(xb, closed.orders)
  await receive(xa)
  await expect(requestRelease(xa.context, { ...further, records: [kept] })).rejects.toMatchObject({
    code: "record.reserved",
  })
})

test("what is for everybody goes with the reservations on it, each released to everybody by its own author", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  for (const node of [xa, xb]) await allowPublic(node)
  for (const { context } of [xa, xb, xc]) context.localMarks.set("TLP:CLEAR", "OURS")
  await agreeMission(xb, xa, "osart")
  const open = fromTheTeam(xb.context.self.id).replace("profile:", "marking: TLP:CLEAR\nprofile:")
  const record = await given(xa, open, [xb])
  const openly = (origin: TestNode) =>
    reservationOn(xa.context.self.id, record)
      .replace("title: We", `title: ${origin.name} and its officers`)
      .replace("profile:", "marking: TLP:CLEAR\nprofile:")
  const { record: words } = await addDraft(xb.context, openly(xb))
  const passed = { records: [words], to: ["xa"], onward: "free" } as const
  await authoriseAndPublish(xb, (await requestRelease(xb.context, passed)).orders)
  await receive(xa)
  const ask = () =>
    requestRelease(xa.context, { records: [record], to: ["public"], beyondDefault: true })
  // That it may be passed on to any member is no leave to publish it.
  await expect(ask()).rejects.toMatchObject({ code: "record.reserved" })
  const { orders } = await requestRelease(xb.context, { records: [words], to: ["public"] })
  await authoriseAndPublish(xb, orders, [words])
  await receive(xa)
  const { record: own } = await addDraft(xa.context, openly(xa))
  await requestRelease(xa.context, { records: [own], to: ["xb"] })
  const asked = await ask()
  expect(asked.preview.map(({ record: id, recipient }) => [id, recipient])).toEqual([
    [own, "public"],
    [record, "public"],
  ])
  expect(asked.preview.map(({ terms }) => terms?.onward)).toEqual(["no", "no"])
})

/** As an author writes it by hand, and releases it as anything else: not to be passed on. */
const reservationOn = (origin: string, record: string) => `---
title: We do not agree
profile: dialogue
kind: reservation
about: reserves ${origin} ${record}
---
We do not agree.
`

test("a translation is signed off as its original is, and shows as one of an older version", async () => {
  const { net, xa, xb, xc } = await three()
  await using _closing = net
  const record = await given(xa, practice, [xb])
  const french = practice
    .replace("Two persons open the store", "Deux personnes ouvrent le dépôt")
    .replace("profile: ippas\nkind: good-practice\nareas: [M2]", "language: fr")
  const draft = await translate(xa.context, { record, source: french, status: "official" })
  expect(draft.findings.filter(({ severity }) => severity === "error")).toEqual([])
  expect(draft).toMatchObject({ profile: "ippas", kind: "good-practice" })
  const { orders, needs } = await requestRelease(xa.context, {
    records: [draft.record],
    to: ["xb"],
  })
  expect(needs).toBe(2)
  await authoriseAndPublish(xa, orders)
  await receive(xb)
  expect((await show(xb.context, record)).links.linked).toMatchObject([
    { relation: "translates", status: "official", language: "fr" },
  ])
  expect((await search(xb.context, "personnes")).records).toHaveLength(1)

  const { editDraft } = await import("../../node/order/drafts.ts")
  await editDraft(xa.context, record, `${practice}And to no one else.\n`)
  const next = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  await authoriseAndPublish(xa, next.orders)
  await receive(xb)
  const shown = await show(xb.context, record)
  expect(shown.version).toBe(2)
  expect(shown.links.linked).toMatchObject([{ relation: "translates", outdated: true }])

  // A reader's own translation goes back to the origin, and to nobody else.
  const courtesy = await translate(xb.context, {
    record,
    source: french.replace("language: fr", "language: es"),
    status: "courtesy",
  })
  await expect(
    requestRelease(xb.context, { records: [courtesy.record], to: ["xc"] }),
  ).rejects.toMatchObject({ code: "profile.violated" })
  const back = await requestRelease(xb.context, { records: [courtesy.record], to: ["xa"] })
  await authoriseAndPublish(xb, back.orders)
  await receive(xa)
  expect((await inbox(xa.context)).records).toHaveLength(1)
  const official = await translate(xb.context, { record, source: french, status: "official" })
  await expect(
    requestRelease(xb.context, { records: [official.record], to: ["xa"] }),
  ).rejects.toMatchObject({ code: "profile.violated" })
  expect(xc.served.size).toBeGreaterThan(0)
})

test("what arrives together is judged together: the record spoken of need not be stored yet", async () => {
  const { net, xa, xb } = await three()
  await using _closing = net
  const record = await given(xa, finding, [xb])
  const words = { relation: "follows-up", record, status: "in-progress" } as const
  const status = await said(xa, words, [xb])
  const row = (id: string) =>
    xb.context.db
      .selectFrom("content")
      .select("bytes")
      .where("id", "=", id)
      .executeTakeFirstOrThrow()
  const [target, follower] = await Promise.all([record, status].map(row))
  const arriving = [{ record: decodeRecord(new Uint8Array(target!.bytes)), row: target! }]
  const read = decodeRecord(new Uint8Array(follower!.bytes))
  const wrong = { ...read, fields: { progress: "issue-resolved" } }
  const other = { ...read, about: { ...read.about!, digest: "00".repeat(32) } }
  await using elsewhere = await network(["xd"])
  const { db } = elsewhere.nodes.xd!.context
  for (const one of [read, wrong, other]) await checkHeldLinks(db, one)
  await checkHeldLinks(db, read, arriving)
  await expect(checkHeldLinks(db, wrong, arriving)).rejects.toMatchObject({
    code: "profile.violated",
  })
  await expect(checkHeldLinks(db, other, arriving)).rejects.toMatchObject({
    code: "record.mismatch",
  })
})

test("members adopt the profile of dialogue when they are founded", async () => {
  const { net, xa } = await three()
  await using _closing = net
  const { digest } = findProfileById("dialogue")!
  expect(xa.founded.member.documents[0]!.payload.profiles).toContain(digest)
})
