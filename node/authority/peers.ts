import { encodeCanonical, type Json } from "../../protocol/canonical.ts"
import { decodeHex, equalBytes } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { type Card, encodeCard, isCard, verifyCard } from "../../protocol/exchange/card.ts"
import { ownLines } from "../../protocol/log/checkpoint.ts"
import { proveInclusionFrom } from "../../protocol/log/compact-range.ts"
import { openEntry } from "../../protocol/log/entry.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import { isSuccessor, type Member, newestRoot, rootFormat } from "../../protocol/member/root.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { flag, hex, object } from "../../protocol/shape.ts"
import { decodeSigned } from "../../protocol/signed.ts"
import { readWords, wordsOf } from "../../protocol/words.ts"
import { type Context, ownRoot, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { takeRoots } from "../log/mirror.ts"
import { queueForAll } from "../log/queue.ts"
import { fromNodes, logOf, placesOf } from "../store/queries/logs.ts"
import {
  allPeers,
  insertKeys,
  insertRoots,
  keysInForce,
  memberById,
  type Peer,
  peerById,
} from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { introductions } from "./introductions.ts"
import { fetchIntroduction, fetchOpenPage } from "./refresh.ts"
import { assertOfficer, saidAs, verifyStatement } from "./statement.ts"

export type Identity = {
  readonly member: string
  readonly state: string
  readonly name: string
  readonly network: string
  readonly words: string
  readonly rootVersion: number
}

export function identityOf(member: Member): Identity {
  const { name, network, state, version } = newestRoot(member).payload
  return {
    member: member.id,
    state,
    name,
    network,
    words: wordsOf(member.id),
    rootVersion: version,
  }
}

/** Our own card: what others need to add us. */
export async function ownCard(context: Context): Promise<Uint8Array> {
  const { db, self } = context
  const keys = await keysInForce(db, self)
  const log = await logOf(db, self.id)
  if (keys === null || log === null || log.checkpoint === null)
    throw new NodeError("store.corrupt", "Our own keys document is missing.")
  const [index] = await placesOf(db, log.id, openEntry(decodeHex(keys.digest)))
  if (index === undefined) throw new NodeError("store.corrupt", "Our keys document is not logged.")
  const size = log.range.size
  const proof = await fromNodes(db, log.id, (read) => proveInclusionFrom(read, index, size))
  return encodeCard({
    roots: self.documents.map(({ bytes }) => bytes),
    keys: keys.bytes,
    proof: formatTlogProof({ index, proof, checkpoint: ownLines(log.checkpoint) }),
  })
}

export type PeerView = {
  readonly name: string
  readonly member: string
  readonly state: string
  readonly verified: boolean
  readonly url: string | null
  readonly rootVersion: number
  readonly title: string
  readonly words: string
  readonly blocked: boolean
  /** whether what is queued for it is handed over, not only served when it asks */
  readonly push: boolean
  /** local names of verified peers that have compared its words */
  readonly introducedBy: readonly string[]
  /** last day of its root document */
  readonly expires: string
  /** what its keys document says about how to reach its people: never a reason to trust it */
  readonly contact: { readonly [name: string]: string }
  /** the day on which it closes, and who takes over: only a name that both sides give is a successor */
  readonly closing?: string
  readonly successor?: string
  /** members that it says it takes over from, and whether they, or how many verified peers, say so too */
  readonly succeeds: readonly {
    readonly member: string
    readonly agreed: boolean
    readonly attestedBy: readonly string[]
  }[]
  /** other members here that claim the same state code */
  readonly sameState: readonly string[]
}

export async function listPeers(context: Context): Promise<readonly PeerView[]> {
  const peers = await allPeers(context.db)
  return Promise.all(peers.map((peer) => viewOf(context, peer)))
}

export async function showPeer(context: Context, name: string): Promise<PeerView> {
  return viewOf(context, await findPeer(context, name))
}

async function viewOf(context: Context, peer: Peer): Promise<PeerView> {
  const { db } = context
  const member = await memberById(db, peer.member)
  if (member === null) throw new NodeError("store.corrupt", "A peer's root documents are missing.")
  const {
    state,
    version,
    name: title,
    expires,
    closing,
    succeeds = [],
  } = newestRoot(member).payload
  const said = (await introductions(db)).filter((one) => one.member === peer.member)
  const others = (await allPeers(db)).filter((one) => one.member !== peer.member)
  const sameState = ownRoot(context).state === state ? ["ourselves"] : []
  for (const other of others) {
    const known = await memberById(db, other.member)
    if (known !== null && newestRoot(known).payload.state === state) sameState.push(other.name)
  }
  const predecessors = []
  for (const one of succeeds) {
    const before = await memberById(db, one)
    const attestedBy = said.filter(({ replaces }) => replaces === one).map(({ by }) => by)
    const agreed = before !== null && isSuccessor(member, before)
    predecessors.push({ member: one, agreed, attestedBy })
  }
  const heir = closing?.successor === undefined ? null : await memberById(db, closing.successor)
  return {
    name: peer.name,
    member: peer.member,
    state,
    verified: peer.verified_on !== null,
    url: peer.url,
    rootVersion: version,
    title,
    words: wordsOf(peer.member),
    blocked: peer.blocked === 1,
    push: peer.push === 1,
    introducedBy: [...new Set(said.map(({ by }) => by))],
    expires,
    contact: (await keysInForce(db, member))?.payload.card ?? {},
    ...(closing === undefined ? {} : { closing: closing.day }),
    ...(heir === null || !isSuccessor(heir, member) ? {} : { successor: heir.id }),
    succeeds: predecessors,
    sameState,
  }
}

/** @throws `peer.exists`, `recipient.self`, `peer.network`, and as verifyCard */
export async function addPeer(
  context: Context,
  card: Uint8Array,
  options: { readonly name?: string; readonly url?: string } = {},
): Promise<PeerView & { readonly sameWords: readonly string[] }> {
  return addVerifiedCard(context, cardIn(card), options)
}

/** A file that is no JSON at all is some other file. */
function cardIn(file: Uint8Array): Card {
  try {
    return verifyCard(file)
  } catch (cause) {
    if (cause instanceof ProtocolError && cause.code === "json.malformed")
      throw new ProtocolError("card.malformed", { cause })
    throw cause
  }
}

/** An address as it is kept: scheme, host and port. @throws `request.malformed` */
function addressIn(text: string): string {
  const url = URL.parse(text)
  if (url !== null && /^https?:$/.test(url.protocol)) return url.origin
  throw new NodeError(
    "request.malformed",
    `${JSON.stringify(text)} is not the address of a node.`,
    {
      hint: "Write it as https://comity.example.",
    },
  )
}

/** Fetches the card of the member that answers at `url`. Nobody is trusted by it: words are compared. */
export async function addPeerByUrl(
  context: Context,
  url: string,
  options: { readonly name?: string } = {},
): Promise<PeerView & { readonly sameWords: readonly string[] }> {
  const card = await fetchCard(context, new URL(addressIn(url)))
  return addVerifiedCard(context, verifyCard(card), { ...options, url })
}

async function fetchCardOf(context: Context, name: string): Promise<Uint8Array> {
  const peer = await findPeer(context, name)
  if (peer.url !== null) return fetchCard(context, new URL(peer.url))
  throw new NodeError("peer.unreachable", `No address of ${peer.name} is known.`, {
    hint: "Let them send their card: comity peer update CARD",
  })
}

async function fetchCard(context: Context, url: URL): Promise<Uint8Array> {
  const { keys, proof, rootVersion } = await fetchIntroduction(context, url)
  const roots: Uint8Array[] = []
  for (let version = 1; version <= rootVersion; version++)
    roots.push(await fetchOpenPage(context, url, `/root/${version}`))
  return encodeCard({ roots, keys: encodeCanonical(keys as object), proof })
}

async function addVerifiedCard(
  context: Context,
  { member, keys }: Card,
  options: { readonly name?: string; readonly url?: string },
): Promise<PeerView & { readonly sameWords: readonly string[] }> {
  const { db, self } = context
  if (member.network !== self.network)
    throw new NodeError(
      "peer.network",
      `That member lives in network ${member.network}, this node in ${self.network}.`,
      { hint: "Nothing crosses from one network to another." },
    )
  if (member.id === self.id)
    throw new NodeError("recipient.self", "That is our own card.", {
      hint: "Give this file to the other member, and add theirs here.",
    })
  const peers = await allPeers(db)
  const known = peers.find((peer) => peer.member === member.id)
  if (known !== undefined)
    throw new NodeError("peer.exists", `That member is here already, as ${known.name}.`)
  const { state } = newestRoot(member).payload
  const name = freeName(options.name ?? state.toLowerCase(), peers, options.name !== undefined)
  const peer: Peer = {
    member: member.id,
    name,
    url: options.url === undefined ? (keys.payload.urls[0] ?? null) : addressIn(options.url),
    verified_on: null,
    blocked: 0,
    subscribed: 0,
    push: 0,
    added_at: context.env.clock.now(),
  }
  await db.transaction().execute(async (trx) => {
    await insertRoots(trx, member)
    await insertKeys(trx, keys)
    await trx.insertInto("peer").values(peer).execute()
  })
  const words = wordsOf(member.id)
  const sameWords = [...peers.map(({ member: id }) => id), self.id].filter(
    (id) => wordsOf(id) === words,
  )
  return { ...(await viewOf(context, peer)), sameWords }
}

/**
 * What is newer of a peer's root documents, from its card, from a single root document, or, without a file,
 * from its open pages: a revocation takes effect here whoever brought it. PROTOCOL.md §1
 *
 * @throws `peer.unknown`, `root.forked`, and as verifyCard and extendRoots
 */
export async function updatePeer(
  context: Context,
  source: { readonly file: Uint8Array } | { readonly name: string },
): Promise<PeerView> {
  const file = "file" in source ? source.file : await fetchCardOf(context, source.name)
  const card = isCard(file) ? verifyCard(file) : null
  const id = card?.member.id ?? decodeSigned(rootFormat, file).payload.member ?? ""
  const peer = await peerById(context.db, id)
  const known = await memberById(context.db, id)
  if (peer === undefined || known === null)
    throw new NodeError("peer.unknown", "The file is of a member that is not a peer here.", {
      hint: "comity peer add CARD adds one.",
    })
  const documents = card === null ? [file] : card.member.documents.map(({ bytes }) => bytes)
  await context.db.transaction().execute(async (trx) => {
    await takeRoots(context, trx, known, documents)
    if (card !== null) await insertKeys(trx, card.keys)
  })
  return viewOf(context, peer)
}

function freeName(wanted: string, peers: readonly Peer[], isChosen: boolean): string {
  const name = checkName(wanted)
  const taken = new Set(peers.map((peer) => peer.name))
  if (!taken.has(name)) return name
  if (isChosen) throw new NodeError("peer.exists", `A peer is called ${name} already.`)
  for (let n = 2; ; n++) if (!taken.has(`${name}-${n}`)) return `${name}-${n}`
}

/** A name is for typing: it must look neither like an id nor like a group. */
function checkName(name: string): string {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name) || /^[0-9a-f]{8,}$/.test(name) || name === everybody)
    throw new NodeError("request.malformed", `A peer can't be called ${JSON.stringify(name)}.`, {
      hint: "Use lower-case letters, digits and hyphens, beginning with a letter.",
    })
  return name
}

