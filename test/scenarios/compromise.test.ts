import { describe, expect, test } from "vitest"
import { publishRoot } from "../../node/authority/amend.ts"
import { readProposal } from "../../node/authority/ceremony.ts"
import { makeKemKey, makeOfficerKey, publicKemKey, signKeys } from "../../node/authority/found.ts"
import { findPeer, ownCard, showPeer, updatePeer } from "../../node/authority/peers.ts"
import { propose } from "../../node/authority/propose.ts"
import { replaceKem, rotateKem } from "../../node/authority/renew.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { askPeer } from "../../node/http/peer-client.ts"
import { logSigners, makeNodeKeys, publicLogKey } from "../../node/keys/keys.ts"
import { commitEntries } from "../../node/log/append.ts"
import { mirrorLog } from "../../node/log/mirror.ts"
import { publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { insertKeys, keysInForce, memberById } from "../../node/store/queries/members.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { decodeHex, encodeBase64url } from "../../protocol/encoding.ts"
import { verifyCard } from "../../protocol/exchange/card.ts"
import { joinEpoch, openParcel, parcelEnc } from "../../protocol/exchange/parcel.ts"
import { signCheckpoint } from "../../protocol/log/checkpoint.ts"
import { countWitnesses } from "../../protocol/log/cosignature.ts"
import { dummyEntry, openEntry } from "../../protocol/log/entry.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { verifyKeys } from "../../protocol/member/keys.ts"
import { extendRoots, newestRoot } from "../../protocol/member/root.ts"
import { decodeOrder } from "../../protocol/release/order.ts"
import { encodeSigned } from "../../protocol/signed.ts"
import * as log from "../protocol/log/keys.ts"
import { amend, documentOf, keySet, knownVersion, release, signedBy } from "../support/ceremony.ts"
import {
  ForgedFeed,
  forgeOrder,
  framesOf,
  framesTo,
  logForged,
  officerKey,
  orderLines,
  practiceText,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import { network, signAs, type TestNode } from "../support/network.ts"
import { codeOf, refusal } from "../support/refusal.ts"
import { makeMember, nextRoot, type RootPair } from "../support/world.ts"

/**
 * What a thief of each single key can do and what not, as docs/compromise.md says it: the thief has that key
 * and the network, and nothing else unless the test says so.
 */

type Nodes = Record<"xa" | "xb" | "xc", TestNode>

async function world() {
  const net = await network(["xa", "xb", "xc"])
  const nodes = net.nodes as Nodes
  return { net, ...nodes, [Symbol.asyncDispose]: () => net.close() }
}

const idOf = (node: TestNode) => node.context.self.id
const verdicts = async (node: TestNode) =>
  Object.fromEntries(
    (await inbox(node.context)).records.map(({ title, verdict }) => [title, verdict]),
  )

/** An order past the sequencer, by these officers, served to XB from the thief's own feed. */
async function force(
  at: Awaited<ReturnType<typeof world>>,
  title: string,
  persons: readonly string[],
) {
  const { net, xa, xb } = at
  const { record } = await addDraft(xa.context, practiceText(title))
  await requestRelease(xa.context, { records: [record], to: ["xb"] })
  const grant = await releaseGrant(xa, record, idOf(xb))
  const signers = persons.map((person) => ({ key: officerKey(xa, person) }))
  const forged = await forgeOrder(xa, [grant], { signers })
  const entry = await logForged(xa, forged.order)
  const feed = new ForgedFeed("ab".repeat(16)).add({ ...forged, entry })
  using _ = serveForged(net, xa, xb, feed)
  return (await sync(xb.context)).peers[0]!
}

describe("an officer's key, and the member's server with it", () => {
  test("release: not alone, where two persons are asked for", async () => {
    await using at = await world()
    expect(await force(at, "By one", ["p2"])).toMatchObject({ received: 0, refused: 1 })
  })

  test("release with a bribed colleague: until revoked, and from the index named it is repudiated", async () => {
    await using at = await world()
    const { xa, xb } = at
    const honest = await release(xa, "Before", "xb")
    const stolen = await release(xa, "After", "xb")
    await sync(xb.context)
    const kid = kidOf(officerKey(xa, "p2").officer.key)
    const revoke = [{ who: "p2", from: stolen.index }]
    const proposal = await propose(xa.context, { revoke })
    expect(honest.index).toBe(stolen.index - 2)
    await publishRoot(xa.context, proposal, await signedBy(proposal, xa.founded.rootPairs))
    expect(newestRoot(xa.context.self).payload.revoked).toEqual([
      { kid, from: { epoch: 1, size: stolen.index } },
    ])
    await sync(xb.context)
    expect(await verdicts(xb)).toEqual({ Before: "verified", After: "repudiated" })
  })

  test("root: an officer's signature counts for nothing in a ceremony", async () => {
    await using at = await world()
    const proposal = await propose(at.xa.context, { name: "The thief's" })
    const { payload, root } = readProposal(proposal)
    const lines = await orderLines(payload, root.network, [{ key: officerKey(at.xa, "p2") }])
    const known = (await memberById(at.xb.context.db, idOf(at.xa)))!
    expect(refusal(() => extendRoots(known, encodeSigned(payload, lines)))).toBe("root.malformed")
  })

  test("sign an unsigned logged order later: what the log has fixed cannot be completed", async () => {
    await using at = await world()
    const { net, xa, xb } = at
    const { record } = await addDraft(xa.context, practiceText("Completed"))
    await requestRelease(xa.context, { records: [record], to: ["xb"] })
    const grant = await releaseGrant(xa, record, idOf(xb))
    const half = await forgeOrder(xa, [grant], { signers: [{ key: officerKey(xa, "p1") }] })
    const entry = await logForged(xa, half.order)
    const signers = ["p1", "p2"].map((person) => ({ key: officerKey(xa, person) }))
    const lines = await orderLines(half.order.payloadBytes, "exercise:test", signers)
    const whole = decodeOrder(encodeSigned(half.order.payloadBytes, lines))
    const feed = new ForgedFeed("ab".repeat(16)).add({ ...half, order: whole, entry })
    using served = serveForged(net, xa, xb, feed)
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 0, refused: 1 })
    expect(served.receipts()).toMatchObject([{ state: "refused", code: "entry.mismatch" }])
  })
})

