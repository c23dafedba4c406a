import type { Context } from "../../../node/context.ts"
import { publish } from "../../../node/log/sequencer.ts"
import { addDraft, editDraft, listDrafts } from "../../../node/order/drafts.ts"
import { cancelOrder, listOrders } from "../../../node/order/orders.ts"
import { requestRelease, requestWithdrawal } from "../../../node/order/release.ts"
import { everybody } from "../../../protocol/release/grant.ts"
import type { Action, Scene } from "../action.ts"
import type { Actor } from "../actor.ts"
import { personsNeeded } from "../founding.ts"
import type { Random } from "../random.ts"
import type { Intent } from "../truth.ts"
import type { World } from "../world.ts"
import { writeText } from "./texts.ts"

/** What authors and officers do: from the draft to the log. */

/** Two persons sign, each on a machine of their own. */
async function authorise(
  { world, actor, random }: Scene,
  context: Context,
  order: string,
  intent: Intent,
): Promise<void> {
  world.truth.intents.set(order, intent)
  const signed = new Set<string>()
  for (const officer of random.shuffled(actor.officers)) {
    if (officer.isGone || signed.has(officer.person) || signed.size === personsNeeded) continue
    signed.add(officer.person)
    await officer.sign(context, order, intent, world.truth)
  }
}

async function authoriseAndPublish(
  scene: Scene,
  context: Context,
  order: string,
  intent: Intent,
): Promise<string> {
  await authorise(scene, context, order, intent)
  return publishOrder(scene.world, scene.actor, context, order)
}

export async function publishOrder(world: World, actor: Actor, context: Context, order: string) {
  const published = await publish(context, order)
  world.truth.acknowledge(actor.id, published)
  return `${order.slice(0, 6)} ${"index" in published ? `at ${published.index}` : "in line"}`
}

/** Some of the others, as the local names under which they are known. */
export function drawRecipients({ world, actor, random }: Scene): readonly Actor[] {
  const others = random.shuffled(world.actors.filter((one) => one !== actor))
  return others.slice(0, random.pick([1, 1, 2, 3]))
}

/** A new text to one other member, signed and not yet published. */
export async function signedOrder(scene: Scene, context: Context): Promise<string> {
  const { record, mark } = await write(scene, context)
  const [to] = drawRecipients(scene)
  const { order } = await requestRelease(context, { records: [record], to: [to!.name] })
  await authorise(scene, context, order, {
    act: "release",
    record,
    mark,
    recipients: new Set([to!.id]),
  })
  return order
}

async function release(
  scene: Scene,
  context: Context,
  record: string,
  mark: string,
  to: readonly Pick<Actor, "id" | "name">[],
): Promise<string> {
  const request = { records: [record], to: to.map(({ name }) => name) }
  const { orders } = await requestRelease(context, request)
  const recipients = new Set(to.map(({ id }) => id))
  const told: string[] = []
  for (const order of orders) {
    const intent = { act: "release", record, mark, recipients } as const
    told.push(await authoriseAndPublish(scene, context, order, intent))
  }
  const names = to.map(({ name }) => name).join(",")
  return `${record.slice(0, 6)} to ${names}: ${told.join("; ")}`
}

async function write(scene: Scene, context: Context, text = writeText(scene.random)) {
  const { mark, source } = text
  const { record } = await addDraft(context, source)
  scene.world.truth.mark(record, mark)
  return { record, mark }
}

async function drawRecord(context: Context, random: Random): Promise<string | null> {
  const drafts = await listDrafts(context)
  const released = drafts.filter((draft) => draft.released > 0)
  return released.length === 0 ? null : random.pick(released).record
}

async function withdrawn(scene: Scene, context: Context, record: string, from: readonly Actor[]) {
  const names = from.map(({ name }) => name)
  const { orders } = await requestWithdrawal(context, { record, reason: "superseded", from: names })
  const recipients = new Set([...scene.world.actors.map(({ id }) => id), everybody])
  const told: string[] = []
  for (const order of orders) {
    const intent = { act: "withdraw", record, mark: "", recipients } as const
    told.push(await authoriseAndPublish(scene, context, order, intent))
  }
  return `${record.slice(0, 6)}: ${told.join("; ")}`
}

const publishing: Action = {
  name: "publish",
  perDay: 0.4,
  run: async (scene) => {
    const { context } = scene.actor
    const text = writeText(scene.random)
    const to = drawRecipients(scene)
    // One in twenty is for everybody, where the profile's kinds are.
    if (text.source.includes("profile:") || !scene.random.chance(0.05)) {
      const { record, mark } = await write(scene, context, text)
      return release(scene, context, record, mark, to)
    }
    const source = text.source.replace("language:", "marking: TLP:CLEAR\nlanguage:")
    const { record, mark } = await write(scene, context, { ...text, source })
    return release(scene, context, record, mark, [{ id: everybody, name: everybody }])
  },
}

