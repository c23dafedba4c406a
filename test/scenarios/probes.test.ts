import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { signRequest } from "../../node/http/message-signature.ts"
import { nodeKid, nodeSigner } from "../../node/keys/keys.ts"
import { fillSlot, publish } from "../../node/log/sequencer.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox, search } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { concat, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { framesMediaType, readFrames } from "../../protocol/exchange/frames.ts"
import { joinEpoch, openParcel, parcelEnc } from "../../protocol/exchange/parcel.ts"
import { practiceText } from "../support/hostile.ts"
import { authorise, network, type TestNetwork, type TestNode } from "../support/network.ts"
import { seededRandom } from "../support/world.ts"

/**
 * XA's log has a cadence. XC, a peer that also holds a record of XA's, asks XA whatever it likes before and
 * after a release to XB, XD and XE that overlaps with its own, and looks for it at home. SLOW=1 asks 2,000
 * times, as the claim is; else as often as fits.
 */
const queries = process.env.SLOW === undefined ? 100 : 2000

type Nodes = Record<"xa" | "xb" | "xc" | "xd" | "xe", TestNode>

/** What XC can't know and tries all the same; before there is anything to know, the like of it. */
type Guesses = { readonly sealed: string; readonly order: string; readonly record: string }

type Draw = (below: number) => number

function drawing(seed: string): Draw {
  const random = seededRandom(seed)
  return (below) => {
    const [a = 0, b = 0, c = 0] = random(3)
    return (a * 65_536 + b * 256 + c) % below
  }
}

function pathOf(draw: Draw, nodes: Nodes, guesses: Guesses): string {
  const one = <T>(list: readonly T[]): T => list[draw(list.length)]!
  const hex = (bytes: number) => encodeHex(Uint8Array.from({ length: bytes }, () => draw(256)))
  const member = () => one([...Object.values(nodes).map(({ context }) => context.self.id), hex(32)])
  const position = () => `after=${draw(4)}&size=${draw(12)}&epoch=${1 + draw(2)}`
  return one([
    () => `/feed?${position()}`,
    () => `/feed?${position()}&feed=${one([hex(16), guesses.order])}`,
    () => `/log/${member()}?${position()}${one(["", "&returned=1"])}`,
    () => `/sealed/${one([guesses.sealed, guesses.sealed, hex(32)])}`,
    () => "/checkpoint",
    () => `/${member()}/checkpoint`,
    () => `/tile/${one([0, 1, 2, "entries"])}/000${one(["", ".p/1", `.p/${1 + draw(16)}`])}`,
    () => `/root/${draw(3)}`,
    () => "/.well-known/comity",
    () => one(["/readyz", "/livez", `/show/${guesses.record}`, `/order/${guesses.order}`]),
  ])()
}

/**
 * The frames with what XC's parcels hold in place of their ciphertext, which is another each time; and how
 * long that was.
 */
async function openedBy(xa: TestNode, xc: TestNode, body: Uint8Array): Promise<Uint8Array> {
  const key = kemKeyPair(xc.founded.kem.seed)
  const parts: Uint8Array[] = []
  for await (const { type, bytes } of readFrames(
    new Blob([body as Uint8Array<ArrayBuffer>]).stream(),
  )) {
    parts.push(utf8(`${type} ${bytes.length}\n`))
    if (type !== "parcel") parts.push(bytes)
    else {
      const [from, to] = [xa.context.self.id, xc.context.self.id]
      parts.push(openParcel(await joinEpoch(from, to, key, parcelEnc(bytes)), bytes))
    }
  }
  return concat(...parts)
}

/** Everything that XA answers, but for its signature, which is over a nonce of XC. */
async function askAll({ nodes, hosts, clock }: TestNetwork, guesses: Guesses): Promise<string[]> {
  const { xa, xc } = nodes as Nodes
  const draw = drawing("probes")
  const answers: string[] = []
  for (let i = 0; i < queries; i++) {
    const isPost = draw(12) === 0
    const path = pathOf(draw, nodes as Nodes, guesses)
    const sent = isPost ? Uint8Array.from({ length: draw(64) }, () => draw(256)) : new Uint8Array(0)
    const method = isPost ? "POST" : "GET"
    const url = new URL(isPost ? "/frames" : path, `https://${xa.host}`)
    const headers = new Headers({ host: xa.host })
    if (isPost) headers.set("content-type", framesMediaType)
    headers.set("content-length", String(sent.length))
    await signRequest(
      { method, url, headers, body: sent },
      {
        from: xc.context.self.id,
        to: xa.context.self.id,
        keyid: nodeKid(xc.context.keys),
        sign: nodeSigner(xc.context.keys),
        created: Math.floor(clock.now / 1000),
        nonce: encodeHex(xc.env.random(16)),
      },
    )
    const request = new Request(url, { method, headers, ...(isPost ? { body: sent } : {}) })
    const answer = await hosts.get(xa.host)!(request)
    const body = new Uint8Array(await answer.arrayBuffer())
    const isFrames = answer.headers.get("content-type") === framesMediaType
    const shown = isFrames ? await openedBy(xa, xc, body) : body
    const bytes = Buffer.from(shown).toString("latin1")
    const fields = [...answer.headers].filter(([name]) => !/^signature|^content-digest/.test(name))
    answers.push(`${method} ${url.pathname} ${answer.status} ${JSON.stringify(fields)}\n${bytes}`)
  }
  return answers
}