/**
 * By local name, state code or unique prefix of the member id.
 *
 * @throws `peer.unknown`, `peer.ambiguous`
 */
export async function findPeer(context: Context, wanted: string): Promise<Peer> {
  const peers = await allPeers(context.db)
  const byName = peers.find((peer) => peer.name === wanted.toLowerCase())
  if (byName !== undefined) return byName
  const found: Peer[] = []
  for (const peer of peers) {
    const isPrefix = /^[0-9a-f]{4,64}$/.test(wanted) && peer.member.startsWith(wanted)
    const member = isPrefix ? null : await memberById(context.db, peer.member)
    const state = member === null ? null : newestRoot(member).payload.state
    if (isPrefix || state === wanted.toUpperCase()) found.push(peer)
  }
  const [peer, other] = found
  if (peer === undefined)
    throw new NodeError("peer.unknown", `No peer is called ${JSON.stringify(wanted)}.`, {
      hint: "comity peer list shows who is known; comity peer add CARD adds one.",
    })
  if (other !== undefined)
    throw new NodeError("peer.ambiguous", `Several peers answer to ${JSON.stringify(wanted)}.`, {
      hint: `Use a name: ${found.map(({ name }) => name).join(", ")}.`,
    })
  return peer
}

/** Whether there is anything to exchange with it. */
export function isReadable(peer: Peer): boolean {
  return peer.verified_on !== null && peer.blocked === 0
}