/** The next version of a record, or the same one to others, or again after a withdrawal. */
const amending: Action = {
  name: "amend",
  perDay: 0.15,
  run: async (scene) => {
    const { random, world, actor } = scene
    const { context } = actor
    const record = await drawRecord(context, random)
    if (record === null) return null
    let mark = world.truth.marks.get(record)?.at(-1) ?? ""
    if (random.chance(0.5)) {
      const text = writeText(random)
      mark = text.mark
      await editDraft(context, record, text.source)
      world.truth.mark(record, mark)
    }
    return release(scene, context, record, mark, drawRecipients(scene))
  },
}

const withdrawing: Action = {
  name: "withdraw",
  perDay: 0.15,
  run: async (scene) => {
    const { context } = scene.actor
    const record = await drawRecord(context, scene.random)
    if (record === null) return null
    return withdrawn(scene, context, record, scene.random.chance(0.6) ? [] : drawRecipients(scene))
  },
}

/** Orders made at the same time: they share a commit, and one may end another. */
const together: Action = {
  name: "publish-together",
  perDay: 0.05,
  run: async (scene) => {
    const { context } = scene.actor
    const record = await drawRecord(context, scene.random)
    const other = await write(scene, context)
    const acts = [release(scene, context, other.record, other.mark, drawRecipients(scene))]
    if (record !== null) {
      acts.push(withdrawn(scene, context, record, []))
      const mark = scene.world.truth.marks.get(record)?.at(-1) ?? ""
      acts.push(release(scene, context, record, mark, drawRecipients(scene)))
    }
    const done = await Promise.allSettled(acts)
    return done
      .map((one) => (one.status === "fulfilled" ? one.value : codeOf(one.reason)))
      .join(" | ")
  },
}

/** The code of a refusal. @throws whatever has none */
export function codeOf(cause: unknown): string {
  const { code } = cause as { code?: unknown }
  if (typeof code !== "string") throw cause
  return code
}

/** More for one member than fits into a page of its feed. */
const inBulk: Action = {
  name: "publish-in-bulk",
  perDay: 0.006,
  run: async (scene) => {
    const { context } = scene.actor
    const [to] = drawRecipients(scene)
    const made: { readonly order: string; readonly intent: Intent }[] = []
    for (let i = 0; i < 40; i++) {
      const { record, mark } = await write(scene, context)
      const { orders } = await requestRelease(context, { records: [record], to: [to!.name] })
      const recipients = new Set([to!.id])
      made.push({ order: orders[0]!, intent: { act: "release", record, mark, recipients } })
    }
    const done = await Promise.allSettled(
      made.map(({ order, intent }) => authoriseAndPublish(scene, context, order, intent)),
    )
    const failed = done.filter(({ status }) => status === "rejected").length
    return `${done.length - failed} of ${done.length} to ${to!.name}`
  },
}

/** What was left open by a crash is signed and published, or given up. */
const resuming: Action = {
  name: "resume",
  perDay: 0.3,
  run: async (scene) => {
    const { context } = scene.actor
    const { orders } = await listOrders(context)
    const told: string[] = []
    for (const { order, state } of orders)
      if (state === "open") told.push(await resume(scene, context, order))
    return told.length === 0 ? null : told.join("; ")
  },
}

export async function resume(scene: Scene, context: Context, order: string): Promise<string> {
  const { world, actor } = scene
  const intent = world.truth.intents.get(order)
  // Whoever asked for it died before hearing of it, or has lost interest.
  if (intent === undefined || scene.random.chance(0.2)) {
    await cancelOrder(context, order)
    return `${order.slice(0, 6)} cancelled`
  }
  try {
    return await publishOrder(world, actor, context, order)
  } catch (cause) {
    if ((cause as { code?: string }).code !== "order.unsatisfied") return codeOf(cause)
  }
  const signed = new Set(
    (
      await context.db
        .selectFrom("order_signature")
        .select("person")
        .where("order_id", "=", order)
        .execute()
    ).map(({ person }) => person),
  )
  for (const officer of actor.officers) {
    if (officer.isGone || signed.has(officer.person) || signed.size >= 2) continue
    signed.add(officer.person)
    await officer.sign(context, order, intent, world.truth)
  }
  return publishOrder(world, actor, context, order).catch(codeOf)
}

export const releasing: readonly Action[] = [
  publishing,
  amending,
  withdrawing,
  together,
  inBulk,
  resuming,
]
