import { addDraft, freezeDraft } from "../../../node/order/drafts.ts"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { sealObject } from "../../../protocol/crypto/seal.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import type { Frame } from "../../../protocol/exchange/frames.ts"
import { findProfileById } from "../../../protocol/profiles/registry.ts"
import { decodeRecord, encodeRecord, recordDigest } from "../../../protocol/record/record.ts"
import { type Grant, grantLeaf } from "../../../protocol/release/grant.ts"
import { decodeOrder } from "../../../protocol/release/order.ts"
import { alteredPayload, envelopeOf } from "../../support/envelope.ts"
import {
  ForgedFeed,
  type Forgery,
  forgeOrder,
  type HostileSigner,
  headFrame,
  logForged,
  logFrames,
  parcelOf,
  releaseGrant,
  signedAnswer,
  withdrawGrant,
} from "../../support/hostile.ts"
import type { Action, Scene } from "../action.ts"
import type { Actor } from "../actor.ts"
import type { Place } from "../books.ts"
import { writeText } from "../workload/texts.ts"
import { drawVictim, takeOver } from "./takeover.ts"

/** Releases that must not stand, logged for all that in the adversary's own log and put into a feed. */

const squattedAtMost = 3

/** A record of the adversary's that nobody was ever given; whoever holds it was deceived. */
async function lure({ world, actor, random }: Scene): Promise<string> {
  const { context } = actor
  const { record } = await addDraft(
    context,
    writeText(random).source.replace(/profile: ippas\n(.*\n){4}/, ""),
  )
  const draft = await context.db
    .selectFrom("draft")
    .selectAll()
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  await context.db.transaction().execute((trx) => freezeDraft(context, trx, draft))
  // Nobody here is to release it in earnest.
  await context.db.deleteFrom("draft").where("id", "=", record).execute()
  world.truth.poison.add(`${actor.id} ${record} 1`)
  return record
}

async function logged(scene: Scene, forged: Awaited<ReturnType<typeof forgeOrder>>) {
  return { ...forged, entry: await logForged(scene.actor, forged.order) }
}

/** One key of each person, of as many as are wanted. */
function signers({ actor }: Scene, ...persons: readonly string[]): readonly HostileSigner[] {
  return persons.map((person) => ({
    key: actor.officers.find((officer) => officer.person === person)!.key,
  }))
}

function stolen({ actor }: Scene): readonly HostileSigner[] {
  return actor.officers.filter(({ isStolen }) => isStolen).map(({ key }) => ({ key }))
}

type Forge = (scene: Scene, victim: Actor) => Promise<readonly Forgery[]>

async function grant(scene: Scene, victim: Actor, changes: Partial<Grant> = {}): Promise<Grant> {
  return releaseGrant(scene.actor, await lure(scene), victim.id, changes)
}

/** With what a thief of the server and of one person's keys has. */
const byServer: Readonly<Record<string, Forge>> = {
  "signed with stolen keys alone": async (scene, victim) => {
    const [one] = stolen(scene)
    const options = { signers: one === undefined ? [] : [one] }
    if (one === undefined) return []
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], options)),
    ]
  },
  "signed twice by one person": async (scene, victim) => {
    const both = stolen(scene)
    if (both.length < 2) return []
    return [
      await logged(
        scene,
        await forgeOrder(scene.actor, [await grant(scene, victim)], { signers: both }),
      ),
    ]
  },
  "signatures of another order": async (scene, victim) => {
    const rows = scene.actor.books.orders(0).rows.filter(({ origin }) => origin === scene.actor.id)
    if (rows.length === 0) return []
    const { document } = scene.random.pick(rows)
    const { signatures } = envelopeOf(new Uint8Array(document))
    const lines = async () => signatures
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], { lines })),
    ]
  },
}

const two = (scene: Scene) => ({ signers: signers(scene, "p1", "p2") })