/** The same, and at an address of its own: one that can be asked. */
export function isAskable(peer: Peer): boolean {
  return isReadable(peer) && peer.url !== null
}

/** @throws `peer.unverified`, `peer.blocked` */
export function assertVerified(peer: Peer): void {
  if (peer.blocked === 1) throw new NodeError("peer.blocked", `${peer.name} is blocked.`)
  if (peer.verified_on === null)
    throw new NodeError("peer.unverified", `${peer.name} is not verified.`, {
      hint: `Compare the 12 words with them by another way, then: comity peer verify ${peer.name} --words "…"`,
    })
}

/** How a comparison was made: by an officer, whose statement says so, and whether both sides made it. */
export type Comparison = {
  readonly statement?: Uint8Array
  /** they have compared ours as well */
  readonly both?: boolean
}

const comparedShape = object({ both: flag, compared: hex(32) })

/** An officer's statement that the words of this member were compared. */
export function compared(member: string, both: boolean): Json {
  return { both, compared: member }
}

/**
 * The words, or the whole id, were compared by another way, and are those of this peer. It is verified
 * once as many have said so as the configuration asks for: one person and one direction by default.
 *
 * @throws `peer.words`, `words.malformed`, `officer.unknown`
 */
export async function verifyPeer(
  context: Context,
  name: string,
  words: string,
  { statement, both = false }: Comparison = {},
): Promise<PeerView> {
  const { db } = context
  const peer = await findPeer(context, name)
  if (!(await isSame(words, peer.member)))
    throw new NodeError("peer.words", `These are not the words of ${peer.name}.`, {
      hint: "Stop here if they read you these words themselves: somebody may stand between you.",
    })
  const person = statement === undefined ? "" : vouching(context, statement, peer.member, both)
  const check = { peer: peer.member, person, day: today(context), statement: statement ?? null }
  const directions = both ? (["theirs", "ours"] as const) : (["theirs"] as const)
  await db
    .insertInto("peer_check")
    .values(directions.map((direction) => ({ ...check, direction })))
    .onConflict((conflict) =>
      conflict.columns(["peer", "person", "direction"]).doUpdateSet({ day: check.day }),
    )
    .execute()
  if (!(await isCompared(context, peer.member))) return viewOf(context, peer)
  // In one step: what is published meanwhile finds it verified, or is found.
  return change(context, peer, { verified_on: today(context) }, (trx) =>
    queueForAll(context, trx, peer.member),
  )
}

