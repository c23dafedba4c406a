import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { exportEvidence, exportProof } from "../../node/log/evidence.ts"
import { listInconsistencies } from "../../node/log/inconsistencies.ts"
import { logPolicy } from "../../node/log/log.ts"
import { requestWithdrawal } from "../../node/order/release.ts"
import { show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { decodeHex, decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import type { Frame } from "../../protocol/exchange/frames.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import { formatNote, parseNote, parseSignatures } from "../../protocol/log/note.ts"
import { verifyTlogProof } from "../../protocol/log/tlog-proof.ts"
import { parseWitnessPolicy } from "../../protocol/log/witness-policy.ts"
import { tamper } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { cosignedTree, linesOf, nameWitnesses, release, verdictOf } from "../support/witnessing.ts"

type Trio = Record<"xa" | "xb" | "xc", TestNode>
const idOf = (node: TestNode) => node.context.self.id
const keyName = (node: TestNode) => node.context.self.documents.at(-1)!.payload.witnessKey.name

/** A record of XA at XB, for whose order XA names XC as witness. */
async function waiting() {
  const net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Trio
  await nameWitnesses(xa, { add: ["xc"] })
  const { record, index, size } = await release(xa, "Waiting", "xb")
  await sync(xb.context)
  expect(await verdictOf(xb, record)).toBe("pending")
  return { net, xa, xb, xc, record, index, size }
}

describe("a cosigned checkpoint on its way", () => {
  type Change = (note: string, nodes: Trio, now: number) => Promise<string> | string
  const changes: Readonly<Record<string, Change>> = {
    "without its cosignatures": (note) => ownLines(note),
    "with one of two cosignatures": (note) => {
      const { text, signatures } = parseNote(note)
      return formatNote(text, signatures.slice(0, -1))
    },
    "with a cosignature that is spoilt": (note) => {
      const { text, signatures } = parseNote(note)
      const spoilt = signatures.map((line, i) =>
        i === 2 ? { ...line, signature: line.signature.map((byte) => byte ^ 1) } : line,
      )
      return formatNote(text, spoilt)
    },
    "cosigned by somebody else": async (note, { xb }, now) => {
      const { text, signatures } = parseNote(ownLines(note))
      return formatNote(text, [...signatures, ...parseSignatures(await linesOf(xb, note, now))])
    },
    "without a signature of its log": (note) => {
      const { text, signatures } = parseNote(note)
      return formatNote(text, signatures.slice(1))
    },
    "of a size that is not held": async (note, { xa, xc }, now) =>
      cosignedTree(xa, xc, 1000, note, now),
    "of another member's log": async (_note, { xc }) =>
      (await logOf(xc.context.db, idOf(xc)))!.checkpoint!,
  }

  /** The second checkpoint of its own log in an answer is the cosigned one. */
  function changed(log: string, change: (note: string) => Promise<string> | string) {
    return async (frames: readonly Frame[]) => {
      const ofLog = ({ type, bytes }: Frame) =>
        type === "checkpoint" && decodeUtf8(bytes).startsWith(`comity/exercise:test/${log}/`)
      const places = frames.flatMap((frame, i) => (ofLog(frame) ? [i] : []))
      // An answer without it, as to the questions that follow an alarm, is left as it is.
      if (places.length < 2) return frames
      const at = places[1]!
      const note = await change(decodeUtf8(frames[at]!.bytes))
      return frames.with(at, { type: "checkpoint", bytes: utf8(note) })
    }
  }

  let net: TestNetwork
  beforeAll(async () => {
    net = await network(["xa", "xb", "xc"])
    await nameWitnesses((net.nodes as Trio).xa, { add: ["xc"] })
  })
  afterAll(() => net.close())

  test.each(Object.entries(changes))(
    "%s proves nothing, and stops nothing",
    async (name, change) => {
      const { xa, xb } = net.nodes as Trio
      const { record } = await release(xa, name, "xb")
      await sync(xb.context)
      await askWitnesses(xa.context)
      const now = net.clock.now / 1000
      {
        using _changed = tamper(
          net,
          xa,
          changed(idOf(xa), (note) => change(note, net.nodes as Trio, now)),
        )
        const { peers } = await sync(xb.context, "xa")
        expect(peers).toEqual([{ name: "xa", received: 0, already: 0, refused: 0, failed: 0 }])
      }
      expect(await verdictOf(xb, record)).toBe("pending")
      expect((await show(xb.context, record)).content).toMatchObject({ title: name })
      // The next answer, unchanged, brings it again.
      await sync(xb.context, "xa")
      expect(await verdictOf(xb, record)).toBe("verified")
    },
  )

  test("that is none ends the answer, as a frame does that is none", async () => {
    const { net, xa, xb, record } = await waiting()
    await using _closing = net
    await askWitnesses(xa.context)
    {
      using _cut = tamper(
        net,
        xa,
        changed(idOf(xa), () => "checkpoint\n"),
      )
      expect((await sync(xb.context, "xa")).peers[0]).toMatchObject({ code: "checkpoint.origin" })
    }
    expect(await verdictOf(xb, record)).toBe("pending")
    await sync(xb.context, "xa")
    expect(await verdictOf(xb, record)).toBe("verified")
  })

  test("of another tree, signed by the log itself, is an alarm: its history is split", async () => {
    const { net, xa, xb, xc, record, size } = await waiting()
    await using _closing = net
    await askWitnesses(xa.context)
    const now = net.clock.now / 1000
    using _forked = tamper(
      net,
      xa,
      changed(idOf(xa), (note) => cosignedTree(xa, xc, size, note, now)),
    )
    expect((await sync(xb.context, "xa")).peers[0]).toMatchObject({ code: "checkpoint.forked" })
    const events = await xb.context.db.selectFrom("event").select(["kind", "detail"]).execute()
    expect(events).toContainEqual({ kind: "peer.alarm", detail: "checkpoint.forked" })
    expect(await verdictOf(xb, record)).toBe("pending")
    // What the log signed is kept as proof that convinces anybody.
    expect((await listInconsistencies(xb.context)).inconsistencies).toMatchObject([
      { member: idOf(xa), kind: "checkpoints", state: "waiting" },
    ])
  })
})

describe("the proof of a release", () => {
  test("is quorate under the policy that the log's member publishes, for anybody's tools", async () => {
    const { net, xa, xb, xc, record, index } = await waiting()
    await using _closing = net
    const pending = await exportProof(xb.context, record)
    expect(pending).toMatchObject({
      index,
      witnessing: "pending: 0 of the 1 cosignatures that Authority XA asks for",
    })
    await askWitnesses(xa.context)
    await sync(xb.context)
    const policy = parseWitnessPolicy((await logPolicy(xb.context, "xa")).policy)
    for (const node of [xa, xb]) {
      const shown = await exportProof(node.context, record)
      const leaf = leafHash(decodeHex(shown.entry))
      expect(verifyTlogProof(shown.proof, leaf, policy)).toBe(true)
      expect(verifyTlogProof(pending.proof, leaf, policy)).toBe(false)
      expect(shown.witnessing).toBe(
        "witnessed by xc, as named by Authority XA, at 2026-11-23T09:00:00Z",
      )
    }
    expect(keyName(xc)).not.toBe("xc")
  })

  test("stays valid after the record was withdrawn, and after the log has grown", async () => {
    const { net, xa, xb, record, index } = await waiting()
    await using _closing = net
    await askWitnesses(xa.context)
    await sync(xb.context)
    const before = await exportProof(xb.context, record)
    const { file } = await exportEvidence(xb.context, record)
    net.clock.now += 3_600_000
    const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
    await authoriseAndPublish(xa, orders)
    await release(xa, "Another", "xb")
    await askWitnesses(xa.context)
    await sync(xb.context)
    await expect(exportEvidence(xb.context, record)).rejects.toMatchObject({
      code: "record.withdrawn",
    })
    // The same to the byte: the first quorate checkpoint that covers it stays its proof.
    for (const node of [xa, xb])
      expect((await exportProof(node.context, record)).proof).toBe(before.proof)
    const policy = parseWitnessPolicy((await logPolicy(xb.context, "xa")).policy)
    expect(verifyTlogProof(before.proof, leafHash(decodeHex(before.entry)), policy)).toBe(true)
    const verdict = verifyEvidence(file, [parsePin(idOf(xa))], { requireWitnesses: true })
    expect(verdict.verdict).toBe("verified")
    expect(verdict.ground.at(-1)).toBe(`logged at index ${index}; withdrawal since is not excluded`)
  })
})

describe("the verdict on a file", () => {
  async function files() {
    const all = await waiting()
    const { xa, xb, record } = all
    const pending = (await exportEvidence(xb.context, record)).file
    await askWitnesses(xa.context)
    await sync(xb.context)
    return { ...all, pending, witnessed: (await exportEvidence(xb.context, record)).file }
  }

  test("names its ground, word for word", async () => {
    const { net, xa, xb, xc, pending, witnessed, index } = await files()
    await using _closing = net
    const pins = [parsePin(idOf(xa))]
    const grounds = (witnessing: string) => [
      "network exercise:test: not operational",
      `authorised by 2 officers of Authority XA (XA, ${idOf(xa)}), pinned by you, under root version 2, the newest in this file`,
      `released to member ${idOf(xb)}`,
      witnessing,
      `logged at index ${index}; withdrawal since is not excluded`,
    ]
    const waits = "pending: 0 of the 1 cosignatures that Authority XA asks for"
    expect(verifyEvidence(pending, pins)).toMatchObject({
      verdict: "pending",
      ground: grounds(waits),
    })
    const seen = `witnessed by ${keyName(xc)}, as named by Authority XA, at 2026-11-23T09:00:00Z`
    const verdict = verifyEvidence(witnessed, pins)
    expect(verdict).toMatchObject({ verdict: "verified", ground: grounds(seen) })
    expect(verdict.steps[2]?.text).toMatch(new RegExp(`; ${seen}$`))
    expect(verifyEvidence(pending, pins).steps[2]?.text).toMatch(new RegExp(`; ${waits}$`))
  })

  test("fails without witnesses only where they are required, or pinned by the reader", async () => {
    const { net, xa, xc, pending, witnessed } = await files()
    await using _closing = net
    const pins = [parsePin(idOf(xa))]
    const missing = { verdict: "failed", code: "evidence.witnesses" }
    expect(verifyEvidence(pending, pins, { requireWitnesses: true })).toMatchObject(missing)
    expect(verifyEvidence(witnessed, pins, { requireWitnesses: true }).verdict).toBe("verified")
    const text = (await logPolicy(xa.context)).policy
    const policy = parseWitnessPolicy(text)
    expect(verifyEvidence(pending, pins, { policy })).toMatchObject(missing)
    const pinned = verifyEvidence(witnessed, pins, { policy })
    expect(pinned.ground).toContain(`witnessed by ${keyName(xc)} that you pinned yourself`)
    // A policy without logs leaves it to the root documents which log it is.
    const noLogs = parseWitnessPolicy(text.replace(/^log .*\n/gm, ""))
    expect(verifyEvidence(witnessed, pins, { policy: noLogs }).verdict).toBe("verified")
    const other = parseWitnessPolicy((await logPolicy(xc.context)).policy)
    expect(verifyEvidence(witnessed, pins, { policy: other })).toMatchObject(missing)
    // Pinned witnesses replace nothing that the origin asks for.
    const none = parseWitnessPolicy("quorum none\n")
    expect(verifyEvidence(pending, pins, { policy: none }).verdict).toBe("pending")
    expect(verifyEvidence(pending, pins, { policy: none, requireWitnesses: true })).toMatchObject(
      missing,
    )
  })
})
