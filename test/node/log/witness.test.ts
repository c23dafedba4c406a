import { describe, expect, test } from "vitest"
import { blockPeer, findPeer } from "../../../node/authority/peers.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { askPeer, askPeerPlainly } from "../../../node/http/peer-client.ts"
import { logSigners } from "../../../node/keys/keys.ts"
import { listInconsistencies } from "../../../node/log/inconsistencies.ts"
import { takeRoots } from "../../../node/log/mirror.ts"
import { addCheckpoint } from "../../../node/log/witness.ts"
import { memberById } from "../../../node/store/queries/members.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { decodeUtf8, encodeBase64, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { formatAddCheckpoint } from "../../../protocol/log/add-checkpoint.ts"
import { signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { countWitnesses } from "../../../protocol/log/cosignature.ts"
import { logOrigin } from "../../../protocol/log/entry.ts"
import { emptyRoot, leafHash, proveConsistency, treeRoot } from "../../../protocol/log/merkle.ts"
import { formatNote, parseNote, parseSignatures } from "../../../protocol/log/note.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { newestRoot } from "../../../protocol/member/root.ts"
import { witnessesOf } from "../../../protocol/quorum.ts"
import { acquaint, network, type TestNode } from "../../support/network.ts"
import { amend, nameWitnesses, release } from "../../support/witnessing.ts"

type Duo = Record<"xa" | "xb", TestNode>

const leaves = Array.from({ length: 40 }, (_, i) => leafHash(utf8(`entry ${i}`)))
const others = Array.from({ length: 40 }, (_, i) => leafHash(utf8(`another ${i}`)))

const originOf = ({ context: { self } }: TestNode) =>
  logOrigin(self.network, self.id, newestRoot(self).payload.epoch)

/** Checkpoints of trees that the log never had, under its true keys: its owner can sign any. */
async function signed(
  log: TestNode,
  size: number,
  { of = leaves, origin = originOf(log), root = treeRoot(of.slice(0, size)) } = {},
): Promise<string> {
  return signCheckpoint({ origin, size, root }, logSigners(log.context.keys, origin))
}

const prove = (from: number, to: number, of = leaves) =>
  from === 0 ? [] : proveConsistency(of.slice(0, to), from, to)

type Answer = { readonly status: number; readonly type: string; readonly text: string }

async function post(from: TestNode, to: TestNode, body: string): Promise<Answer> {
  const peer = await findPeer(from.context, to.name)
  const answer = await askPeerPlainly(from.context, peer, {
    method: "POST",
    path: "/add-checkpoint",
    contentType: "text/plain; charset=utf-8",
    body: utf8(body),
  })
  return {
    status: answer.status,
    type: answer.headers.get("content-type") ?? "",
    text: decodeUtf8(answer.body),
  }
}

async function submit(log: TestNode, witness: TestNode, oldSize: number, size: number) {
  const checkpoint = await signed(log, size)
  const proof = prove(oldSize, size)
  return post(log, witness, formatAddCheckpoint({ oldSize, proof, checkpoint }))
}

/** The witness key of a node as a root document would name it. */
function asWitness(node: TestNode) {
  const root = newestRoot(node.context.self).payload
  return witnessesOf({ ...root, witnesses: [{ ...root.witnessKey, member: "" }] })
}

const problem = (status: number, code: string) => ({
  status,
  type: "application/problem+json",
  text: JSON.stringify({ type: `urn:comity:error:${code}` }),
})
const sizeKnown = (size: number) => ({
  status: 409,
  type: "text/x.tlog.size",
  text: `${size}\n`,
})

describe("a witness, by the sequence of C2SP tlog-witness", () => {
  test("cosigns a first checkpoint, the next ones, and an unchanged one again", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    for (const [oldSize, size] of [
      [0, 0],
      [0, 5],
      [5, 5],
      [5, 6],
      [6, 40],
    ] as const) {
      net.clock.now += 1000
      const answer = await submit(xa, xb, oldSize, size)
      expect(answer.status).toBe(200)
      const { text, signatures } = parseNote(await signed(xa, size))
      const note = formatNote(text, [...signatures, ...parseSignatures(answer.text)])
      expect(countWitnesses(note, asWitness(xb))).toEqual([
        { name: asWitness(xb)[0]!.name, timestamp: net.clock.now / 1000 },
      ])
      expect(parseSignatures(answer.text)).toHaveLength(2)
    }
  })

  test("409 with its own size where the old size is another", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    expect(await submit(xa, xb, 3, 5)).toEqual(sizeKnown(0))
    await submit(xa, xb, 0, 5)
    expect(await submit(xa, xb, 0, 8)).toEqual(sizeKnown(5))
    expect(await submit(xa, xb, 4, 5)).toEqual(sizeKnown(5))
    expect(await submit(xa, xb, 4, 4)).toEqual(sizeKnown(5))
  })

  test("400 for an old size above the checkpoint's, and for what is no request", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    await submit(xa, xb, 0, 5)
    const checkpoint = await signed(xa, 5)
    const malformed = problem(400, "witness.malformed")
    const above = formatAddCheckpoint({ oldSize: 6, proof: [], checkpoint })
    expect(await post(xa, xb, above)).toEqual(malformed)
    const hash = `${encodeBase64(emptyRoot)}\n`
    for (const body of [
      "",
      checkpoint,
      `old 5\n${checkpoint}`,
      `old 05\n\n${checkpoint}`,
      `old -5\n\n${checkpoint}`,
      `old 5 \n\n${checkpoint}`,
      `old 9007199254740993\n\n${checkpoint}`,
      `5\n\n${checkpoint}`,
      `old 5\nAAAA\n\n${checkpoint}`,
      `old 5\n${hash.trim()}==\n\n${checkpoint}`,
      `old 5\n${hash.repeat(64)}\n${checkpoint}`,
      "old 5\n\n",
      `old 5\n\n${checkpoint}more`,
      `old 5\n\n${checkpoint.replace("\n\n", "\nextension\n\n")}`,
    ])
      expect(await post(xa, xb, body)).toEqual(malformed)
    const longest = `old 5\n${hash.repeat(63)}\n${checkpoint}`
    expect(await post(xa, xb, longest)).toEqual(problem(422, "consistency.invalid"))
  })

  test("404 for a log it does not know: a stranger's, its own, another epoch or network", async () => {
    await using net = await network(["xa", "xb", "xc"], { acquainted: false })
    const { xa, xb, xc } = net.nodes as Duo & { xc: TestNode }
    await acquaint(xa, xb)
    await acquaint(xb, xa)
    const unknown = problem(404, "checkpoint.origin")
    const ask = async (log: TestNode, origin: string) =>
      post(
        xa,
        xb,
        formatAddCheckpoint({
          oldSize: 0,
          proof: [],
          checkpoint: await signed(log, 5, { origin }),
        }),
      )
    const { id, network: name } = xa.context.self
    expect(await ask(xc, originOf(xc))).toEqual(unknown)
    expect(await ask(xb, originOf(xb))).toEqual(unknown)
    expect(await ask(xa, logOrigin(name, id, 2))).toEqual(unknown)
    expect(await ask(xa, logOrigin("training", id, 1))).toEqual(unknown)
    expect(await ask(xa, "example.com/log")).toEqual(unknown)
    // Once it is a verified peer its log is known, whoever submits it; blocked it is not.
    await acquaint(xb, xc)
    expect(await ask(xc, originOf(xc))).toMatchObject({ status: 200 })
    await blockPeer(xb.context, "xc", true)
    expect(await ask(xc, originOf(xc))).toEqual(unknown)
  })

  test("403 where the log's signatures are not both there and good", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const good = await signed(xa, 5)
    const { text, signatures } = parseNote(good)
    const [ed25519, mldsa44] = signatures
    const spoil = (line: (typeof signatures)[number]) => ({
      ...line,
      signature: line.signature.map((byte, i) => (i === 20 ? byte ^ 1 : byte)),
    })
    const byOthers = await signed(xb, 5, { origin: originOf(xb) })
    const bad = [
      [ed25519!],
      [mldsa44!],
      [spoil(ed25519!), mldsa44!],
      [ed25519!, spoil(mldsa44!)],
      parseNote(byOthers).signatures,
      parseNote(await signed(xa, 6)).signatures,
    ]
    for (const lines of bad) {
      const checkpoint = formatNote(text, lines)
      expect(
        await post(xa, xb, formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint })),
      ).toEqual(problem(403, "checkpoint.unverified"))
    }
    // Lines by unknown keys beside both good ones are ignored.
    const more = formatNote(text, [...signatures, ...parseNote(byOthers).signatures])
    const request = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: more })
    expect(await post(xa, xb, request)).toMatchObject({ status: 200 })
  })

  test("422 for what does not continue what it cosigned", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const inconsistent = problem(422, "consistency.invalid")
    const ask = async (oldSize: number, proof: readonly Uint8Array[], checkpoint: string) =>
      post(xa, xb, formatAddCheckpoint({ oldSize, proof, checkpoint }))
    // Size 0 has the root of the empty tree; from 0 no proof is needed, so none is allowed.
    expect(await ask(0, [], await signed(xa, 0, { root: leaves[0]! }))).toEqual(inconsistent)
    expect(await ask(0, [leaves[0]!], await signed(xa, 5))).toEqual(inconsistent)
    await submit(xa, xb, 0, 5)
    expect(await ask(5, [], await signed(xa, 5, { of: others }))).toEqual(inconsistent)
    expect(await ask(5, [leaves[0]!], await signed(xa, 5))).toEqual(inconsistent)
    expect(await ask(5, prove(5, 9, others), await signed(xa, 9, { of: others }))).toEqual(
      inconsistent,
    )
    const proof = prove(5, 9)
    const next = await signed(xa, 9)
    for (const bad of [[], proof.slice(1), proof.toReversed(), [...proof, leaves[0]!]])
      expect(await ask(5, bad, next)).toEqual(inconsistent)
    // Nothing of it was taken for known.
    expect(await ask(5, proof, next)).toMatchObject({ status: 200 })
  })

  test("a stranger gets the one answer that strangers get", async () => {
    await using net = await network(["xa", "xb"], { acquainted: false })
    const { xa, xb } = net.nodes as Duo
    await acquaint(xa, xb)
    await expect(submit(xa, xb, 0, 5)).rejects.toMatchObject({ code: "peer.refused" })
    const paths = ["/checkpoint", "/tile/0/000.p/2", "/add-checkpoint", "/nothing"]
    const bodies = await Promise.all(
      paths.map(async (path) => {
        const response = await net.hosts.get(xb.host)!(new Request(`https://${xb.host}${path}`))
        return `${response.status} ${await response.text()}`
      }),
    )
    expect(new Set(bodies)).toEqual(new Set(["404 "]))
  })
})

