import { expect, test } from "vitest"
import { signDecision } from "../../node/authority/decision.ts"
import { makeOfficerKey } from "../../node/authority/found.ts"
import { PeerUnreachable } from "../../node/env.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { continueWith, explain, listInconsistencies } from "../../node/log/inconsistencies.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { metrics } from "../../node/metrics.ts"
import { createNode } from "../../node/node.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import { verifyInconsistency } from "../../protocol/inconsistency.ts"
import { practiceText } from "../support/hostile.ts"
import {
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "../support/network.ts"
import { refusal } from "../support/refusal.ts"

/** The node once more, from a copy of its disk: with the same keys it can tell another history. */
async function clone(node: TestNode): Promise<TestNode> {
  const image = new Uint8Array(node.env.openDatabase(new Uint8Array(32)).serialize())
  const database = memoryDatabase(image)
  const env = { ...node.env, files: memoryFiles(), openDatabase: () => database }
  const context = await createNode(env, node.founded.keys, { url: `https://${node.host}` })
  return { ...node, env, context }
}

/** Whoever is in `others` sees the clone at the member's address, everyone else the original. */
function splitView(net: TestNetwork, node: TestNode, twin: TestNode, others: readonly TestNode[]) {
  const closing = new AbortController().signal
  const ids = new Set(others.map(({ context }) => context.self.id))
  const apps = [node, twin].map(({ context }) =>
    peerApp(context, { authorities: [node.host], closing }),
  )
  net.hosts.set(node.host, async (request) =>
    apps[ids.has(request.headers.get("comity-from") ?? "") ? 1 : 0]!.fetch(request),
  )
}

async function release(node: TestNode, title: string, to: readonly string[]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to })
  await authoriseAndPublish(node, orders)
}

const proofsAt = (node: TestNode) =>
  node.context.db.selectFrom("inconsistency").selectAll().execute()

test("a log that shows three of seven peers another history: all seven hold the proof after one round", async () => {
  const names = ["xm", "xa", "xb", "xc", "xd", "xe", "xf", "xg"]
  await using net = await network(names)
  const xm = net.nodes.xm!
  const peers = names.slice(1).map((name) => net.nodes[name]!)
  await release(xm, "Before the fork", ["xa", "xd"])
  const twin = await clone(xm)
  splitView(net, xm, twin, peers.slice(0, 3))
  await release(xm, "One history", ["xd"])
  await release(twin, "Another history", ["xa"])
  await release(twin, "and longer", ["xa"])
  for (const peer of peers) await sync(peer.context, "xm")
  for (const peer of peers) expect(await proofsAt(peer)).toEqual([])

  for (const peer of peers)
    for (const other of peers) if (other !== peer) await sync(peer.context, other.name)
  for (const peer of peers) {
    const proofs = await proofsAt(peer)
    expect(proofs.length, peer.name).toBeGreaterThan(0)
    for (const { bytes, member } of proofs) {
      expect(member).toBe(xm.context.self.id)
      const proven = verifyInconsistency(new Uint8Array(bytes))
      expect(proven.member.id).toBe(xm.context.self.id)
      expect(proven.kind).toBe("checkpoints")
    }
    // What is new of that member waits for an officer; what is held stays readable.
    expect((await sync(peer.context, "xm")).peers[0]).toMatchObject({
      code: "peer.forked",
      received: 0,
    })
  }
  // The member concerned has been told, and holds the proof against itself.
  const [against] = await proofsAt(xm)
  expect(against?.member).toBe(xm.context.self.id)

  // What it says to it travels with the proof; an officer can let its new entries in again.
  await explain(xm.context, against!.digest, "An old backup was started beside the running node.")
  const reader = peers[5]!
  await sync(xm.context, peers[6]!.name)
  await sync(reader.context, peers[6]!.name)
  const { inconsistencies } = await listInconsistencies(reader.context)
  expect(inconsistencies.flatMap(({ explanations }) => explanations)).toContainEqual(
    expect.objectContaining({ text: expect.stringContaining("old backup") }),
  )
  const found = inconsistencies.length
  expect(await counted(reader)).toEqual([found, 0, 0])
  for (const { inconsistency } of inconsistencies) await decide(reader, inconsistency)
  expect(await counted(reader)).toEqual([0, found, 0])
  expect(await counted(xm)).toEqual([0, 0, (await proofsAt(xm)).length])
  expect((await sync(reader.context, "xm")).peers[0]).toMatchObject({ failed: 0 })
})

/** Proofs that wait for an officer, are decided, or are against the node's own member, as monitoring sees them. */
async function counted(node: TestNode): Promise<readonly number[]> {
  const { text } = await metrics(node.context)
  return [...text.matchAll(/^comity_inconsistencies\{.*\} (\d+)$/gm)].map(([, n]) => Number(n))
}

