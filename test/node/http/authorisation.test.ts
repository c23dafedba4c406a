import { afterAll, describe, expect, test } from "vitest"
import { publishRoot } from "../../../node/authority/amend.ts"
import { addPeer, blockPeer, ownCard, verifyPeer } from "../../../node/authority/peers.ts"
import { propose } from "../../../node/authority/propose.ts"
import { owedReceipts } from "../../../node/exchange/receipts.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { signRequest } from "../../../node/http/message-signature.ts"
import { type OperationName, operations, operatorApp } from "../../../node/http/operator-app.ts"
import { peerApp } from "../../../node/http/peer-app.ts"
import { nodeKid, nodeSigner } from "../../../node/keys/keys.ts"
import { addCheckpoint } from "../../../node/log/witness.ts"
import { logOf } from "../../../node/store/queries/logs.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { concat, encodeBase64, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { encodeFrame, framesHeader, framesMediaType } from "../../../protocol/exchange/frames.ts"
import { formatAddCheckpoint } from "../../../protocol/log/add-checkpoint.ts"
import { parseCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { parseNote } from "../../../protocol/log/note.ts"
import { newestRoot } from "../../../protocol/member/root.ts"
import { wordsOf } from "../../../protocol/words.ts"
import { release, signedBy } from "../../support/ceremony.ts"
import { practiceText } from "../../support/hostile.ts"
import { acquaint, network, type TestNode } from "../../support/network.ts"

/**
 * Who may ask what: every route that the node has, times everyone who might knock, for what is theirs and
 * what is another's. The routes come from the apps themselves: one that is not in these tables fails.
 */

const net = await network(["xa", "xb", "xc", "xd", "xe", "xf"], { acquainted: false })
afterAll(() => net.close())
const { xa, xb, xc, xd, xe } = net.nodes as Record<"xa" | "xb" | "xc" | "xd" | "xe", TestNode>
for (const peer of [xb, xc, xe]) {
  await acquaint(xa, peer)
  await acquaint(peer, xa)
}
await addPeer(xa.context, await ownCard(xd.context))
await blockPeer(xa.context, "xe", true)
const mine = await release(xa, "For XB", "xb")
const theirs = await release(xa, "For XC", "xc")
await sync(xb.context)

/** A former node key of XB: what a thief still has after the root named another. */
const former = xb.context.keys
const proposal = await propose(xb.context, { renew: ["node"] })
await publishRoot(xb.context, proposal, await signedBy(proposal, xb.founded.rootPairs))
await sync(xa.context, "xb")

const app = peerApp(xa.context, {
  authorities: [xa.host],
  closing: new AbortController().signal,
})

type Asking = { readonly as: TestNode; readonly keys?: TestNode["context"]["keys"] }
/** Whoever knocks; null signs nothing. */
const knocking: Readonly<Record<string, Asking | null>> = {
  stranger: null,
  "a member that is no peer": { as: net.nodes.xf! },
  "a peer that is not verified": { as: xd },
  "a peer that is blocked": { as: xe },
  "a thief of a peer's former key": { as: xb, keys: former },
  "a member in a peer's name": { as: xb, keys: xd.context.keys },
  peer: { as: xb },
}
type Knocker = keyof typeof knocking

async function ask(
  method: string,
  path: string,
  who: Asking | null,
  body: Uint8Array = new Uint8Array(0),
) {
  const url = new URL(path, `https://${xa.host}`)
  const headers = new Headers({ host: xa.host })
  if (method === "POST") headers.set("content-type", framesMediaType)
  if (who !== null) {
    const keys = who.keys ?? who.as.context.keys
    await signRequest(
      { method, url, headers, body },
      {
        from: who.as.context.self.id,
        to: xa.context.self.id,
        keyid: nodeKid(keys),
        sign: nodeSigner(keys),
        created: Math.floor(net.clock.now / 1000),
        nonce: encodeHex(xa.env.random(16)),
      },
    )
  }
  const isPost = method === "POST"
  const response = await app.request(
    new Request(url, {
      method,
      headers,
      ...(isPost ? { body: body as Uint8Array<ArrayBuffer> } : {}),
    }),
  )
  const text = Buffer.from(await response.arrayBuffer()).toString("latin1")
  return { status: response.status, text, signed: response.headers.has("signature") }
}

async function sealedDigest(record: string): Promise<string> {
  const row = await xa.context.db
    .selectFrom("record")
    .select("sealed_digest")
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  return row.sealed_digest
}

const digests = {
  own: await sealedDigest(mine.record),
  others: await sealedDigest(theirs.record),
  none: "00".repeat(32),
}
const feedOf = async (node: TestNode) =>
  (
    await xa.context.db
      .selectFrom("feed")
      .select("feed")
      .where("peer", "=", node.context.self.id)
      .executeTakeFirstOrThrow()
  ).feed

const { checkpoint: ofXb, range } = (await logOf(xb.context.db, xb.context.self.id))!
const submission = (oldSize: number) =>
  utf8(formatAddCheckpoint({ oldSize, proof: [], checkpoint: ofXb! }))
await addCheckpoint(xa.context, submission(0))
const witnessed = encodeHex(sha256(utf8(parseCheckpoint(parseNote(ofXb!).text).origin)))
const ownSize = (await logOf(xa.context.db, xa.context.self.id))!.range.size

/** Each route of the peer app: open to everybody, or for a peer alone, with a path that it answers. */
const peerRoutes: Readonly<
  Record<string, { readonly open: boolean; readonly path: string; readonly body?: Uint8Array }>
> = {
  "GET /.well-known/comity": { open: true, path: "/.well-known/comity" },
  "GET /:origin/checkpoint": { open: false, path: `/${witnessed}/checkpoint` },
  "GET /checkpoint": { open: false, path: "/checkpoint" },
  "GET /feed": { open: false, path: "/feed?after=0&size=0&epoch=1" },
  "GET /livez": { open: true, path: "/livez" },
  "GET /log/:member": {
    open: false,
    path: `/log/${xa.context.self.id}?after=0&size=0&epoch=1`,
  },
  "GET /readyz": { open: true, path: "/readyz" },
  "GET /root/:version": { open: true, path: "/root/1" },
  "GET /sealed/:digest": { open: false, path: `/sealed/${digests.own}` },
  "GET /tile/*": { open: false, path: `/tile/0/000.p/${ownSize}` },
  "POST /add-checkpoint": { open: false, path: "/add-checkpoint", body: submission(range.size) },
  "POST /frames": { open: false, path: "/frames", body: framesHeader() },
}

describe("the peer app", () => {
  test("has these routes and no other", () => {
    const routes = app.routes.map(({ method, path }) => `${method} ${path}`)
    expect([...new Set(routes)].sort()).toEqual(Object.keys(peerRoutes).sort())
  })

  const cells = Object.entries(peerRoutes).flatMap(([route, { open }]) =>
    Object.keys(knocking).map((who) => [route, who as Knocker, open || who === "peer"] as const),
  )
  test.each(cells)("%s, %s: %s", async (route, who, isAnswered) => {
    const { path, body, open } = peerRoutes[route]!
    const method = route.split(" ")[0]!
    const answer = await ask(method, path, knocking[who]!, body)
    expect(answer.status).toBe(isAnswered ? 200 : 404)
    expect(answer.signed).toBe(isAnswered && !open)
    // One answer to all of them, and the same as for what does not exist.
    if (!isAnswered) expect(answer).toEqual(await ask("GET", "/no/such/route", null))
  })

  test("anything else, by whatever method, is not there, for a peer either", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["GET", "/operation/id.show"],
      ["POST", "/operation/id.show"],
      ["POST", "/follow"],
      ["POST", "/feed"],
      ["GET", "/frames"],
      ["GET", "/root/0"],
      ["GET", "/root/2"],
      ["GET", "/sealed"],
      ["GET", "/metrics"],
    ] as const) {
      const answer = await ask(method, path, knocking.peer!)
      expect([404, 422], `${method} ${path}`).toContain(answer.status)
      expect(answer.text).toMatch(/^(|\{"type":"urn:comity:error:feature.unsupported"\})$/)
    }
  })

  test("the log of a third member is not handed out, its own and ours are", async () => {
    const logOf = (node: TestNode) =>
      ask("GET", `/log/${node.context.self.id}?after=0&size=0&epoch=1`, knocking.peer!)
    expect((await logOf(xa)).status).toBe(200)
    expect((await logOf(xb)).status).toBe(200)
    expect((await logOf(xc)).status).toBe(404)
  })

  test("another's content is as if it did not exist", async () => {
    const own = await ask("GET", `/sealed/${digests.own}`, knocking.peer!)
    expect(own.status).toBe(200)
    const { status, text } = await ask("GET", `/sealed/${digests.others}`, knocking.peer!)
    const none = await ask("GET", `/sealed/${digests.none}`, knocking.peer!)
    expect({ status, text }).toEqual({ status: none.status, text: none.text })
    expect(status).toBe(404)
  })

  test("another's feed is not served, whoever names it: a peer gets its own from the start", async () => {
    const path = "/feed?after=0&size=0&epoch=1"
    const own = await ask("GET", path, knocking.peer!)
    const asOther = await ask("GET", `${path}&feed=${await feedOf(xc)}`, knocking.peer!)
    expect(asOther.status).toBe(200)
    expect(asOther.text).not.toContain(await feedOf(xc))
    expect(asOther.text).toContain(await feedOf(xb))
    expect(own.text).toContain(await feedOf(xb))
  })

  test("receipts in another's name are not taken", async () => {
    const owed = await xc.context.db.selectFrom("receipt_out").selectAll().execute()
    expect(owed).toEqual([])
    await sync(xc.context)
    await xc.context.db.updateTable("receipt_out").set({ sent: 0 }).execute()
    const batch = await owedReceipts(xc.context, xa.context.self.id, 16)
    const answer = await ask(
      "POST",
      "/frames",
      knocking.peer!,
      concat(framesHeader(), batch!.frames),
    )
    expect(answer.status).toBe(400)
    expect(answer.text).toMatch(/receipt|signed/)
    const unknown = new Uint8Array([...framesHeader(), ...encodeFrame("parcel", digestBytes)])
    expect((await ask("POST", "/frames", knocking.peer!, unknown)).status).toBe(422)
  })
})
const digestBytes = new Uint8Array(32)