describe("what a witness remembers", () => {
  test("of submissions at the same moment one is taken, and none rolls the tree back", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    await submit(xa, xb, 0, 5)
    let size = 5
    for (let round = 0; round < 8; round++) {
      const sizes = [size + 1, size + 4, size, size + 2]
      const answers = await Promise.all(sizes.map((to) => submit(xa, xb, size, to)))
      const taken = sizes.filter((_, i) => answers[i]!.status === 200)
      const grown = taken.filter((to) => to !== size)
      // One at an unchanged size may come before the one that grows the tree, and no other.
      expect(grown).toHaveLength(1)
      for (const [i, answer] of answers.entries())
        if (!taken.includes(sizes[i]!)) expect(answer).toEqual(sizeKnown(grown[0]!))
      size = grown[0]!
      expect(await submit(xa, xb, size - 1, size)).toEqual(sizeKnown(size))
    }
  })

  test("its time never goes back, and is never 0", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const timeOf = async (oldSize: number, size: number) => {
      // Inside the node, since a clock this far off can't ask over HTTP.
      const checkpoint = await signed(xa, size)
      const request = formatAddCheckpoint({ oldSize, proof: prove(oldSize, size), checkpoint })
      const answer = await addCheckpoint(xb.context, utf8(request))
      if (answer.status !== 200) throw new Error(`status ${answer.status}`)
      const { text, signatures } = parseNote(checkpoint)
      const note = formatNote(text, [...signatures, ...parseSignatures(answer.lines)])
      return countWitnesses(note, asWitness(xb))[0]?.timestamp
    }
    net.clock.now = 0
    expect(await timeOf(0, 5)).toBe(1)
    net.clock.now = 1_800_000_000_000
    expect(await timeOf(5, 5)).toBe(1_800_000_000)
    net.clock.now = 1_700_000_000_000
    expect(await timeOf(5, 6)).toBe(1_800_000_000)
    net.clock.now = 1_800_000_001_000
    expect(await timeOf(6, 6)).toBe(1_800_000_001)
  })

  test("what its own mirror of the log says otherwise is not cosigned", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const { size } = await release(xa, "In the log", "xb")
    await sync(xb.context)
    // A first checkpoint needs no proof: only the entries held here tell that it is another tree.
    expect(await submit(xa, xb, 0, size)).toEqual(problem(422, "checkpoint.forked"))
    const events = await xb.context.db.selectFrom("event").select(["kind", "subject"]).execute()
    expect(events).toContainEqual({ kind: "witness.refused", subject: xa.context.self.id })
    expect((await listInconsistencies(xb.context)).inconsistencies).toMatchObject([
      { member: xa.context.self.id, kind: "checkpoints", state: "waiting" },
    ])
  })

  test("what it cosigned before its entries came is compared when they come", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const { size } = await release(xa, "In the log", "xb")
    await sync(xb.context)
    expect(await submit(xa, xb, 0, size + 2)).toMatchObject({ status: 200 })
    expect((await listInconsistencies(xb.context)).inconsistencies).toEqual([])
    await release(xa, "Not what was cosigned", "xb")
    await sync(xb.context)
    expect((await listInconsistencies(xb.context)).inconsistencies).toMatchObject([
      { member: xa.context.self.id, kind: "checkpoints" },
    ])
  })

  test("the last checkpoint it cosigned is shown on request, with its lines", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const peer = await findPeer(xa.context, "xb")
    const path = `/${encodeHex(sha256(utf8(originOf(xa))))}/checkpoint`
    const unknown = { theirs: "checkpoint.origin" }
    await expect(askPeer(xa.context, peer, { method: "GET", path })).rejects.toMatchObject(unknown)
    await submit(xa, xb, 0, 5)
    await submit(xa, xb, 5, 7)
    const answer = await askPeerPlainly(xa.context, peer, { method: "GET", path })
    const note = decodeUtf8(answer.body)
    expect(parseNote(note).text).toBe(parseNote(await signed(xa, 7)).text)
    expect(countWitnesses(note, asWitness(xb))).toHaveLength(1)
  })

  test("a log that has ended gets no cosignature", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    const before = xa.context.keys
    const { size } = await release(xa, "Before", "xb")
    await sync(xb.context)
    const root = encodeHex(treeRoot([]))
    await amend(xa, { survives: { epoch: 1, root, size: 0 } })
    await sync(xb.context)
    const origin = logOrigin(xa.context.self.network, xa.context.self.id, 1)
    const checkpoint = await signCheckpoint(
      { origin, size, root: treeRoot(leaves.slice(0, size)) },
      logSigners(before, origin),
    )
    const body = formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint })
    expect(await post(xa, xb, body)).toEqual(problem(404, "checkpoint.origin"))
  })

  test("a log key that its member has revoked is trusted no more", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    expect(await submit(xa, xb, 0, 5)).toMatchObject({ status: 200 })
    const { logKey } = newestRoot(xa.context.self).payload
    const from = { epoch: 1, root: encodeHex(emptyRoot), size: 0 }
    await amend(xa, { revoke: [{ kid: kidOf(logKey), from }] })
    const roots = xa.context.self.documents.map(({ bytes }) => bytes)
    await xb.context.db.transaction().execute(async (trx) => {
      const known = await memberById(trx, xa.context.self.id)
      await takeRoots(xb.context, trx, known!, roots)
    })
    expect(await submit(xa, xb, 5, 6)).toEqual(problem(403, "checkpoint.unverified"))
  })
})