describe("the node key", () => {
  test("impersonate in HTTP: until the root names another; from then on its holder is a stranger", async () => {
    await using at = await world()
    const { xa, xb } = at
    await release(xb, "For XA", "xa")
    const { keys: stolen, self } = xa.context
    await amend(xa, { renew: ["node"] })
    await updatePeer(xb.context, { name: "xa" })
    const thief = { ...xa.context, keys: { ...xa.context.keys, node: stolen.node }, self }
    const peer = await findPeer(thief, "xb")
    const asked = { method: "GET", path: "/feed?after=0&size=0&epoch=1" } as const
    expect(await codeOf(askPeer(thief, peer, asked))).toBe("peer.refused")
    // XB has heard of the new key, XC not yet.
    expect((await sync(xa.context)).peers).toMatchObject([
      { name: "xb", received: 1, failed: 0 },
      { name: "xc", failed: 1, code: "peer.refused" },
    ])
    await sync(at.xc.context)
    expect((await sync(xa.context, "xc")).peers).toMatchObject([{ failed: 0 }])
  })

  test("announce a key of the thief's own: not without the log, which every peer reads", async () => {
    await using at = await world()
    const { xa, xb } = at
    const current = (await keysInForce(xa.context.db, xa.context.self))!.payload
    const kem = makeKemKey(xa.env)
    const forged = await signKeys(xa.context.keys, { ...current, kem: [publicKemKey(kem)] })
    const root = newestRoot(xa.context.self).payload
    expect(refusal(() => verifyKeys(forged, idOf(xa), root))).toBeNull()
    // No card makes it one: the log does not have it.
    const card = JSON.parse(new TextDecoder().decode(await ownCard(xa.context)))
    const lying = encodeCanonical({ ...card, keys: JSON.parse(new TextDecoder().decode(forged)) })
    expect(refusal(() => verifyCard(lying))).toBe("inclusion.invalid")
    await sync(xb.context)
    const seen = (await keysInForce(xb.context.db, (await memberById(xb.context.db, idOf(xa)))!))!
    expect(seen.payload.kem).toEqual(current.kem)
  })

  test("with the log key too, the thief announces a key in the open, until the root names other keys", async () => {
    await using at = await world()
    const { xa, xb } = at
    const { context } = xa
    const current = (await keysInForce(context.db, context.self))!.payload
    const kem = makeKemKey(xa.env)
    const root = newestRoot(context.self).payload
    const bytes = await signKeys(context.keys, { ...current, kem: [publicKemKey(kem)] })
    const forged = verifyKeys(bytes, idOf(xa), root)
    await commitEntries(context, [openEntry(decodeHex(forged.digest))], async (trx, { range }) =>
      insertKeys(trx, forged, { epoch: 1, idx: range.size - 1 }),
    )
    await sync(xb.context)
    const seenBy = async () => {
      const known = (await memberById(xb.context.db, idOf(xa)))!
      return (await keysInForce(xb.context.db, known))!.payload.kem.map(({ key }) => key)
    }
    expect(await seenBy()).toEqual([publicKemKey(kem).key])
    await amend(xa, { renew: ["node"] })
    await replaceKem(context)
    await sync(xb.context)
    expect(await seenBy()).not.toContain(publicKemKey(kem).key)
  })
})

