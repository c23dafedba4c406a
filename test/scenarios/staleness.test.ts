import { expect, test } from "vitest"
import { follow, sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { listInconsistencies } from "../../node/log/inconsistencies.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { formatNote, parseNote, parseSignatures } from "../../protocol/log/note.ts"
import { answersTo, practiceText, signedAnswer, takeOver } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { answerFrom, imageOf, startFrom } from "../support/restart.ts"
import {
  cosignedTree,
  linesOf,
  nameWitnesses,
  release as releaseTo,
  verdictOf,
} from "../support/witnessing.ts"

const day = 86_400_000

async function release(node: TestNode, title: string, to: readonly string[]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to })
  await authoriseAndPublish(node, orders)
  return record
}

test("silence, a step back and a gap are shown on the verdict, and gone when the feed is whole", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const old = imageOf(xa)
  const record = await release(xa, "Practice", ["xb"])
  await sync(xb.context)
  const stale = async () => (await inbox(xb.context)).records[0]?.stale ?? null
  expect(await stale()).toBeNull()

  // Silence: nothing heard for longer than three days.
  net.clock.now += 4 * day
  expect(await stale()).toBe("2026-11-23")
  expect((await show(xb.context, record)).notes).toContain(
    "stale since 2026-11-23: nothing was heard of it since",
  )
  await sync(xb.context)
  expect(await stale()).toBeNull()

  // A step back: an old copy of the node answers.
  answerFrom(net, await startFrom(xa, old))
  await sync(xb.context)
  expect((await show(xb.context, record)).notes).toContainEqual(
    expect.stringContaining("stale since 2026-11-27: its log went back"),
  )
  net.clock.now += day
  await sync(xb.context)
  expect(await stale()).toBe("2026-11-27")
  answerFrom(net, xa)
  await sync(xb.context)
  expect(await stale()).toBeNull()

  // A gap: a delivery is left out.
  await release(xa, "Left out", ["xb"])
  await release(xa, "After it", ["xb"])
  const { db } = xa.context
  const lost = await db
    .selectFrom("delivery")
    .selectAll()
    .where("n", "=", 2)
    .executeTakeFirstOrThrow()
  await db.deleteFrom("delivery").where("n", "=", 2).execute()
  await sync(xb.context)
  expect((await show(xb.context, record)).notes).toContainEqual(
    expect.stringContaining("its feed has a gap"),
  )
  await db.insertInto("delivery").values(lost).execute()
  await sync(xb.context)
  expect(await stale()).toBeNull()
  expect((await inbox(xb.context)).records).toHaveLength(3)
})

test("a log that shows others more than us is stale, as they tell", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  await release(xa, "Practice", ["xb"])
  await sync(xb.context)
  await release(xa, "For XC", ["xc"])
  await sync(xc.context, "xa")
  net.down.add("xa.example")
  await sync(xb.context, "xc")
  net.clock.now += 4 * day
  const { records } = await inbox(xb.context)
  expect(records[0]?.stale).toBeDefined()
  net.down.delete("xa.example")
  await sync(xb.context, "xa")
  expect((await inbox(xb.context)).records[0]?.stale).toBeUndefined()
})

async function staleNotes(node: TestNode, record: string): Promise<readonly string[]> {
  return (await show(node.context, record)).notes.filter((note) => note.startsWith("stale"))
}

/** A record of XA at XB, whose order XC has cosigned at the start. */
async function witnessed() {
  const net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  await nameWitnesses(xa, { add: ["xc"] })
  const { record, size } = await releaseTo(xa, "Witnessed", "xb")
  await askWitnesses(xa.context)
  await sync(xb.context)
  expect(await verdictOf(xb, record)).toBe("verified")
  const notes = () => staleNotes(xb, record)
  return { net, xa, xb, xc, record, size, notes }
}

const silent = "its witnesses have not cosigned its log since"

test("witnesses that have cosigned nothing for three days are shown, also where the log has not grown", async () => {
  const { net, xa, xb, xc, record, notes } = await witnessed()
  await using _closing = net
  // Cosigned daily, and seen by whoever reads: no growth of the log, and no new order, is needed.
  for (let i = 0; i < 2; i++) {
    net.clock.now += 2 * day
    await askWitnesses(xa.context)
    await sync(xb.context)
    expect(await notes()).toEqual([])
  }
  net.down.add(xc.host)
  net.clock.now += 3 * day
  for (const node of [xa, xb]) await sync(node.context)
  expect(await notes()).toEqual([])
  net.clock.now += day
  for (const node of [xa, xb]) await sync(node.context)
  expect(await notes()).toEqual([`stale since 2026-11-27: ${silent}`])
  // Shown beside the verdict, and no part of it; nothing that can be read is held back.
  expect(await verdictOf(xb, record)).toBe("verified")
  const { record: later } = await releaseTo(xa, "Meanwhile", "xb")
  expect((await sync(xb.context, "xa")).peers).toMatchObject([{ received: 1, failed: 0 }])
  expect((await show(xb.context, later)).content).toMatchObject({ title: "Meanwhile" })
  net.down.delete(xc.host)
  await askWitnesses(xa.context)
  await sync(xb.context)
  expect(await notes()).toEqual([])
})