describe("a log for its members", () => {
  test("is served as checkpoint and tiles, signed, and no further than it goes", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Duo
    await nameWitnesses(xa, { add: ["xb"] })
    await sync(xa.context)
    const peer = await findPeer(xb.context, "xa")
    const get = async (path: string) => {
      const { status, body, headers } = await askPeerPlainly(xb.context, peer, {
        method: "GET",
        path,
      })
      return { status, body, type: headers.get("content-type") }
    }
    const { body, type } = await get("/checkpoint")
    expect(type).toBe("text/plain; charset=utf-8")
    expect(countWitnesses(decodeUtf8(body), asWitness(xb))).toHaveLength(1)
    expect((await get("/tile/0/000.p/3")).body).toHaveLength(3 * 32)
    expect((await get("/tile/0/000.p/2")).body).toHaveLength(2 * 32)
    expect((await get("/tile/entries/000.p/3")).body).toHaveLength(3 * 35)
    for (const path of ["/tile/0/000.p/4", "/tile/0/000", "/tile/1/000.p/1", "/tile/0/001.p/1"])
      expect(await get(path)).toMatchObject({ status: 404 })
    for (const path of ["/tile/0/0", "/tile/0/000.p/03", "/tile/x/000", "/tile/"])
      expect(await get(path)).toMatchObject({ status: 400 })
  })
})