describe("the log key", () => {
  test("release: a checkpoint authorises nothing, whatever it covers", async () => {
    await using at = await world()
    const { record } = await addDraft(at.xa.context, practiceText("By nobody"))
    await requestRelease(at.xa.context, { records: [record], to: ["xb"] })
    const grant = await releaseGrant(at.xa, record, idOf(at.xb))
    const thief = makeOfficerKey(at.xa.env, {
      person: "p1",
      organisation: "A",
      roles: ["operator"],
    })
    const forged = await forgeOrder(at.xa, [grant], { signers: [{ key: thief }] })
    const entry = await logForged(at.xa, forged.order)
    const feed = new ForgedFeed("ab".repeat(16)).add({ ...forged, entry })
    using served = serveForged(at.net, at.xa, at.xb, feed)
    await sync(at.xb.context)
    expect(served.receipts()).toMatchObject([{ state: "refused", code: "signed.unknown-key" }])
  })

  test("a second history is refused by whoever holds the first, and shown", async () => {
    await using at = await world()
    const { xa, xb } = at
    await release(xa, "First history", "xb")
    await sync(xb.context)
    const log = (await logOf(xb.context.db, idOf(xa)))!
    const other = { origin: log.origin, size: log.range.size + 1, root: new Uint8Array(32).fill(9) }
    const checkpoint = await signCheckpoint(other, logSigners(xa.context.keys, log.origin))
    const entries = [
      { origin: log.origin, start: log.range.size, entries: [dummyEntry(new Uint8Array(32), 1)] },
    ]
    const news = { checkpoint, entries, documents: [] }
    const { db } = xb.context
    expect(
      await codeOf(db.transaction().execute((trx) => mirrorLog(xb.context, trx, idOf(xa), news))),
    ).toBe("checkpoint.forked")
  })

  test("stolen: a new epoch says what survives, and what the thief logged beyond is disowned", async () => {
    await using at = await world()
    const { xa, xb } = at
    await release(xa, "Ours", "xb")
    const size = (await logOf(xa.context.db, idOf(xa)))!.range.size
    await release(xa, "Beyond", "xb")
    await sync(xb.context)
    const proposal = await propose(xa.context, { survives: size })
    await publishRoot(xa.context, proposal, await signedBy(proposal, xa.founded.rootPairs))
    await sync(xb.context)
    expect(await verdicts(xb)).toEqual({ Ours: "verified", Beyond: "repudiated" })
  })

  test("lost: the new epoch begins without the old key", async () => {
    await using at = await world()
    const { xa, xb } = at
    await release(xa, "Before the loss", "xb")
    const { log } = makeNodeKeys((bytes) => xa.env.random(bytes))
    xa.context.keys = { ...xa.context.keys, log }
    expect(publicLogKey(log)).not.toEqual(newestRoot(xa.context.self).payload.logKey)
    const proposal = await propose(xa.context, { survives: "now" })
    await publishRoot(xa.context, proposal, await signedBy(proposal, xa.founded.rootPairs))
    await release(xa, "After the loss", "xb")
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 2, failed: 0 })
    expect(await verdicts(xb)).toEqual({
      "Before the loss": "verified",
      "After the loss": "verified",
    })
  })
})