/** A whole id, as from a QR code, or words in any language. */
async function isSame(text: string, member: string): Promise<boolean> {
  const [, network, id] = /^(?:comity\/([^\s/]+)\/)?([0-9a-f]{64})$/.exec(text.trim()) ?? []
  if (id !== undefined) return id === member && network !== ""
  const expected = decodeHex(member).subarray(0, 16)
  return (await readWords(text)).some((reading) => equalBytes(reading, expected))
}

function vouching(context: Context, bytes: Uint8Array, member: string, both: boolean): string {
  const { id, network } = context.self
  const statement = verifyStatement(bytes, { member: id, network })
  assertOfficer(statement, ownRoot(context))
  const said = saidAs(comparedShape, statement)
  if (said.compared !== member || said.both !== both)
    throw new NodeError("officer.unknown", "The officer's statement is about another comparison.")
  return statement.officer.person
}

/** Whether enough have compared: persons by their statements where more than one is asked for. */
async function isCompared(context: Context, member: string): Promise<boolean> {
  const { officers, directions } = context.config.verify
  const checks = await context.db
    .selectFrom("peer_check")
    .select(["person", "direction"])
    .where("peer", "=", member)
    .execute()
  return (["theirs", "ours"] as const).slice(0, directions).every((direction) => {
    const persons = checks.filter((one) => one.direction === direction)
    return persons.filter(({ person }) => officers === 1 || person !== "").length >= officers
  })
}