async function findAll(xc: TestNode): Promise<string> {
  const draw = drawing("words")
  const words = [
    "gates",
    "gate",
    "canary",
    "heron",
    "watched",
    "pairs",
    "核",
    "правило",
    "the",
    '"',
  ]
  const found: unknown[] = [await inbox(xc.context)]
  for (let i = 0; i < queries / 4; i++) {
    const query = Array.from({ length: 1 + draw(3) }, () => words[draw(words.length)]).join(" ")
    found.push(await search(xc.context, query))
  }
  return JSON.stringify(found)
}

/** Paths hold what was guessed, which is not the same before there was anything to guess. */
const apartFromPaths = (answers: readonly string[]) =>
  answers.map((answer) => answer.replace(/^(\w+) \S+/, "$1"))

const headOf = (answer: string) => answer.split("\n", 1)[0]

/** A release of the same record as before to XC, and one of a record that XC never gets. */
async function releaseToOthers({ xa }: Nodes, before: string): Promise<Guesses> {
  const text = practiceText("Canary heron at the gate", "Gates are watched in pairs. ".repeat(40))
  const { record } = await addDraft(xa.context, text)
  const made = await requestRelease(xa.context, {
    records: [before, record],
    to: ["xb", "xd", "xe"],
  })
  for (const order of made.orders) {
    await authorise(xa, order)
    expect(await publish(xa.context, order)).toHaveProperty("slotAt")
  }
  const { sealed_digest } = await xa.context.db
    .selectFrom("record")
    .select("sealed_digest")
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  return { sealed: sealed_digest, order: made.order, record }
}

async function releaseToXc({ xa, xc }: Nodes): Promise<string> {
  const { record } = await addDraft(xa.context, practiceText("Gates, for XC too"))
  const { order } = await requestRelease(xa.context, { records: [record], to: ["xc"] })
  await authorise(xa, order)
  await publish(xa.context, order)
  await fillSlot(xa.context)
  await sync(xc.context)
  return record
}

const world = () =>
  network(["xa", "xb", "xc", "xd", "xe"], {
    config: { cadence: { everySeconds: 3600, entries: 8 } },
  })

test("whatever a non-recipient asks, the answers are the same to the byte before and after a release to others, and after its slot as if it had been empty", async () => {
  await using busy = await world()
  const nodes = busy.nodes as Nodes
  const ofXc = await releaseToXc(nodes)
  const nothing = { sealed: "5a".repeat(32), order: "5a".repeat(16), record: "5a".repeat(16) }
  // What XA knows of third members is told once.
  await askAll(busy, nothing)
  const before = apartFromPaths(await askAll(busy, nothing))
  const foundBefore = await findAll(nodes.xc)

  const guesses = await releaseToOthers(nodes, ofXc)
  const after = apartFromPaths(await askAll(busy, guesses))
  expect(after.filter((answer, i) => answer !== before[i]).map(headOf)).toEqual([])
  await sync(nodes.xc.context)
  expect(await findAll(nodes.xc)).toEqual(foundBefore)

  // The slot comes, in this world with the release and in another with nothing to say.
  await using idle = await world()
  await releaseToXc(idle.nodes as Nodes)
  const size = async (net: TestNetwork) => {
    const { db, self } = (net.nodes as Nodes).xa.context
    return (await logOf(db, self.id))!.range.size
  }
  for (const net of [busy, idle]) await fillSlot((net.nodes as Nodes).xa.context)
  expect(await size(busy)).toBe(await size(idle))
  await askAll(idle, nothing)
  const [told, silent] = [await askAll(busy, guesses), await askAll(idle, nothing)]
  const shapes = (answers: readonly string[]) =>
    apartFromPaths(answers).map((answer) => [headOf(answer), answer.length])
  // Hashes and salts are others, as they are in any two slots; nothing else is.
  expect(shapes(told)).toEqual(shapes(silent))

  // And it was a release: those it was for have it.
  await sync(nodes.xb.context)
  expect((await inbox(nodes.xb.context)).records).toHaveLength(2)
  await sync(nodes.xc.context)
  expect(await findAll(nodes.xc)).toEqual(foundBefore)
}, 600_000)