describe("a KEM key, and all traffic", () => {
  /** Which of the parcels from `node` that `asker` fetched this seed opens, in order. */
  async function opening(node: TestNode, asker: TestNode, seed: Uint8Array) {
    const parcels = framesOf(await framesTo(node, idOf(asker)), "parcel")
    const key = kemKeyPair(seed)
    const opens = []
    for (const parcel of parcels) {
      const epoch = await joinEpoch(idOf(node), idOf(asker), key, parcelEnc(parcel))
      opens.push(refusal(() => openParcel(epoch, parcel)) === null)
    }
    return opens
  }

  test("decrypt what was sealed to it; nothing from before it was made, nothing after it was replaced", async () => {
    await using at = await world()
    const { xa, xb } = at
    await release(xa, "Before", "xb")
    await sync(xb.context)
    await rotateKem(xb.context)
    await sync(xa.context)
    const [announced] = await kemOf(xb)
    const seeds = await xb.context.db.selectFrom("kem_key").select("seed").execute()
    const stolen = seeds
      .map(({ seed }) => new Uint8Array(seed))
      .find((seed) => encodeBase64url(kemKeyPair(seed).publicKey) === announced)!
    await release(xa, "While it is stolen", "xb")
    await sync(xb.context)
    const exposed = await replaceKem(xb.context)
    expect(exposed.map(({ title }) => title)).toEqual(["Before", "While it is stolen"])
    await sync(xa.context)
    await release(xa, "After", "xb")
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
    expect(await opening(xa, xb, stolen)).toEqual([false, true, false])
  })

  test("the seeds are gone from the node at once, and what was announced before is announced no more", async () => {
    await using at = await world()
    const { xb } = at
    const before = await kemOf(xb)
    await replaceKem(xb.context)
    const after = await kemOf(xb)
    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0])
    const rows = await xb.context.db.selectFrom("kem_key").selectAll().execute()
    expect(rows.map(({ public_key }) => encodeBase64url(new Uint8Array(public_key)))).toEqual(after)
  })

  test("a peer that has not heard of the new key yet loses nothing: it is asked again", async () => {
    await using at = await world()
    const { xa, xb } = at
    await replaceKem(xb.context)
    await release(xa, "Sealed to the former", "xb")
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 0, failed: 1 })
    await sync(xa.context)
    expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
  })

  async function kemOf(node: TestNode) {
    const keys = (await keysInForce(node.context.db, node.context.self))!
    return keys.payload.kem.map(({ key }) => key)
  }
})

describe("a witness key", () => {
  test("cosign: as that one witness, however often, and never as a majority of three", async () => {
    const named = ["a.example", "b.example", "c.example"].map(log.witness)
    const checkpoint = { origin: log.origin, size: 3, root: new Uint8Array(32).fill(1) }
    const note = await signCheckpoint(checkpoint, log.logSigners)
    const stolen = named[0]!.signers
    const cosigned = await log.cosigned(note, stolen, 1_800_000_000)
    expect(countWitnesses(cosigned, named).map(({ name }) => name)).toEqual(["a.example"])
    // Half of a pair is none, and another's name on the thief's key is not another's cosignature.
    const half = await log.cosigned(note, stolen.slice(0, 1), 1_800_000_000)
    expect(countWitnesses(half, named)).toEqual([])
    const renamed = stolen.map((signer) => ({ ...signer, name: "b.example" }))
    const borrowed = await log.cosigned(note, renamed, 1_800_000_000)
    expect(countWitnesses(borrowed, named)).toEqual([])
  })
})

