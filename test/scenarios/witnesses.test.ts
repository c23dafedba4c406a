import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { listWitnesses } from "../../node/authority/name-witnesses.ts"
import { blockPeer } from "../../node/authority/peers.ts"
import { doctor } from "../../node/doctor.ts"
import { feedFrames, feedHead, proofsWanted } from "../../node/exchange/deliver.ts"
import { follow, sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses, keepCosigning } from "../../node/log/cosign.ts"
import { exportEvidence } from "../../node/log/evidence.ts"
import { logHead } from "../../node/log/log.ts"
import { requestWithdrawal } from "../../node/order/release.ts"
import { inbox, search, show } from "../../node/reading/records.ts"
import { fromNodes, logOf } from "../../node/store/queries/logs.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { decodeUtf8, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { decodeEvidence, parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { parseCheckpoint } from "../../protocol/log/checkpoint.ts"
import { proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { formatNote, parseNote, parseSignatures } from "../../protocol/log/note.ts"
import { parseTlogProof } from "../../protocol/log/tlog-proof.ts"
import { answersTo, framesTo } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import {
  amend,
  answerCheckpoints,
  linesOf,
  nameWitnesses,
  release,
  verdictOf,
} from "../support/witnessing.ts"

type Trio = Record<"xa" | "xb" | "xc", TestNode>
const idOf = (node: TestNode) => node.context.self.id
const keyName = (node: TestNode) => node.context.self.documents.at(-1)!.payload.witnessKey.name
const hourMs = 3_600_000

/** Bytes of the last answer to a feed request of `asker`, head and all. */
function lastFeedSize(node: TestNode, asker: TestNode): number {
  const feeds = answersTo(node, idOf(asker)).filter(({ head }) => head.includes("comity.frames"))
  const { head, body } = feeds.at(-1)!
  return utf8(head).length + body.length
}

test("three members witness each other: pending, then verified, and nothing is fetched twice", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Trio
  for (const [node, ...others] of [
    [xa, "xb", "xc"],
    [xb, "xa", "xc"],
    [xc, "xa", "xb"],
  ] as const)
    expect(await nameWitnesses(node, { add: others })).toMatchObject({ version: 2 })
  for (const node of [xa, xb, xc]) await sync(node.context)

  const { record } = await release(xa, "Witnessed", "xb")
  await sync(xb.context, "xa")
  expect(await verdictOf(xb, record)).toBe("pending")
  expect((await search(xb.context, "Witnessed")).records).toMatchObject([{ verdict: "pending" }])
  expect((await search(xa.context, "Witnessed")).records).toMatchObject([{ verdict: "pending" }])
  const shown = await show(xb.context, record)
  expect(shown.provenance[2]?.text).toMatch(
    /; pending: 0 of the 2 cosignatures that Authority XA asks for$/,
  )
  expect(shown.provenance.map(({ ok }) => ok)).toEqual(Array(8).fill(true))

  expect(await askWitnesses(xa.context)).toEqual([
    { name: "xb", member: idOf(xb) },
    { name: "xc", member: idOf(xc) },
  ])
  expect((await logHead(xa.context)).cosignedBy).toEqual([keyName(xb), keyName(xc)])
  xa.served.clear()
  await sync(xb.context, "xa")
  expect(await verdictOf(xb, record)).toBe("verified")
  expect((await search(xa.context, "Witnessed")).records).toMatchObject([{ verdict: "verified" }])
  const frames = await framesTo(xa, idOf(xb))
  expect(frames.map(({ type }) => type)).toEqual(["checkpoint", "checkpoint", "head"])
  // Cosignatures are in the one that was waited for, and in no other.
  const lines = frames.slice(0, 2).map(({ bytes }) => parseNote(decodeUtf8(bytes)).signatures)
  expect(lines.map(({ length }) => length)).toEqual([2, 6])
  expect((await show(xb.context, record)).provenance[2]?.text).toMatch(
    /; witnessed by xb, xc, as named by Authority XA, at 2026-11-23T09:00:00Z$/,
  )
})