export async function blockPeer(
  context: Context,
  name: string,
  isBlocked: boolean,
): Promise<PeerView> {
  const peer = await findPeer(context, name)
  return change(context, peer, { blocked: isBlocked ? 1 : 0 })
}

/** Whether what is queued for the peer is handed over to it. @throws `peer.unreachable` without an address */
export async function pushToPeer(
  context: Context,
  name: string,
  isPushed: boolean,
): Promise<PeerView> {
  const peer = await findPeer(context, name)
  if (isPushed && peer.url === null)
    throw new NodeError("peer.unreachable", `No address of ${peer.name} is known.`, {
      hint: `Note one first: comity peer move ${peer.name} URL`,
    })
  return change(context, peer, { push: isPushed ? 1 : 0 })
}

export async function renamePeer(context: Context, name: string, to: string): Promise<PeerView> {
  const peer = await findPeer(context, name)
  return change(context, peer, { name: freeName(to, await allPeers(context.db), true) })
}

export async function movePeer(context: Context, name: string, url: string): Promise<PeerView> {
  return change(context, await findPeer(context, name), { url: addressIn(url) })
}

/** Forgets the peer; what it sent and what it was sent stays, with its proofs. */
export async function removePeer(context: Context, name: string): Promise<{ removed: string }> {
  const peer = await findPeer(context, name)
  await context.db.transaction().execute(async (trx) => {
    await trx.deleteFrom("peer").where("member", "=", peer.member).execute()
    await trx.deleteFrom("peer_check").where("peer", "=", peer.member).execute()
  })
  context.bell.ring()
  return { removed: peer.member }
}

async function change(
  context: Context,
  peer: Peer,
  fields: Partial<Omit<Peer, "member">>,
  andThen: (trx: Db) => Promise<void> = async () => {},
): Promise<PeerView> {
  await context.db.transaction().execute(async (trx) => {
    await trx.updateTable("peer").set(fields).where("member", "=", peer.member).execute()
    await andThen(trx)
  })
  // Whoever is served, or followed, may be so no longer.
  context.bell.ring()
  return viewOf(context, { ...peer, ...fields })
}

/** How a member is called here: a peer's local name, ourselves, or the beginning of its id. */
export async function nameOf(context: Context, member: string): Promise<string> {
  if (member === context.self.id) return ownRoot(context).state.toLowerCase()
  if (member === everybody) return everybody
  const peer = await peerById(context.db, member)
  return peer?.name ?? `${member.slice(0, 12)}…`
}