async function decide(node: TestNode, subject: string): Promise<void> {
  const { id: member, network: of } = node.context.self
  const to = { member, network: of, day: "2026-11-23" }
  const decision = { act: "continue", reason: "explained", subject } as const
  const stranger = makeOfficerKey(node.env, { person: "p1", organisation: "X", roles: ["any"] })
  const forged = await signDecision(stranger, to, decision)
  await expect(continueWith(node.context, subject, forged)).rejects.toMatchObject({
    code: "signed.unknown-key",
  })
  const signed = await signDecision(node.founded.officers[0]!, to, decision)
  await continueWith(node.context, subject, signed)
}

test("who mirrors the shorter history shows it, though it has heard of the longer one", async () => {
  await using net = await network(["xm", "xa", "xb"])
  const { xm, xa, xb } = net.nodes as Record<"xm" | "xa" | "xb", TestNode>
  const twin = await clone(xm)
  splitView(net, xm, twin, [xa])
  await release(twin, "Another history", ["xa"])
  await release(xm, "One history", ["xb"])
  await release(xm, "and longer", ["xb"])
  for (const peer of [xa, xb]) await sync(peer.context, "xm")
  await sync(xa.context, "xb")
  expect(await proofsAt(xa)).toEqual([])
  await sync(xb.context, "xa")
  expect((await proofsAt(xb)).length).toBeGreaterThan(0)
  await sync(xa.context, "xb")
  expect((await proofsAt(xa)).length).toBeGreaterThan(0)
})

test("what an answer told that never arrived is told again", async () => {
  await using net = await network(["xm", "xa", "xb"])
  const { xm, xa, xb } = net.nodes as Record<"xm" | "xa" | "xb", TestNode>
  await release(xm, "Something new", ["xa"])
  await sync(xa.context, "xm")
  const answer = net.hosts.get(xa.host)!
  net.hosts.set(xa.host, async (request) => {
    const response = await answer(request)
    const reader = response.body!.getReader()
    await reader.read()
    await reader.read()
    await reader.cancel()
    throw new PeerUnreachable("the line is dead")
  })
  expect((await sync(xb.context, "xa")).peers[0]).toMatchObject({ code: "peer.unreachable" })
  net.hosts.set(xa.host, answer)
  await sync(xb.context, "xa")
  const heard = await xb.context.db.selectFrom("heard").select("member").execute()
  expect(heard).toEqual([{ member: xm.context.self.id }])
})

test("one peer alone finds it, when the log that it follows goes another way", async () => {
  await using net = await network(["xm", "xa"])
  const { xm, xa } = net.nodes as Record<"xm" | "xa", TestNode>
  const twin = await clone(xm)
  await release(xm, "One history", ["xa"])
  await release(twin, "Another history", ["xa"])
  await release(twin, "and longer", ["xa"])
  await sync(xa.context, "xm")
  splitView(net, xm, twin, [xa])
  expect((await sync(xa.context, "xm")).peers[0]).toMatchObject({ code: "checkpoint.forked" })
  const [proof] = await proofsAt(xa)
  expect(verifyInconsistency(new Uint8Array(proof!.bytes)).words).toContain("two trees")
})

test("a log that goes back to what it showed before is no second history", async () => {
  await using net = await network(["xm", "xa"])
  const { xm, xa } = net.nodes as Record<"xm" | "xa", TestNode>
  const twin = await clone(xm)
  await release(xm, "Published", ["xa"])
  await sync(xa.context, "xm")
  splitView(net, xm, twin, [xa])
  expect((await sync(xa.context, "xm")).peers[0]).toMatchObject({ code: "checkpoint.rollback" })
  expect(await proofsAt(xa)).toEqual([])
})

test("no bit of a proof can be changed, and it accuses nobody else", async () => {
  await using net = await network(["xm", "xa"])
  const { xm, xa } = net.nodes as Record<"xm" | "xa", TestNode>
  const twin = await clone(xm)
  await release(xm, "One history", ["xa"])
  await release(twin, "Another history", ["xa"])
  await release(twin, "and longer", ["xa"])
  await sync(xa.context, "xm")
  splitView(net, xm, twin, [xa])
  await sync(xa.context, "xm")
  const [proof] = await proofsAt(xa)
  const bytes = new Uint8Array(proof!.bytes)
  const before = verifyInconsistency(bytes)
  // Each costs two chains of root documents: every byte with SLOW=1.
  const step = process.env.SLOW === "1" ? 1 : 61
  for (let byte = 0; byte < bytes.length; byte += step) {
    bytes[byte]! ^= 1 << (byte % 8)
    expect(
      refusal(() => verifyInconsistency(bytes)),
      `byte ${byte}`,
    ).not.toBeNull()
    bytes[byte]! ^= 1 << (byte % 8)
  }
  expect(verifyInconsistency(bytes)).toEqual(before)
}, 600_000)
