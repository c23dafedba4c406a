import type { Insertable } from "kysely"
import { type Custody, chainBehind, insideOf, verifyCustody } from "../../protocol/custody.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { deliveryDigest, firstPrev } from "../../protocol/exchange/delivery.ts"
import type { ParcelContent } from "../../protocol/exchange/parcel.ts"
import type { ReceiptItem } from "../../protocol/exchange/receipt.ts"
import { withdrawalTag } from "../../protocol/log/entry.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { everybody } from "../../protocol/release/grant.ts"
import type { PlacedGrant } from "../../protocol/release/placed-grant.ts"
import { winner } from "../../protocol/release/precedence.ts"
import {
  type Claim,
  type Holder,
  type Standing,
  verifyOrder,
  verifyRelease,
} from "../../protocol/verify.ts"
import { type Context, today } from "../context.ts"
import { noteEvent } from "../log/event.ts"
import { type LoggedLookup, loggedOfAll } from "../log/logged.ts"
import { type Kept, keepOrders } from "../log/prove.ts"
import { type Groups, groupsKnown, isGroup } from "../order/groups.ts"
import { verifyInterest } from "../order/interests.ts"
import { checkHeldLinks } from "../order/links.ts"
import { assertAgreed, missionKinds } from "../order/mission.ts"
import { indexRecords, unindexRecord } from "../reading/search.ts"
import { keepConsents, knowingOf } from "../store/queries/consents.ts"
import {
  type HeldVersion,
  heldVersions,
  insertContents,
  type NewContent,
  versionName,
} from "../store/queries/contents.ts"
import { keepLinks, keepLists, membersOf } from "../store/queries/custody.ts"
import {
  factsAbout,
  factsTowards,
  type Granted,
  type PlaceRow,
  withdrawalsOf,
} from "../store/queries/facts.ts"
import { givenBy, insertGrants, markRead, placesGranted } from "../store/queries/grants.ts"
import { insertRoots, memberById } from "../store/queries/members.ts"
import { loggedOrders } from "../store/queries/orders.ts"
import { withdrawing } from "../store/queries/partial.ts"
import { insertRows } from "../store/queries/rows.ts"
import { changeSource, sourceOf } from "../store/queries/sources.ts"
import type { Db, Schema } from "../store/schema.ts"
import { archiveContent, isArchived } from "./archive.ts"
import { holdOn, unlock } from "./hold.ts"
import { ownHolder } from "./holder.ts"

/**
 * What deliveries change here, in the caller's transaction: each is judged by the eight steps, and what
 * neighbours change is written together.
 */

/** A delivery with the sealed objects that came with it, by their digest. */
export type Opened = {
  readonly content: ParcelContent
  /** empty again when it has been judged: what they hold is read then, and is most of what is held here */
  readonly objects: Map<string, Uint8Array>
}

export type Taken = {
  received: number
  already: number
  refused: number
  hasPurged: boolean
  /** why the rest was not taken: the next one is not the next of its feed */
  gap?: "delivery.gap" | "delivery.fork"
}

/** The deliveries that follow the cursor of the peer's feed, and the cursor behind them. */
export async function takeDeliveries(
  context: Context,
  trx: Db,
  peer: string,
  opened: readonly Opened[],
): Promise<Taken> {
  const taken: Taken = { received: 0, already: 0, refused: 0, hasPurged: false }
  const source = await sourceOf(trx, peer)
  let cursor: Pick<Schema["source"], "feed" | "n" | "prev"> = source
  const next: Opened[] = []
  for (const one of opened) {
    const { delivery, deliveryBytes } = one.content
    const isNewFeed = cursor.feed !== delivery.feed
    if (!isNewFeed && delivery.n <= cursor.n) {
      // The last one read is known by its digest: another under its number is a second history.
      if (delivery.n === cursor.n && deliveryDigest(deliveryBytes) !== cursor.prev) {
        taken.gap = "delivery.fork"
        break
      }
      taken.already += delivery.grants.length
      continue
    }
    const expected = isNewFeed ? { n: 1, prev: firstPrev } : { n: cursor.n + 1, prev: cursor.prev }
    if (delivery.n !== expected.n) taken.gap = "delivery.gap"
    else if (delivery.prev !== expected.prev) taken.gap = "delivery.fork"
    if (taken.gap !== undefined) break
    if (isNewFeed && cursor.feed !== "")
      await noteEvent(context, trx, "feed.new", peer, `${cursor.feed} ${delivery.feed}`)
    cursor = { feed: delivery.feed, n: delivery.n, prev: deliveryDigest(deliveryBytes) }
    next.push(one)
  }
  for (const run of runsOf(next)) await new Run(context, trx, peer, taken).take(run)
  const { feed, n, prev } = cursor
  if (next.length > 0) await changeSource(trx, source, { feed, n, prev })
  return taken
}