describe("a root key", () => {
  test("one of several: no version without the threshold", async () => {
    const member = await makeMember({ seed: "one of three", rootPairs: 3, threshold: 2 })
    const version2 = (signers: readonly RootPair[]) =>
      nextRoot(member, { signers, officers: [] }).then(
        () => null,
        ({ code }: { code: string }) => code,
      )
    expect(await version2(member.rootPairs.slice(0, 1))).toBe("root.threshold")
    expect(await version2([member.rootPairs[0]!, member.nextPairs[0]!])).toBe("signed.unknown-key")
    expect(await version2(member.rootPairs.slice(1))).toBeNull()
  })

  test("all present ones: a version, but no other root keys; those announced take over and end it", async () => {
    await using at = await world()
    const { xa, xb } = at
    const { rootPairs, nextPairs } = xa.founded
    const thiefs = [{ ed25519: xa.env.random(32), mldsa65: xa.env.random(32) }]
    const rotate = { now: keySet(thiefs), next: keySet(thiefs) }
    expect(await codeOf(documentOf(xa, { rotate }, [...rootPairs, ...thiefs]))).toBe("root.chain")
    const rescue = { now: keySet(nextPairs), next: keySet(thiefs) }
    await amend(xa, { rotate: rescue }, [...rootPairs, ...nextPairs])
    expect(await codeOf(documentOf(xa, { fields: { name: "Again" } }, rootPairs))).toBe(
      "signed.unknown-key",
    )
    await sync(xb.context)
    expect(await knownVersion(xb, xa)).toBe(2)
  })

  test("the next ones alone sign nothing", async () => {
    await using at = await world()
    const { nextPairs } = at.xa.founded
    expect(await codeOf(documentOf(at.xa, { fields: { name: "N" } }, nextPairs))).toBe(
      "signed.unknown-key",
    )
  })
})

describe("the operator's socket", () => {
  test("release: what officers have not signed is not published", async () => {
    await using at = await world()
    const { record } = await addDraft(at.xa.context, practiceText("Unsigned"))
    const { order } = await requestRelease(at.xa.context, { records: [record], to: ["xb"] })
    expect(await codeOf(publish(at.xa.context, order))).toBe("order.unsatisfied")
    await signAs(at.xa, order, "p1")
    expect(await codeOf(publish(at.xa.context, order))).toBe("order.unsatisfied")
  })
})

describe("after the closing", () => {
  test("a release is refused by every peer, whatever sequencer logs it", async () => {
    await using at = await world()
    const { xa } = at
    const { record } = await addDraft(xa.context, practiceText("Too late"))
    const closing = { answers: "", day: "2027-06-30", keep: false }
    await requestRelease(xa.context, { records: [record], to: ["xb"] })
    await amend(xa, { fields: { closing } })
    const grant = await releaseGrant(xa, record, idOf(at.xb))
    const forged = await forgeOrder(xa, [grant])
    const entry = await logForged(xa, forged.order)
    const feed = new ForgedFeed("ab".repeat(16)).add({ ...forged, entry })
    using served = serveForged(at.net, xa, at.xb, feed)
    await sync(at.xb.context)
    expect(served.receipts()).toMatchObject([{ state: "refused", code: "root.closed" }])
  })
})

describe("an expired root document", () => {
  test("stops the own sequencer, and is shown by others, who judge nothing by it", async () => {
    await using at = await world()
    const { xa, xb, net } = at
    const { record } = await release(xa, "In time", "xb")
    await sync(xb.context)
    await amend(xa, { fields: { expires: "2026-11-30" } })
    await sync(xb.context)
    const { orders } = await requestRelease(xa.context, { records: [record], to: ["xc"] })
    for (const person of ["p1", "p2"]) await signAs(xa, orders[0]!, person)
    net.clock.now += 8 * 86_400_000
    expect(await codeOf(publish(xa.context, orders[0]!))).toBe("order.expired")
    const shown = await show(xb.context, record)
    expect(shown.provenance.every(({ ok }) => ok)).toBe(true)
    expect(shown.notes.join()).toContain("expired")
    expect(await showPeer(xb.context, "xa")).toMatchObject({ expires: "2026-11-30" })
  })
})