/** With every key of the member. */
const byAll: Readonly<Record<string, Forge>> = {
  "in no log": async (scene, victim) => {
    const [forged, other] = [
      await forgeOrder(scene.actor, [await grant(scene, victim)], two(scene)),
      await forgeOrder(scene.actor, [await grant(scene, victim)], two(scene)),
    ]
    // The place of another, behind its base, where it would count.
    return [{ ...forged, entry: await logForged(scene.actor, other.order) }]
  },
  "edited after signing": async (scene, victim) => {
    const forged = await forgeOrder(scene.actor, [await grant(scene, victim)], two(scene))
    const bytes = alteredPayload(forged.order.bytes, { notAfter: "2027-01-31" })
    return [await logged(scene, { ...forged, order: decodeOrder(bytes) })]
  },
  "edited after logging": async (scene, victim) => {
    const forged = await forgeOrder(scene.actor, [await grant(scene, victim)], two(scene))
    const { entry } = await logged(scene, forged)
    const bytes = alteredPayload(forged.order.bytes, { notAfter: "2027-01-31" })
    return [{ ...forged, order: decodeOrder(bytes), entry }]
  },
  "terms edited after signing": async (scene, victim) => {
    const meant = await grant(scene, victim)
    const forged = await logged(scene, await forgeOrder(scene.actor, [meant], two(scene)))
    const bytes = encodeCanonical({ ...meant, terms: { ...meant.terms, onward: "free" } })
    const placed = forged.placed.map((one) => ({ ...one, bytes, leaf: grantLeaf(bytes) }))
    return [{ ...forged, placed }]
  },
  "to somebody else": async (scene, victim) => {
    const other = scene.random.pick(scene.world.actors.filter((one) => one !== victim))
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, other)], two(scene))),
    ]
  },
  "on a base that its log has not reached": async (scene, victim) => {
    const fields = { base: { epoch: 1, root: "0".repeat(64), size: 40_000 } }
    const options = { ...two(scene), fields }
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], options)),
    ]
  },
  "under a root version that is not in force": async (scene, victim) => {
    const options = { ...two(scene), fields: { rootVersion: 99 } }
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], options)),
    ]
  },
  "of another network": async (scene, victim) => {
    const options = { ...two(scene), fields: { network: "operational" } }
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], options)),
    ]
  },
  "under a rule that asks for less": async (scene, victim) => {
    const profile = findProfileById("ippas")!.digest
    const rule = { conditions: [], kind: "good-practice", profile }
    const options = { ...two(scene), fields: { rule } }
    return [
      await logged(scene, await forgeOrder(scene.actor, [await grant(scene, victim)], options)),
    ]
  },
  "with the digest of another text": async (scene, victim) => {
    const other = await releaseGrant(scene.actor, await lure(scene), victim.id)
    const meant = await grant(scene, victim)
    const record = { ...meant.record, digest: other.record.digest }
    const options = two(scene)
    return [await logged(scene, await forgeOrder(scene.actor, [{ ...meant, record }], options))]
  },
  "sealed under another commitment": async (scene, victim) => {
    const meant = await grant(scene, victim)
    const { context } = scene.actor
    const { content_key, bytes } = await context.db
      .selectFrom("content")
      .select(["content_key", "bytes"])
      .where("id", "=", meant.record.id)
      .executeTakeFirstOrThrow()
    const object = miscommitted(sealObject(new Uint8Array(content_key), 0, new Uint8Array(bytes)))
    const sealed = [{ digest: encodeHex(sha256(object)), size: object.length }]
    return [await logged(scene, await forgeOrder(scene.actor, [{ ...meant, sealed }], two(scene)))]
  },
  "a record of another member": async (scene, victim) => {
    const held = scene.actor.books
      .held()
      .filter(({ origin }) => origin !== scene.actor.id && origin !== victim.id)
    if (held.length === 0) return []
    const { id } = scene.random.pick(held)
    const meant = await releaseGrant(scene.actor, id, victim.id)
    return [await logged(scene, await forgeOrder(scene.actor, [meant], two(scene)))]
  },
  "entered again after its withdrawal": async (scene, victim) => {
    const record = await lure(scene)
    const meant = await releaseGrant(scene.actor, record, victim.id)
    const release = await logged(scene, await forgeOrder(scene.actor, [meant], two(scene)))
    const taken = await withdrawGrant(scene.actor, record, victim.id)
    const end = await logged(scene, await forgeOrder(scene.actor, [taken], two(scene)))
    // Ended when it comes in either way.
    return scene.random.chance(0.5) ? [end, release] : [end, await logged(scene, release)]
  },
  "under the id of another member's record": async (scene, victim) => {
    const others = victim.books.held().filter(({ origin }) => origin !== scene.actor.id)
    if (others.length === 0) return []
    return await underPlaces(scene, victim, [scene.random.pick(others)])
  },
  "under the ids of records that others may yet give": async (scene, victim) => {
    const { actor } = scene
    const known = actor.books
      .held()
      .filter(({ origin }) => origin !== actor.id && origin !== victim.id)
    const has = new Set(victim.books.held().map(placeOf))
    // The version that it does not have yet, or the next.
    const open = known.map((one) =>
      has.has(placeOf(one)) ? { ...one, version: one.version + 1 } : one,
    )
    return await underPlaces(scene, victim, scene.random.shuffled(open).slice(0, squattedAtMost))
  },
}