/**
 * Neighbours that can be judged on one reading of the store: a withdrawal changes what follows it, and so
 * does a version of a group, or what host and service agree on.
 */
function* runsOf(opened: readonly Opened[]): Generator<readonly Opened[]> {
  let run: Opened[] = []
  for (const one of opened)
    if (!changesWhatFollows(one.content.delivery.order.payload)) run.push(one)
    else {
      if (run.length > 0) yield run
      run = []
      yield [one]
    }
  if (run.length > 0) yield run
}

function changesWhatFollows({ act, rule }: Claim["order"]["payload"]): boolean {
  return act === "withdraw" || rule.kind === "group" || missionKinds.includes(rule.kind)
}

type Changes = {
  readonly orders: Kept[]
  readonly grants: Map<string, (PlacedGrant & Granted)[]>
  /** stored when they came without their keys */
  readonly read: { readonly order: string; readonly position: number }[]
  readonly records: Schema["record"][]
  readonly contents: { readonly record: ComityRecord; readonly row: NewContent }[]
  /** held under lock until now, and released anew */
  readonly unlocked: { readonly record: ComityRecord; readonly named: Named }[]
  readonly withdrawn: { readonly order: string; readonly placed: PlacedGrant }[]
  readonly consents: Pick<Claim, "order" | "consents">[]
  readonly custody: Custody[]
  readonly groups: Map<string, Uint8Array>
  readonly receipts: Insertable<Schema["receipt_out"]>[]
}

type Named = PlacedGrant["grant"]["record"]