test("a poll with nothing new stays under 1 KiB, pending orders or not", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xb", "xc"] })
  const pollSize = async () => {
    await sync(xb.context, "xa")
    return lastFeedSize(xa, xb)
  }
  await release(xa, "First", "xb")
  await pollSize()
  expect(await pollSize()).toBeLessThan(1024)
  await askWitnesses(xa.context)
  // The cosigned checkpoint comes once, to those who wait for it.
  expect(await pollSize()).toBeGreaterThan(2 * 2420)
  expect(await pollSize()).toBeLessThan(1024)
  // Who knows of no witnesses before still gets both in one answer.
  await release(xa, "Second", "xc")
  await askWitnesses(xa.context)
  const { xc } = net.nodes as Trio
  await sync(xc.context, "xa")
  expect((await inbox(xc.context)).records).toMatchObject([{ verdict: "verified" }])
})

test("a witness that is down holds up nobody: pending, an alarm after 72 hours, then verified", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xb", "xc"] })
  net.down.add(xc.host)
  const { record } = await release(xa, "Waiting", "xb")
  expect(await askWitnesses(xa.context)).toEqual([
    { name: "xb", member: idOf(xb) },
    { name: "xc", member: idOf(xc), error: "peer.unreachable" },
  ])
  await sync(xb.context)
  expect(await verdictOf(xb, record)).toBe("pending")
  const alarms = async (node: TestNode) => {
    const events = await node.context.db.selectFrom("event").select(["kind", "subject"]).execute()
    return events.filter(({ kind }) => kind === "quorum.overdue").map(({ subject }) => subject)
  }
  const witnessCheck = async (node: TestNode) =>
    (await doctor(node.context)).checks.filter(({ check }) => check.startsWith("witnesses"))
  net.clock.now += 72 * hourMs
  for (const node of [xa, xb]) await sync(node.context)
  expect([await alarms(xa), await alarms(xb)]).toEqual([[], []])
  net.clock.now += hourMs
  for (const node of [xa, xb, xa, xb]) await sync(node.context)
  // Once, at the origin and at whoever holds the record; reading and publishing go on.
  expect([await alarms(xa), await alarms(xb)]).toEqual([[idOf(xa)], [idOf(xa)]])
  expect(await witnessCheck(xa)).toMatchObject([{ ok: false }])
  expect(await witnessCheck(xb)).toMatchObject([{ ok: false, check: "witnesses of xa" }])
  expect((await show(xb.context, record)).content).toMatchObject({ title: "Waiting" })
  const later = await release(xa, "Meanwhile", "xb")
  expect((await sync(xb.context, "xa")).peers).toMatchObject([{ received: 1, failed: 0 }])

  net.down.delete(xc.host)
  await sync(xa.context)
  await sync(xb.context)
  for (const one of [record, later.record]) expect(await verdictOf(xb, one)).toBe("verified")
  expect(await witnessCheck(xa)).toMatchObject([{ ok: true }])
  expect(await witnessCheck(xb)).toEqual([])
})

test("releases stop without witnesses only by the member's own rule, withdrawals never", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xb"] })
  net.down.add(xb.host)
  const { record } = await release(xa, "First", "xb")
  net.clock.now += 100 * hourMs
  xa.context.config = { ...xa.context.config, witnessHours: 101 }
  await release(xa, "Not yet", "xb")
  xa.context.config = { ...xa.context.config, witnessHours: 99 }
  await expect(release(xa, "Second", "xb")).rejects.toMatchObject({ code: "witness.missing" })
  const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
  expect(await authoriseAndPublish(xa, orders)).toHaveLength(1)
  net.down.delete(xb.host)
  await askWitnesses(xa.context)
  await release(xa, "Third", "xb")
  net.down.add(xb.host)
  net.clock.now += 100 * hourMs
  xa.context.config = { ...xa.context.config, witnessHours: null }
  await release(xa, "Fourth", "xb")
})

test("a record is verified live as soon as its quorum is there, though a third witness hangs", async () => {
  await using net = await network(["xa", "xb", "xc", "xd"])
  const { xa, xb, xc, xd } = net.nodes as Trio & { xd: TestNode }
  await nameWitnesses(xa, { add: ["xb", "xc", "xd"] })
  using _hung = answerCheckpoints(net, xd, () => new Promise(() => {}))
  const stop = new AbortController()
  const asking = keepCosigning(xa.context, stop.signal)
  const following = (async () => {
    for await (const _ of follow(xb.context, "xa", stop.signal));
  })()
  for (const title of ["One", "Two", "Three"]) {
    const { record } = await release(xa, title, "xb")
    for (;;) {
      const rung = xb.context.bell.next(stop.signal)
      if ((await verdictOf(xb, record)) === "verified") break
      await rung
    }
  }
  stop.abort()
  await asking
  // The stream itself ends with the node that serves it.
  void following
  expect((await listWitnesses(xa.context)).witnesses.map(({ size }) => size)).toEqual([9, 9, null])
  expect(xc.served.size).toBeGreaterThan(0)
})