/** What the operator app does, and on whose word; `input` is one that the operation takes. */
const operatorOperations: Readonly<
  Record<OperationName, { readonly by: "operator" | "officers" | "root keys"; input: object }>
> = {
  "assistance.list": { by: "operator", input: {} },
  "calendar.list": { by: "operator", input: {} },
  "calendar.met": { by: "operator", input: { deadline: "00" } },
  "calendar.set": {
    by: "operator",
    input: { mechanism: "cns", anchor: "review-meeting", day: "2027-03-15" },
  },
  "draft.translate": { by: "operator", input: { record: "00", source: "", status: "machine" } },
  say: { by: "operator", input: { relation: "asks", text: "Why?", to: ["xb"] } },
  trends: { by: "operator", input: { mechanism: "ippas" } },
  backup: { by: "operator", input: { file: "/nowhere/at/all" } },
  "consent.back": { by: "operator", input: { order: "00", reason: "second thoughts" } },
  "consent.give": { by: "operator", input: { order: "00" } },
  "consent.make": { by: "operator", input: { export: "AAAA" } },
  "consent.object": { by: "operator", input: { record: "00", reason: "names a person" } },
  "consent.take": { by: "operator", input: { consent: "AAAA" } },
  doctor: { by: "operator", input: {} },
  metrics: { by: "operator", input: {} },
  "draft.add": { by: "operator", input: { source: practiceText("Another") } },
  "draft.addAll": { by: "operator", input: { sources: [practiceText("One of many")] } },
  "draft.edit": { by: "operator", input: { draft: mine.record, source: practiceText("Edited") } },
  "draft.list": { by: "operator", input: {} },
  "draft.remove": { by: "operator", input: { draft: mine.record } },
  "draft.show": { by: "operator", input: { draft: mine.record } },
  evidence: { by: "operator", input: { record: mine.record } },
  "group.accept": { by: "operator", input: { group: "@none" } },
  "group.add": { by: "operator", input: { group: "@none", peers: ["xb"] } },
  "group.create": { by: "operator", input: { name: "ports", purpose: "p", invite: ["xb"] } },
  "group.invite": { by: "operator", input: { group: "@none", peers: ["xb"] } },
  "group.leave": { by: "operator", input: { group: "@none" } },
  "group.list": { by: "operator", input: {} },
  "group.pass": { by: "operator", input: { group: "@none", to: "xb" } },
  "group.remove": { by: "operator", input: { group: "@none", peers: ["xb"] } },
  "group.show": { by: "operator", input: { group: "@none" } },
  "hold.end": { by: "officers", input: { record: "00", statement: "AAAA" } },
  "hold.find": { by: "operator", input: { record: mine.record } },
  "hold.list": { by: "operator", input: {} },
  "hold.log": { by: "operator", input: {} },
  "hold.open": { by: "officers", input: { record: "00", statement: "AAAA" } },
  "hold.place": {
    by: "officers",
    input: { record: "00", review: "2030-01-01", statement: "AAAA" },
  },
  "hold.request": { by: "operator", input: { record: "00", reason: "r" } },
  "hold.seal": { by: "officers", input: { record: "00", statement: "AAAA" } },
  "hold.unseal": { by: "officers", input: { record: "00", reason: "r", statements: [] } },
  "id.card": { by: "operator", input: {} },
  "id.contact": { by: "operator", input: { contact: { hours: "8-16" } } },
  "id.show": { by: "operator", input: {} },
  inbox: { by: "operator", input: {} },
  "inconsistency.continue": { by: "officers", input: { proof: "00", statement: "AAAA" } },
  "inconsistency.explain": { by: "operator", input: { proof: "00", text: "explained" } },
  "inconsistency.list": { by: "operator", input: {} },
  "inconsistency.show": { by: "operator", input: { proof: "00" } },
  "interest.list": { by: "operator", input: {} },
  "interest.match": { by: "operator", input: { record: mine.record } },
  "interest.state": {
    by: "operator",
    input: {
      kind: "interest",
      title: "Ports",
      text: "Ports.",
      language: "en",
      mechanisms: [],
      areas: [],
      kinds: [],
      languages: [],
      words: "ports",
      to: ["xb"],
    },
  },
  "key.list": { by: "operator", input: {} },
  "key.replace-kem": { by: "operator", input: {} },
  "key.rotate-kem": { by: "operator", input: {} },
  "log.advance": { by: "operator", input: { size: 64 } },
  "log.audit": { by: "operator", input: {} },
  "log.consistency": { by: "operator", input: { from: 1 } },
  "log.export": { by: "operator", input: {} },
  "log.head": { by: "operator", input: {} },
  "log.policy": { by: "operator", input: {} },
  "log.proof": { by: "operator", input: { index: 1 } },
  "log.recordProof": { by: "operator", input: { record: mine.record } },
  "mark.list": { by: "operator", input: {} },
  "mark.map": {
    by: "officers",
    input: { marking: "TLP:AMBER", mark: "OURS", statement: encodeBase64(digestBytes) },
  },
  "officer.list": { by: "operator", input: {} },
  "order.cancel": { by: "operator", input: { order: "" } },
  "order.export": { by: "operator", input: { order: "" } },
  "order.import": { by: "officers", input: { order: "", protected: "e30", signature: "AA" } },
  "order.list": { by: "operator", input: {} },
  "order.refuse": { by: "officers", input: { statement: encodeBase64(digestBytes) } },
  "order.show": { by: "operator", input: { order: "" } },
  outbox: { by: "operator", input: {} },
  "outbox.send": { by: "operator", input: {} },
  "peer.add": { by: "operator", input: { url: "https://nobody.example" } },
  "peer.block": { by: "operator", input: { name: "xc", blocked: false } },
  "peer.introduce": { by: "operator", input: { name: "xc", to: ["xb"] } },
  "peer.list": { by: "operator", input: {} },
  "peer.move": { by: "operator", input: { name: "xd", url: "https://xd.example" } },
  "peer.push": { by: "operator", input: { name: "xd", push: false } },
  "peer.remove": { by: "operator", input: { name: "xe" } },
  "peer.rename": { by: "operator", input: { name: "xd", to: "xd-new" } },
  "peer.show": { by: "operator", input: { name: "xc" } },
  "peer.update": { by: "operator", input: { name: "xc" } },
  "peer.verify": {
    by: "operator",
    input: { name: "xd-new", words: wordsOf(xd.context.self.id) },
  },
  "policy.check": { by: "operator", input: {} },
  "policy.show": { by: "operator", input: {} },
  "profile.adopt": { by: "operator", input: { name: "ippas" } },
  "profile.list": { by: "operator", input: {} },
  publish: { by: "officers", input: { order: "" } },
  receipts: { by: "operator", input: { record: mine.record } },
  "receipts.unanswered": { by: "operator", input: {} },
  recover: { by: "operator", input: {} },
  "recover.giveUp": { by: "officers", input: { indexes: [3], statement: "AAAA" } },
  "recover.resume": { by: "officers", input: { statement: "AAAA" } },
  "register.add": {
    by: "operator",
    input: { person: "p1", name: "N", post: "P", instrument: "I", from: "2026-01-01" },
  },
  "register.list": { by: "operator", input: {} },
  "register.log": { by: "operator", input: {} },
  "register.open": { by: "officers", input: { person: "p1", reason: "r", statements: [] } },
  "register.request": { by: "operator", input: { person: "p1", reason: "r" } },
  "release.request": { by: "operator", input: { records: [mine.record], to: ["xc"] } },
  "root.propose": { by: "operator", input: { name: "The operator's" } },
  "root.publish": { by: "root keys", input: { proposal: "", lines: [] } },
  search: { by: "operator", input: { query: "practice" } },
  "notify.set": { by: "operator", input: {} },
  "notify.show": { by: "operator", input: {} },
  "saved.add": { by: "operator", input: { name: "gates", query: "gate" } },
  "saved.list": { by: "operator", input: {} },
  "saved.remove": { by: "operator", input: { name: "none" } },
  "saved.run": { by: "operator", input: { name: "none" } },
  show: { by: "operator", input: { record: mine.record } },
  sync: { by: "operator", input: {} },
  why: { by: "operator", input: { record: mine.record, peer: "xb" } },
  withdraw: { by: "operator", input: { record: mine.record, reason: "r" } },
  "witness.list": { by: "operator", input: {} },
  "witness.propose": { by: "operator", input: { add: ["xc"] } },
  "witness.stopAfter": { by: "operator", input: { hours: 96 } },
}