/** The same ciphertext behind a commitment to some other key. */
function miscommitted(sealed: Uint8Array): Uint8Array {
  const changed = sealed.slice()
  changed[0]! ^= 1
  return changed
}

/** Records of its own that have the ids of others': both may stand side by side, neither in the other's way. */
async function underPlaces(
  scene: Scene,
  victim: Actor,
  places: readonly Place[],
): Promise<readonly Forgery[]> {
  const { actor } = scene
  const own = new Set(actor.books.held().flatMap((one) => (one.origin === actor.id ? one.id : [])))
  const grants: Grant[] = []
  for (const place of places) {
    if (own.has(place.id)) continue
    own.add(place.id)
    await squat(scene, place)
    grants.push(await releaseGrant(actor, place.id, victim.id))
  }
  if (grants.length === 0) return []
  const forged = await forgeOrder(actor, grants, two(scene))
  scene.world.truth.sound.add(forged.order.payload.id)
  return [await logged(scene, forged)]
}

function placeOf({ id, version }: Pick<Place, "id" | "version">): string {
  return `${id} ${version}`
}

/** A record of its own with this id and version. */
async function squat(scene: Scene, { id, version }: Place): Promise<void> {
  const { context } = scene.actor
  const own = await lure(scene)
  scene.world.truth.poison.delete(`${scene.actor.id} ${own} 1`)
  const row = await context.db
    .selectFrom("content")
    .selectAll()
    .where("id", "=", own)
    .executeTakeFirstOrThrow()
  const bytes = encodeRecord({ ...decodeRecord(new Uint8Array(row.bytes)), id, version })
  const sealed = sealObject(new Uint8Array(row.content_key), 0, bytes)
  await context.db
    .updateTable("content")
    .set({ id, version, bytes })
    .where("rid", "=", row.rid)
    .execute()
  await context.db
    .updateTable("record")
    .set({
      id,
      version,
      digest: recordDigest(bytes),
      sealed_digest: encodeHex(sha256(sealed)),
      sealed_size: sealed.length,
    })
    .where("origin", "=", scene.actor.id)
    .where("id", "=", own)
    .execute()
}

/** It has no key of its victim any more that it could seal to. */
function none(cause: unknown): readonly Frame[] {
  if (cause instanceof ProtocolError && cause.code === "keys.expired") return []
  throw cause
}

const asGranted = ({ type, bytes }: Frame) => (type === "sealed" ? miscommitted(bytes) : bytes)

function serve(
  scene: Scene,
  victim: Actor,
  forgeries: readonly Forgery[],
  isMiscommitted: boolean,
): void {
  const { actor, random } = scene
  const feed = new ForgedFeed(encodeHex(random.bytes(16)))
  for (const forgery of forgeries) feed.add(forgery)
  takeOver(scene, victim, async (request) => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== "/feed")
      return signedAnswer(actor, request, { status: 200, body: new Uint8Array(0) })
    const after = searchParams.get("feed") === feed.feed ? Number(searchParams.get("after")) : 0
    const frames = [...(await logFrames(actor, request))]
    for (const sent of feed.sent.slice(after))
      for (const frame of await parcelOf(actor, victim.id, sent).catch(none))
        frames.push(isMiscommitted ? { ...frame, bytes: asGranted(frame) } : frame)
    const head = { feed: feed.feed, n: feed.sent.length, size: actor.books.sizeOf(actor.id) }
    return signedAnswer(actor, request, { frames: [...frames, headFrame(head)], head })
  })
}

function forging(
  name: string,
  by: "server" | "whole",
  forges: Readonly<Record<string, Forge>>,
): Action {
  return {
    name,
    perDay: 0.6,
    by,
    run: async (scene) => {
      const victim = drawVictim(scene)
      if (victim === null) return null
      const what = scene.random.pick(Object.keys(forges))
      const forgeries = await forges[what]!(scene, victim)
      if (forgeries.length === 0) return null
      serve(scene, victim, forgeries, what === "sealed under another commitment")
      return `${what}, to ${victim.name}`
    },
  }
}

export const orders: readonly Action[] = [
  forging("forge-with-one-key", "server", byServer),
  forging("forge-with-all-keys", "whole", byAll),
]