test("what witnesses answer while a feed is being read is wanted by its reader still", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xb", "xc"] })
  await release(xa, "Read slowly", "xb")
  const start = { feed: null, after: 0, epoch: 1, size: 0, pending: [{ epoch: 1, index: 0 }] }
  const frames = feedFrames(xa.context, idOf(xb), start)
  let step = await frames.next()
  await askWitnesses(xa.context)
  while (!step.done) step = await frames.next()
  const { log } = await feedHead(xa.context, idOf(xb))
  const wanted = await proofsWanted(xa.context, idOf(xb), log, step.value)
  expect(wanted).toEqual([{ epoch: 1, size: log.range.size }])
})

describe("a witness that does not do what it should", () => {
  const over = (status: number, text: string, type?: string) => ({
    status,
    text,
    ...(type === undefined ? {} : { type }),
  })
  type Wrong = (
    note: string,
    nodes: Trio,
    now: number,
  ) => Promise<{ status?: number; type?: string; text: string }>
  const wrong: Readonly<Record<string, readonly [Wrong, string]>> = {
    "gives nothing": [async () => over(200, ""), "note.malformed"],
    "gives no lines": [async () => over(200, "thank you\n"), "note.malformed"],
    "gives one algorithm of two": [
      async (note, { xc }, now) => {
        const [line] = (await linesOf(xc, note, now)).split("\n")
        return over(200, `${line}\n`)
      },
      "cosignature.invalid",
    ],
    "gives another witness's lines": [
      async (note, { xb }, now) => over(200, await linesOf(xb, note, now)),
      "cosignature.invalid",
    ],
    "gives spoilt lines": [
      async (note, { xc }, now) => {
        const text = await linesOf(xc, note, now)
        return over(
          200,
          text.replace(/(.{40})(.)(.*\n)/, (_, a, b, c) => a + flipped(b) + c),
        )
      },
      "cosignature.invalid",
    ],
    "cosigns another size": [
      async (note, { xc }, now) => {
        const { text, signatures } = parseNote(note)
        const [origin, size, root] = text.split("\n")
        const other = formatNote(`${origin}\n${Number(size) - 1}\n${root}\n`, signatures)
        return over(200, await linesOf(xc, other, now))
      },
      "cosignature.invalid",
    ],
    "states no time": [
      async (note, { xc }, now) => {
        const lines = parseSignatures(await linesOf(xc, note, now))
        const timeless = lines.map((line) => ({
          ...line,
          signature: new Uint8Array([...new Uint8Array(8), ...line.signature.slice(8)]),
        }))
        return over(200, formatNote("x\n", timeless).slice(3))
      },
      "cosignature.invalid",
    ],
    "answers with the same size again": [
      async (note) => over(409, `${note.split("\n")[1]}\n`, "text/x.tlog.size"),
      "witness.malformed",
    ],
    "answers with a size that is none": [
      async () => over(409, "many\n", "text/x.tlog.size"),
      "witness.malformed",
    ],
    "claims to have seen more of the log": [
      async () => over(409, "1000000\n", "text/x.tlog.size"),
      "store.rolled-back",
    ],
    "denies the log": [
      async () =>
        over(404, '{"type":"urn:comity:error:checkpoint.origin"}', "application/problem+json"),
      "checkpoint.origin",
    ],
  }

  let net: TestNetwork
  beforeAll(async () => {
    net = await network(["xa", "xb", "xc"])
    await nameWitnesses((net.nodes as Trio).xa, { add: ["xb", "xc"] })
  })
  afterAll(() => net.close())

  test.each(Object.entries(wrong))(
    "%s: it does not count, and the others do",
    async (name, [answer, error]) => {
      const nodes = net.nodes as Trio
      const { xa, xb, xc } = nodes
      const { record } = await release(xa, name, "xb")
      const now = net.clock.now / 1000
      {
        using _wrong = answerCheckpoints(net, xc, (note) => answer(note, nodes, now))
        expect(await askWitnesses(xa.context)).toEqual([
          { name: "xb", member: idOf(xb) },
          { name: "xc", member: idOf(xc), error },
        ])
      }
      await sync(xb.context, "xa")
      expect(await verdictOf(xb, record)).toBe("pending")
      expect((await logHead(xa.context)).cosignedBy).toEqual([keyName(xb)])
      // It is asked again, and nothing of the wrong answer is left over.
      expect(await askWitnesses(xa.context)).toEqual([{ name: "xc", member: idOf(xc) }])
      await sync(xb.context, "xa")
      expect(await verdictOf(xb, record)).toBe("verified")
    },
  )

  function flipped(character: string): string {
    return character === "A" ? "B" : "A"
  }

  test("repeats an old cosignature: it is asked daily, and what it gives is not of today", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Trio
    await nameWitnesses(xa, { add: ["xb"] })
    const kept = new Map<string, string>()
    using _replaying = answerCheckpoints(net, xb, async (note) => {
      const { text } = parseNote(note)
      const lines = kept.get(text) ?? (await linesOf(xb, note, net.clock.now / 1000))
      kept.set(text, lines)
      return { text: lines }
    })
    expect(await askWitnesses(xa.context)).toEqual([{ name: "xb", member: idOf(xb) }])
    expect(await askWitnesses(xa.context)).toEqual([])
    net.clock.now += 24 * hourMs
    for (const _ of [1, 2])
      expect(await askWitnesses(xa.context)).toEqual([
        { name: "xb", member: idOf(xb), error: "cosignature.invalid" },
      ])
    // A new checkpoint can't be answered with old lines.
    await release(xa, "Another", "xc")
    expect(await askWitnesses(xa.context)).toEqual([{ name: "xb", member: idOf(xb) }])
  })

  test("states a time far off: it counts, and its time is shown as what it is", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Trio
    await nameWitnesses(xa, { add: ["xc"] })
    const { record } = await release(xa, "Much later", "xb")
    using _future = answerCheckpoints(net, (net.nodes as Trio).xc, async (note) => ({
      text: await linesOf((net.nodes as Trio).xc, note, Number.MAX_SAFE_INTEGER),
    }))
    expect(await askWitnesses(xa.context)).toMatchObject([{ name: "xc" }])
    await sync(xb.context)
    const step = (await show(xb.context, record)).provenance[2]
    expect(step?.text).toContain("as named by Authority XA, at second 9007199254740991")
    const { file } = await exportEvidence(xb.context, record)
    expect(verifyEvidence(file, [parsePin(idOf(xa))]).verdict).toBe("verified")
  })

  test("is no peer any more, or blocked: it is not asked", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb } = net.nodes as Trio
    await nameWitnesses(xa, { add: ["xb"] })
    await blockPeer(xa.context, "xb", true)
    expect(await askWitnesses(xa.context)).toEqual([
      { name: "xb", member: idOf(xb), error: "peer.unverified" },
    ])
  })
})