describe("the operator app", () => {
  const operator = operatorApp(xa.context, { closing: new AbortController().signal })
  const call = async (name: string, input: object, header: object = { "comity-operator": "1" }) => {
    const response = await operator.request(`/operation/${name}`, {
      method: "POST",
      body: JSON.stringify(input),
      headers: { "content-type": "application/json", ...header },
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  test("has these routes and operations and no other", () => {
    const routes = operator.routes.map(({ method, path }) => `${method} ${path}`)
    expect([...new Set(routes)].sort()).toEqual([
      "ALL /*",
      "GET /metrics",
      "POST /follow",
      "POST /operation/:name",
    ])
    expect(Object.keys(operations).sort()).toEqual(Object.keys(operatorOperations).sort())
  })

  test("does nothing for a page in the operator's browser, which can't set the header", async () => {
    for (const name of Object.keys(operatorOperations))
      expect((await call(name, operatorOperations[name as OperationName].input, {})).status).toBe(
        403,
      )
    const follow = await operator.request("/follow", { method: "POST", body: '{"peer":"xb"}' })
    expect(follow.status).toBe(403)
    const metrics = await operator.request("/metrics")
    expect([metrics.status, await metrics.text()]).toEqual([403, '{"layer":"internal"}'])
  })

  test("takes no field that an operation does not know, and no other method", async () => {
    for (const [name, { input }] of Object.entries(operatorOperations)) {
      const { status, body } = await call(name, { ...input, admin: true })
      expect([status, body.code], name).toEqual([422, "request.malformed"])
      const got = await operator.request(`/operation/${name}`, {
        headers: { "comity-operator": "1" },
      })
      expect(got.status).toBe(404)
    }
    expect((await call("__proto__", {})).status).toBe(404)
    expect((await call("constructor", {})).status).toBe(404)
  })

  test("with all operations at hand, an operator releases, enrols and opens nothing alone", async () => {
    const { orders } = (
      await call("release.request", {
        records: [mine.record],
        to: ["xc"],
      })
    ).body as { orders: string[] }
    const wished = await call("root.propose", { name: "The operator's" })
    const logged = async () => ({
      orders: await xa.context.db.selectFrom("logged_order").select("id").execute(),
      facts: await xa.context.db.selectFrom("fact").select("leaf").execute(),
      root: newestRoot(xa.context.self).payload.version,
      opened: await xa.context.db
        .selectFrom("register_log")
        .selectAll()
        .where("act", "=", "open")
        .execute(),
    })
    const before = await logged()
    for (const [name, { by, input }] of Object.entries(operatorOperations)) {
      // Last, as it would end the order that the others try.
      if (name === "order.cancel") continue
      const given = {
        ...input,
        ...("order" in input ? { order: orders[0]! } : {}),
        ...("proposal" in input ? { proposal: wished.body.proposal } : {}),
      }
      const { status, body } = await call(name, given)
      expect(body.layer, `${name}: ${String(body.message)}`).not.toBe("internal")
      if (by !== "operator") expect(status, name).toBe(422)
      expect(await logged(), name).toEqual(before)
    }
    expect((await call("order.cancel", { order: orders[0]! })).status).toBe(200)
    expect(await verifyPeer(xa.context, "xc", wordsOf(xc.context.self.id))).toBeDefined()
  })
})
