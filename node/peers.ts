import { encodeCanonical } from "../protocol/canonical.ts"
import { decodeHex, equalBytes } from "../protocol/encoding.ts"
import { ProtocolError } from "../protocol/errors.ts"
import { type Card, encodeCard, verifyCard } from "../protocol/exchange/card.ts"
import { ownLines } from "../protocol/log/checkpoint.ts"
import { proveInclusionFrom } from "../protocol/log/compact-range.ts"
import { openEntry } from "../protocol/log/entry.ts"
import { formatTlogProof } from "../protocol/log/tlog-proof.ts"
import { type Member, newestRoot } from "../protocol/member/root.ts"
import { parseWords, wordsOf } from "../protocol/words.ts"
import { type Context, ownRoot, today } from "./context.ts"
import { NodeError } from "./errors.ts"
import { fetchIntroduction, fetchOpenPage } from "./refresh.ts"
import { fromNodes, logOf, placesOf } from "./store/queries/logs.ts"
import {
  allPeers,
  insertKeys,
  insertRoots,
  keysInForce,
  memberById,
  type Peer,
} from "./store/queries/members.ts"

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
}

export async function listPeers(context: Context): Promise<readonly PeerView[]> {
  const peers = await allPeers(context.db)
  return Promise.all(peers.map((peer) => viewOf(context, peer)))
}

async function viewOf(context: Context, peer: Peer): Promise<PeerView> {
  const member = await memberById(context.db, peer.member)
  if (member === null) throw new NodeError("store.corrupt", "A peer's root documents are missing.")
  const { state, version, name: title } = newestRoot(member).payload
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

function freeName(wanted: string, peers: readonly Peer[], isChosen: boolean): string {
  const name = checkName(wanted)
  const taken = new Set(peers.map((peer) => peer.name))
  if (!taken.has(name)) return name
  if (isChosen) throw new NodeError("peer.exists", `A peer is called ${name} already.`)
  for (let n = 2; ; n++) if (!taken.has(`${name}-${n}`)) return `${name}-${n}`
}

/** A name is for typing: it must look neither like an id nor like a group. */
function checkName(name: string): string {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name) || /^[0-9a-f]{8,}$/.test(name) || name === "public")
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

/** @throws `peer.unverified`, `peer.blocked` */
export function assertVerified(peer: Peer): void {
  if (peer.blocked === 1) throw new NodeError("peer.blocked", `${peer.name} is blocked.`)
  if (peer.verified_on === null)
    throw new NodeError("peer.unverified", `${peer.name} is not verified.`, {
      hint: `Compare the 12 words with them by another way, then: comity peer verify ${peer.name} --words "…"`,
    })
}

/** The words were compared aloud, and are those of this peer. @throws `peer.words`, `words.malformed` */
export async function verifyPeer(context: Context, name: string, words: string): Promise<PeerView> {
  const peer = await findPeer(context, name)
  if (!equalBytes(parseWords(words), decodeHex(peer.member).subarray(0, 16)))
    throw new NodeError("peer.words", `These are not the words of ${peer.name}.`, {
      hint: "Stop here if they read you these words themselves: somebody may stand between you.",
    })
  return change(context, peer, { verified_on: today(context) })
}

export async function blockPeer(
  context: Context,
  name: string,
  isBlocked: boolean,
): Promise<PeerView> {
  const peer = await findPeer(context, name)
  return change(context, peer, { blocked: isBlocked ? 1 : 0 })
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
  await context.db.deleteFrom("peer").where("member", "=", peer.member).execute()
  context.bell.ring()
  return { removed: peer.member }
}

async function change(
  context: Context,
  peer: Peer,
  fields: Partial<Omit<Peer, "member">>,
): Promise<PeerView> {
  await context.db.updateTable("peer").set(fields).where("member", "=", peer.member).execute()
  // Whoever is served, or followed, may be so no longer.
  context.bell.ring()
  return viewOf(context, { ...peer, ...fields })
}

/** How a member is called here: a peer's local name, ourselves, or the beginning of its id. */
export async function nameOf(context: Context, member: string): Promise<string> {
  if (member === context.self.id) return ownRoot(context).state.toLowerCase()
  const peer = (await allPeers(context.db)).find((one) => one.member === member)
  return peer?.name ?? `${member.slice(0, 12)}…`
}