describe("a quorum under a later root version", () => {
  /** Released under version 2, whose witness is gone; version 3 names another, who cosigns. */
  async function metLater() {
    const net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Trio
    await nameWitnesses(xa, { add: ["xb"] })
    net.down.add(xb.host)
    const { record } = await release(xa, "Under version 2", "xc")
    await askWitnesses(xa.context)
    await sync(xc.context)
    expect(await verdictOf(xc, record)).toBe("pending")
    const early = (await exportEvidence(xc.context, record)).file
    await nameWitnesses(xa, { add: ["xc"], remove: ["xb"] })
    await askWitnesses(xa.context)
    await sync(xc.context)
    return { net, xa, xc, record, early }
  }

  test("counts, and that version is in the evidence", async () => {
    const { net, xa, xc, record, early } = await metLater()
    await using _closing = net
    expect(await verdictOf(xc, record)).toBe("verified")
    const pins = [parsePin(idOf(xa))]
    expect(verifyEvidence(early, pins)).toMatchObject({ verdict: "pending" })
    expect(decodeEvidence(early).proven.roots).toHaveLength(2)
    const { file } = await exportEvidence(xc.context, record)
    const verdict = verifyEvidence(file, pins, { requireWitnesses: true })
    expect(verdict.verdict).toBe("verified")
    expect(decodeEvidence(file).proven.roots).toHaveLength(3)
    expect(verdict.ground).toEqual([
      "network exercise:test: not operational",
      `authorised by 2 officers of Authority XA (XA, ${idOf(xa)}), pinned by you, under root version 2, where version 3 is the newest in this file`,
      `released to member ${idOf(xc)}`,
      `witnessed by ${keyName(xc)}, as named by Authority XA under its later root version 3, at 2026-11-23T09:00:00Z`,
      `logged at index ${verdict.standing!.index}; withdrawal since is not excluded`,
    ])
  })

  test("must be in the file where it is needed, and nowhere else", async () => {
    const { net, xa, xc, record } = await metLater()
    await using _closing = net
    const pins = [parsePin(idOf(xa))]
    const jsonOf = (bytes: Uint8Array) => JSON.parse(decodeUtf8(bytes))
    const { file } = await exportEvidence(xc.context, record)
    const value = jsonOf(file)
    const without = encodeCanonical({ ...value, roots: value.roots.slice(0, 2) })
    expect(verifyEvidence(without, pins)).toMatchObject({ code: "note.unverified" })

    // Version 4 comes before the cosignatures for another release under version 3: it is provable too.
    const later = await release(xa, "Under version 3", "xc")
    const { index } = await amend(xa, { fields: { name: "Authority of XA" } })
    await askWitnesses(xa.context)
    await sync(xc.context)
    const needed = jsonOf((await exportEvidence(xc.context, later.record)).file)
    const log = (await logOf(xa.context.db, idOf(xa)))!
    const { size } = parseCheckpoint(parseNote(parseTlogProof(needed.proof).checkpoint).text)
    const path = await fromNodes(xa.context.db, log.id, (read) =>
      proveInclusionFrom(read, index, size),
    )
    const document = jsonOf(xa.context.self.documents.at(-1)!.bytes)
    const fourth = { document, index, path: path.map(encodeHex) }
    expect(needed.roots).toHaveLength(3)
    expect(verifyEvidence(encodeCanonical(needed), pins).verdict).toBe("verified")
    const more = encodeCanonical({ ...needed, roots: [...needed.roots, fourth] })
    expect(verifyEvidence(more, pins)).toMatchObject({ code: "evidence.malformed" })
  })

  test("is left out of evidence that does without it", async () => {
    const { net, xa, xc, record } = await metLater()
    await using _closing = net
    const later = await release(xa, "Under version 3", "xc")
    await askWitnesses(xa.context)
    // A version 4 that changes no witness: no evidence of a record before it may carry it.
    await amend(xa, { fields: { name: "Authority of XA" } })
    await askWitnesses(xa.context)
    await sync(xc.context)
    for (const [one, versions] of [
      [record, 3],
      [later.record, 3],
    ] as const)
      expect(
        decodeEvidence((await exportEvidence(xc.context, one)).file).proven.roots,
      ).toHaveLength(versions)
  })

  test("an older version without witnesses asks for none: unwitnessed, and at once verified", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Trio
    const { record } = await release(xa, "Before witnesses", "xb")
    await nameWitnesses(xa, { add: ["xb"] })
    await askWitnesses(xa.context)
    await sync(xb.context)
    expect(await verdictOf(xb, record)).toBe("verified")
    const { file } = await exportEvidence(xb.context, record)
    const pins = [parsePin(idOf(xa))]
    expect(verifyEvidence(file, pins).ground[3]).toBe(
      "unwitnessed: Authority XA names no witnesses",
    )
    expect(verifyEvidence(file, pins, { requireWitnesses: true })).toMatchObject({
      verdict: "failed",
      code: "evidence.witnesses",
    })
  })

  test("a later version that names no witnesses meets no quorum", async () => {
    await using net = await network(["xa", "xb", "xc"])
    const { xa, xb, xc } = net.nodes as Trio
    await nameWitnesses(xa, { add: ["xb"] })
    net.down.add(xb.host)
    const { record } = await release(xa, "Waiting for good", "xc")
    await nameWitnesses(xa, { remove: ["xb"] })
    const after = await release(xa, "Unwitnessed", "xc")
    await sync(xa.context)
    await sync(xc.context)
    expect(await verdictOf(xc, record)).toBe("pending")
    expect(await verdictOf(xc, after.record)).toBe("verified")
  })
})