/** In place of the checkpoint that the node would show. */
function showing(net: TestNetwork, node: TestNode, text: string, status = 200): Disposable {
  return takeOver(net, node, async (request, honest) =>
    new URL(request.url).pathname === "/checkpoint"
      ? signedAnswer(node, request, { status, type: "text/plain; charset=utf-8", body: utf8(text) })
      : honest(request),
  )
}

test("a member that shows no newer cosignatures is stale, whatever else it shows", async () => {
  const { net, xa, xb, xc, notes } = await witnessed()
  await using _closing = net
  const old = (await logOf(xa.context.db, xa.context.self.id))!.checkpoint!
  net.clock.now += 4 * day
  await askWitnesses(xa.context)
  const fresh = (await logOf(xa.context.db, xa.context.self.id))!.checkpoint!
  const { text, signatures } = parseNote(fresh)
  const answers: Readonly<Record<string, readonly [string, number?]>> = {
    "the same as before": [old],
    "no cosignatures": [ownLines(fresh)],
    "a line that is spoilt": [fresh.replace(/.(.{8}\n)$/, "_$1")],
    "one line of two": [formatNote(text, signatures.slice(0, -1))],
    "a tree that is not held": [await cosignedTree(xa, xc, 1000, fresh, net.clock.now / 1000)],
    "another log": [(await logOf(xc.context.db, xc.context.self.id))!.checkpoint!],
    "no checkpoint": ["checkpoint\n"],
    "no text": ["\ud800"],
    "an error that is none": ["busy", 503],
  }
  for (const [name, [shown, status]] of Object.entries(answers)) {
    using _shown = showing(net, xa, shown, status)
    expect((await sync(xb.context, "xa")).peers, name).toMatchObject([{ failed: 0 }])
    expect(await notes(), name).toEqual([`stale since 2026-11-23: ${silent}`])
  }
  await sync(xb.context, "xa")
  expect(await notes()).toEqual([])
})

test("a witness's time that is still to come keeps nothing fresh for longer", async () => {
  const { net, xa, xb, xc, notes } = await witnessed()
  await using _closing = net
  net.clock.now += 2 * day
  const { checkpoint } = (await logOf(xa.context.db, xa.context.self.id))!
  const lines = parseSignatures(await linesOf(xc, checkpoint!, Number.MAX_SAFE_INTEGER))
  const { text, signatures } = parseNote(ownLines(checkpoint!))
  {
    using _shown = showing(net, xa, formatNote(text, [...signatures, ...lines]))
    await sync(xb.context)
  }
  net.down.add(xc.host)
  net.clock.now += 4 * day
  await sync(xb.context)
  expect(await notes()).toEqual([`stale since 2026-11-25: ${silent}`])
})

test("another tree under the cosignatures is an alarm: its history is split", async () => {
  const { net, xa, xb, xc, size } = await witnessed()
  await using _closing = net
  net.clock.now += 2 * day
  const { checkpoint } = (await logOf(xa.context.db, xa.context.self.id))!
  const forked = await cosignedTree(xa, xc, size, checkpoint!, net.clock.now / 1000)
  using _shown = showing(net, xa, forked)
  expect((await sync(xb.context, "xa")).peers).toMatchObject([{ code: "checkpoint.forked" }])
  expect((await listInconsistencies(xb.context)).inconsistencies).toMatchObject([
    { member: xa.context.self.id, kind: "checkpoints", state: "waiting" },
  ])
})

test("on a stream held open, fresh cosignatures are asked for too", async () => {
  const { net, xa, xb } = await witnessed()
  await using _closing = net
  const stop = new AbortController()
  xa.served.clear()
  const isHeld = () => answersTo(xa, xb.context.self.id).length >= 2
  const following = (async () => {
    for await (const _ of follow(xb.context, "xa", stop.signal));
  })()
  const cosignedAt = async () => {
    const row = await xb.context.db
      .selectFrom("source")
      .select("cosigned_at")
      .where("peer", "=", xa.context.self.id)
      .executeTakeFirstOrThrow()
    return row.cosigned_at
  }
  const first = await cosignedAt()
  // The stream has to be held open before the clock moves.
  while (!isHeld()) await new Promise((resolve) => setTimeout(resolve, 5))
  net.clock.now += 2 * day
  await askWitnesses(xa.context)
  xa.context.bell.ring()
  while ((await cosignedAt()) === first) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await cosignedAt()).toBe(net.clock.now)
  stop.abort()
  void following
})

test("members without witnesses, and those that named some just now, are asked for nothing", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const record = await release(xa, "Practice", ["xb"])
  let asked = 0
  using _counting = takeOver(net, xa, async (request, honest) => {
    if (new URL(request.url).pathname === "/checkpoint") asked++
    return honest(request)
  })
  const pass = async () => {
    net.clock.now += 2 * day
    await sync(xb.context)
    return staleNotes(xb, record)
  }
  for (let i = 0; i < 3; i++) expect(await pass()).toEqual([])
  expect(asked).toBe(0)
  // Its witness never answers: from the naming on, as far as we know of it, nothing was cosigned.
  net.down.add("xc.example")
  await nameWitnesses(xa, { add: ["xc"] })
  expect(await pass()).toEqual([])
  expect(asked).toBe(0)
  expect(await pass()).toEqual([])
  expect(asked).toBe(1)
  expect(await pass()).toEqual([expect.stringContaining(silent)])
  // Without witnesses nothing is waited for any more.
  await nameWitnesses(xa, { remove: ["xc"] })
  expect(await pass()).toEqual([])
})