/** Deliveries that are judged together, and what they change. */
class Run {
  readonly #context: Context
  readonly #trx: Db
  readonly #peer: string
  readonly #taken: Taken
  readonly #day: string
  #holder: Holder
  readonly #changes: Changes = {
    orders: [],
    grants: new Map(),
    read: [],
    records: [],
    contents: [],
    unlocked: [],
    withdrawn: [],
    consents: [],
    custody: [],
    groups: new Map(),
    receipts: [],
  }
  /** by the id of their record */
  #withdrawals: ReadonlyMap<string, readonly PlaceRow[]> = new Map()
  /** records of other members that the peer has released to us before */
  #given: ReadonlySet<string> = new Set()
  #held: Map<string, HeldVersion> = new Map()
  /** where a version of one may be among them */
  #groups: Groups | null = null
  /** digest of each order by its id: an order is one (origin, id) */
  #digests: Map<string, string> = new Map()
  /** by order, the places of grants that are or will be stored, and whether they came with their keys */
  #listed: Map<string, Map<number, boolean>> = new Map()

  constructor(context: Context, trx: Db, peer: string, taken: Taken) {
    this.#context = context
    this.#trx = trx
    this.#peer = peer
    this.#taken = taken
    this.#holder = ownHolder(context)
    this.#day = today(context)
  }

  async take(run: readonly Opened[]): Promise<void> {
    const trx = this.#trx
    const claims = run.map(({ content }) => content.delivery)
    const records = claims.flatMap(({ grants }) => grants.map(({ grant }) => grant.record.id))
    const ids = [...new Set(records)]
    const grants = claims.flatMap((claim) => claim.grants)
    const theirs = grants.filter(({ grant }) => grant.record.origin !== this.#peer)
    if (theirs.length > 0)
      this.#given = await givenBy(trx, this.#peer, [
        ...new Set(theirs.map(({ grant }) => grant.record.id)),
      ])
    this.#withdrawals = Map.groupBy(await withdrawalsOf(trx, ids), (row) => row.record_id)
    for (const origin of new Set(claims.flatMap(originsOf)))
      for (const [name, held] of await heldVersions(trx, origin, ids)) this.#held.set(name, held)
    const consents = claims.flatMap((claim) => claim.consents)
    const links = run.flatMap(({ content }) => [...content.links.values()])
    if (consents.length + links.length > 0) {
      const { members, takenBack } = await knowingOf(trx, consents)
      const known = new Map([...members, ...(await membersOf(trx, links))])
      this.#holder = ownHolder(this.#context, { members: known, takenBack })
    }
    const orderIds = claims.map(({ order }) => order.payload.id)
    for (const { id, digest } of await loggedOrders(trx, this.#peer, orderIds)) {
      this.#digests.set(id, digest)
      const granted = await placesGranted(trx, this.#peer, id)
      this.#listed.set(id, new Map(granted.map(({ position, unread }) => [position, unread === 0])))
    }
    if (claims.some(({ order }) => order.payload.rule.kind === "group"))
      this.#groups = await groupsKnown(this.#context, trx)
    const logged = await loggedOfAll(trx, this.#peer, claims)
    for (const one of run) await this.#judge(one, logged)
    await this.#write()
  }

  async #judge({ content, objects }: Opened, loggedOf: LoggedLookup): Promise<void> {
    const { delivery, keys } = content
    const { id } = delivery.order.payload
    try {
      const standing = this.#stand(delivery, loggedOf)
      for (const [place, placed] of delivery.grants.entries())
        this.#taken[await this.#judgeGrant(standing, placed, keys.get(place), objects, content)]++
    } catch (cause) {
      // The order itself does not stand: nothing of it is kept but our signed refusal.
      const code = this.#refusal(cause)
      for (const placed of delivery.grants) this.#owe(id, placed, "refused", { code })
      this.#taken.refused += delivery.grants.length
    }
    objects.clear()
  }

  /** Steps 1 to 5, against the sender's log as mirrored here. */
  #stand(claim: Claim, loggedOf: LoggedLookup): Standing {
    const { order, entry } = claim
    const { id, origin } = order.payload
    // A carrier is not the sender, and the sender speaks for itself alone.
    if (origin !== this.#peer) throw new ProtocolError("order.malformed", { detail: "origin" })
    // What was logged first under an id stays what it says.
    if ((this.#digests.get(id) ?? order.digest) !== order.digest)
      throw new ProtocolError("order.malformed", { detail: "id used before" })
    const { logged, log } = loggedOf(claim)
    const standing = verifyOrder(claim, logged, this.#holder)
    this.#digests.set(id, order.digest)
    this.#changes.orders.push({ order, entry, standing, log })
    if (claim.consents.length > 0) this.#changes.consents.push(claim)
    return standing
  }

  /** Steps 6 to 8 of one grant. */
  async #judgeGrant(
    standing: Standing,
    placed: PlacedGrant,
    key: Uint8Array | undefined,
    objects: Opened["objects"],
    { links, groups }: Pick<ParcelContent, "links" | "groups">,
  ): Promise<"received" | "already" | "refused"> {
    const { grant } = placed
    const { withdrawn } = this.#changes
    const { origin, id } = standing.order
    const isTheirs = grant.record.origin === origin
    try {
      // Another member's record needs a chain to give it, and to have been given to be taken back.
      const isGiven = this.#given.has(grant.record.id)
      if (!isTheirs && (grant.act === "withdraw" ? !isGiven : grant.custody === undefined))
        throw new ProtocolError("custody.malformed", { detail: "not from its origin" })
      if (grant.act === "withdraw") {
        this.#keepGrant(id, placed, true)
        withdrawn.push({ order: id, placed })
        return "received"
      }
      // Withdrawn before we fetched it: the grant is noted, there is nothing to read. It holds nothing up.
      const isNew =
        key !== undefined && (await this.#takeRecord(standing, placed, key, objects, links))
      this.#keepGrant(id, placed, key !== undefined)
      const inside = insideOf(grant)
      const list = inside === null ? undefined : groups.get(inside)
      if (inside !== null && list !== undefined) this.#changes.groups.set(inside, list)
      if (key !== undefined) this.#owe(id, placed, "delivered")
      return isNew ? "received" : "already"
    } catch (cause) {
      this.#owe(id, placed, "refused", { code: this.#refusal(cause) })
      return "refused"
    }
  }

  #keepGrant(order: string, placed: PlacedGrant, isRead: boolean): void {
    const { position } = placed
    const listed = this.#listed.get(order) ?? new Map<number, boolean>()
    this.#listed.set(order, listed)
    const { grants, read } = this.#changes
    if (!listed.has(position)) {
      listed.set(position, isRead)
      const kept = grants.get(order) ?? []
      grants.set(order, kept)
      kept.push(isRead ? placed : { ...placed, isUnread: true })
    } else if (isRead && listed.get(position) === false) {
      listed.set(position, true)
      read.push({ order, position })
    }
  }

  /** @returns whether it was not held before; @throws `record.mismatch` for a second content of one version */
  async #takeRecord(
    standing: Standing,
    placed: PlacedGrant,
    key: Uint8Array,
    objects: Opened["objects"],
    links: ParcelContent["links"],
  ): Promise<boolean> {
    const { record: named, recipient, sealed } = placed.grant
    const [object] = sealed
    const bytes = object === undefined ? undefined : objects.get(object.digest)
    if (object === undefined || bytes === undefined) throw new ProtocolError("sealed.mismatch")
    const known = factsTowards(this.#withdrawals.get(named.id) ?? [], named, recipient)
    const opening = { key, sealed: bytes, digest: object.digest }
    const chain = chainBehind(placed.grant, links)
    const giver = standing.order.origin
    const holder = this.#holder
    const custody = chain.length === 0 ? null : verifyCustody(chain, placed, giver, holder)
    const verified = verifyRelease(standing, placed, known, opening, holder, undefined, custody)
    const name = versionName(named)
    const held = this.#held.get(name)
    if (held !== undefined && held.digest !== named.digest)
      throw new ProtocolError("record.mismatch")
    const { record } = verified
    if (isGroup(record)) this.#groups?.verify(record)
    verifyInterest(record)
    // What is held was judged when it came.
    if (held?.hasContent !== true || held.isLocked) {
      await checkHeldLinks(this.#trx, record, this.#changes.contents)
      await assertAgreed({ ...this.#context, db: this.#trx }, record)
    }
    if (custody !== null) this.#changes.custody.push(custody)
    if (held === undefined)
      this.#changes.records.push({
        ...named,
        kind: record.kind,
        profile_id: record.profile.id,
        profile_digest: record.profile.digest,
        sealed_digest: object.digest,
        sealed_size: object.size,
        created_at: this.#context.env.clock.now(),
      })
    this.#held.set(name, { digest: named.digest, hasContent: true, isLocked: false })
    if (held?.isLocked === true) {
      this.#changes.unlocked.push({ record, named })
      return true
    }
    if (held?.hasContent === true) return false
    const { origin, id, version } = named
    const { bytes: plaintext } = verified
    const { marking, title } = record
    const content = { title, marking, bytes: plaintext, content_key: key }
    const row = { origin, id, version, ...content, tag: withdrawalTag(key) }
    this.#changes.contents.push({ record, row })
    return true
  }

  /** The code of what is refused; anything else that was thrown is a fault of ours. */
  #refusal(cause: unknown): string {
    if (!(cause instanceof ProtocolError)) throw cause
    this.#context.env.log.warn("receive.refused", { peer: this.#peer, code: cause.code })
    return cause.code
  }

  /** A receipt that the peer is owed; it goes out with the next batch. */
  #owe(
    orderId: string,
    { grant, leaf }: PlacedGrant,
    state: ReceiptItem["state"],
    more: { readonly code?: string | null; readonly until?: string | null } = {},
  ): void {
    this.#oweFor(orderId, grant.record.id, encodeHex(leaf), state, more)
  }

  #oweFor(
    orderId: string,
    record: string,
    leaf: string,
    state: ReceiptItem["state"],
    {
      code = null,
      until = null,
    }: { readonly code?: string | null; readonly until?: string | null } = {},
  ): void {
    this.#changes.receipts.push({
      peer: this.#peer,
      order_id: orderId,
      record_id: record,
      leaf,
      state,
      code,
      until,
      day: this.#day,
      sent: 0,
    })
  }

  /** Withdrawals of the record that left it standing by another release, whose end this is too. */
  async #withdrawnBefore({ origin, id }: Named) {
    const withdrawals = await this.#trx
      .selectFrom("fact")
      .select(["order_id", "leaf"])
      .where("order_origin", "=", this.#peer)
      .where(withdrawing)
      .where("record_id", "=", id)
      .where("record_origin", "=", origin)
      .execute()
    // This one is there; that there is another is rare, and receipts are not found by record.
    if (withdrawals.length < 2) return []
    const said = await this.#trx
      .selectFrom("receipt_out")
      .select(["order_id", "leaf"])
      .where("peer", "=", this.#peer)
      .where("state", "=", "delivered")
      .where("record_id", "=", id)
      .execute()
    return withdrawals.filter((one) =>
      said.some(({ order_id, leaf }) => order_id === one.order_id && leaf === one.leaf),
    )
  }

  async #write(): Promise<void> {
    const trx = this.#trx
    const { orders, grants, records, contents, unlocked, withdrawn, receipts } = this.#changes
    await keepOrders(this.#context, trx, orders)
    await keepLists(trx, this.#changes.groups)
    for (const { order, consents } of this.#changes.consents)
      await keepConsents(trx, order.payload, consents)
    for (const custody of this.#changes.custody) {
      await keepLinks(
        trx,
        custody.map(({ link }) => link),
      )
      // Its log is read from whoever passed the record on: see followOrigins.
      const [{ origin }] = custody
      if ((await memberById(trx, origin.id)) === null) await insertRoots(trx, origin)
    }
    await insertGrants(
      trx,
      [...grants].map(([id, kept]) => ({ origin: this.#peer, id, grants: kept })),
    )
    for (const { order, position } of this.#changes.read)
      await markRead(trx, this.#peer, order, position)
    await insertRows(trx, "record", records)
    const rids = await insertContents(
      trx,
      contents.map(({ row }) => row),
    )
    const indexed = contents.map(({ record }) => ({ rid: rids.get(versionName(record))!, record }))
    for (const { record, named } of unlocked) {
      const row = await unlock(trx, named)
      if (row !== undefined) indexed.push({ rid: row.rid, record })
    }
    await indexRecords(trx, indexed)
    for (const { order, placed } of withdrawn) {
      const ended = await purgeEnded(this.#context, trx, placed.grant.record)
      const { hasPurged, isLive, heldUntil, isSealed } = ended
      this.#taken.hasPurged ||= hasPurged
      // One that ends nothing here, by its place or its rule, leaves what we hold: we don't say otherwise.
      const state =
        heldUntil !== null ? "held" : isSealed ? "sealed" : isLive ? "delivered" : "purged"
      this.#owe(order, placed, state, { until: heldUntil })
      if (!isLive)
        for (const { order_id, leaf } of await this.#withdrawnBefore(placed.grant.record))
          this.#oweFor(order_id, placed.grant.record.id, leaf, state, { until: heldUntil })
    }
    await insertRows(trx, "receipt_out", receipts)
  }
}

function originsOf({ grants }: Claim): readonly string[] {
  return grants.map(({ grant }) => grant.record.origin)
}

/**
 * Removes every version of the record that no live release holds up any more, or locks it away or seals it
 * by law.
 */
export async function purgeEnded(
  context: Context,
  trx: Db,
  record: { readonly origin: string; readonly id: string; readonly version: number },
): Promise<{
  readonly hasPurged: boolean
  readonly isLive: boolean
  readonly heldUntil: string | null
  readonly isSealed: boolean
}> {
  const rows = await trx
    .selectFrom("content")
    .select(["rid", "version", "bytes", "locked"])
    .where("origin", "=", record.origin)
    .where("id", "=", record.id)
    .execute()
  const hold = await holdOn(trx, record)
  // What we were given ourselves, and what everybody was, end each by itself.
  const known = [
    await factsAbout(trx, record, context.self.id),
    await factsAbout(trx, record, everybody),
  ]
  let [hasPurged, isLive, heldUntil] = [false, false, null as string | null]
  let isSealed = false
  for (const { rid, version, bytes, locked } of rows) {
    const isUp = known.some((facts) => winner(facts, version) !== null)
    isLive ||= isUp && version <= record.version
    if (isUp) continue
    if (locked === 0) await unindexRecord(trx, rid, new Uint8Array(bytes))
    if (hold !== null) {
      const { origin, id } = record
      const plaintext = new Uint8Array(bytes)
      const isNow =
        hold.review === null &&
        (await archiveContent(context, trx, { origin, id, version }, plaintext))
      if (!isNow) {
        await trx.updateTable("content").set({ locked: 1 }).where("rid", "=", rid).execute()
        // Too few officers to seal it for: somebody has to look at it today.
        heldUntil = hold.review ?? today(context)
        continue
      }
      isSealed = true
    }
    await trx.deleteFrom("content").where("rid", "=", rid).execute()
    hasPurged = true
  }
  if (!isLive && hold?.review === null) isSealed ||= await isArchived(trx, record)
  return { hasPurged, isLive, heldUntil, isSealed }
}
