import { sync } from "../../node/exchange/subscribe.ts"
import { inbox } from "../../node/reading/records.ts"
import { recover, resumeAnyway } from "../../node/recover.ts"
import { giveUp, owedOf, unopened } from "../../node/regain.ts"
import { everybody } from "../../protocol/release/grant.ts"
import type { Actor } from "./actor.ts"
import type { FactRow } from "./books.ts"
import { rightClock } from "./clock.ts"
import { calm } from "./network.ts"
import { Random } from "./random.ts"
import { Facts, isLive } from "./safety/facts.ts"
import { codeOf, resume } from "./workload/release.ts"
import type { World } from "./world.ts"

const minuteMs = 60_000
const rounds = 3

/**
 * Liveness: no fault happens any more, adversaries fall silent, everybody is at their desk; within three
 * rounds of asking, everyone has what is theirs and nothing hangs.
 */
export async function heal(world: World): Promise<void> {
  if (world.violation !== null) return
  world.tell("healed")
  world.network.laws = calm
  world.network.cuts.clear()
  for (const actor of world.actors) {
    actor.interceptor = null
    actor.clock.law = rightClock
    actor.disk.isFull = false
    actor.disk.failNext(null)
    for (const officer of actor.officers) officer.isGone = officer.isDismissed
    actor.life?.endAfter(Number.POSITIVE_INFINITY)
    actor.life?.endAtEdge(Number.POSITIVE_INFINITY)
    if (actor.isUp && actor.context.stopped?.code === "signer.stopped") actor.crash(false)
  }
  // What is still on its way comes in or is given up; who is down is started.
  await world.pass(15 * minuteMs)
  for (const actor of world.actors) await world.during(world.start(actor))
  await world.pass(75 * minuteMs)
  for (const actor of world.honest) await world.during(letSign(world, actor))
  for (const actor of world.honest) judgeStart(world, actor)
  for (const actor of world.honest) await world.during(giveUpLost(world, actor))
  for (const actor of world.honest) await world.during(finishOrders(world, actor))
  for (let round = 1; round <= rounds && world.violation === null; round++)
    await askAll(world, round)
  if (world.violation === null) await judge(world)
}

/** All peers can be asked now. A log that nobody has ever read is for its own officers to go on with. */
async function letSign(world: World, actor: Actor): Promise<void> {
  if (!actor.isUp || actor.context.stopped === null) return
  await recover(actor.context)
  const isSeen = world.honest.some((one) => one !== actor && one.books.sizeOf(actor.id) > 0)
  if (actor.context.stopped === null || isSeen) return
  world.tell(`${actor.name} goes on by its officers' word`)
  await resumeAnyway(actor.context, "nobody has read our log")
}

/** L3: a node starts again, and signs. */
function judgeStart(world: World, actor: Actor): void {
  const why = actor.isUp ? actor.context.stopped?.code : (actor.refusal ?? "no reason")
  if (why !== undefined) world.violate("L3 a node starts again", `${actor.name}: ${why}`)
}

/** What a loss took is asked for once more from everybody; what nobody has, officers give up. */
async function giveUpLost(world: World, actor: Actor): Promise<void> {
  if (!actor.isUp) return
  const { context } = actor
  for (let time = 1; time <= rounds && (await owedOf(context)) !== null; time++)
    await recover(context)
  const owed = await owedOf(context)
  const mayHave = (id: string) => {
    const peer = world.byId(id)
    return peer?.isHonest && peer.books.sizeOf(actor.id) > (owed?.from ?? 0)
  }
  const lost = await unopened(context)
  if (lost.length === 0 || owed?.peers.some(mayHave)) return
  world.tell(`${actor.name} gives up ${lost.join(",")}`)
  await giveUp(context, lost)
}

/** L4: an order that was made is published, or somebody is told why it can't be. */
async function finishOrders(world: World, actor: Actor): Promise<void> {
  if (!actor.isUp) return
  const random = new Random(`${world.seed} healing ${actor.name}`)
  for (const id of actor.books.openOrders()) {
    const outcome = await resume({ world, actor, random }, actor.context, id).catch(codeOf)
    world.tell(`${actor.name} finishes ${outcome}`)
    // An officer's machine remembers what a restored node has lost, and signs nothing that contradicts it.
    if (outcome === "checkpoint.forked" && !world.wasRestored(actor))
      world.violate("L4 orders come to an end", `${actor.name}: ${outcome}`)
  }
}

async function askAll(world: World, round: number): Promise<void> {
  const waiting = new Set<string>()
  for (const actor of world.honest)
    for (const peer of world.honest) {
      if (peer === actor || !actor.isUp) continue
      const question = `${actor.name} of ${peer.name}`
      waiting.add(question)
      void sync(actor.context, peer.name).then(({ peers: [line] }) => {
        waiting.delete(question)
        if (line?.code !== undefined && round === rounds)
          world.violate("L6 alarms end", `${question}: ${line.code}`)
      })
    }
  await world.pass(5 * minuteMs)
  const [hanging] = waiting
  if (hanging !== undefined) world.violate("L5 nothing hangs", hanging)
}

/** L1, L2: everyone holds exactly what is released to it and not taken back. */
async function judge(world: World): Promise<void> {
  for (const origin of world.honest) {
    const facts = new Facts(origin)
    facts.read()
    for (const holder of world.honest) if (holder !== origin) compare(world, origin, holder, facts)
  }
  judgeViews(world)
  for (const actor of world.honest) await inbox(actor.context)
}

/** L8: where two honest members hold two histories of one log, all of them have the proof. */
function judgeViews(world: World): void {
  const views = new Map<string, Map<number, string>>()
  const forked = new Set<string>()
  for (const actor of world.honest)
    for (const { id, member, epoch } of actor.books.logs()) {
      const known = views.get(`${member} ${epoch}`) ?? new Map<number, string>()
      views.set(`${member} ${epoch}`, known)
      for (const [index, entry] of actor.books.entries(id, 0).entries()) {
        const digest = Buffer.from(entry).toString("hex")
        if ((known.get(index) ?? digest) !== digest) forked.add(member)
        known.set(index, digest)
      }
    }
  for (const member of forked)
    for (const actor of world.honest)
      if (!actor.books.accused().includes(member))
        world.violate(
          "L8 two histories become known",
          `${actor.name} has no proof against ${world.byId(member)?.name}`,
        )
}

/** Held up by a release that its origin has not repudiated. */
function isDue(about: readonly FactRow[], version: number): boolean {
  return isLive(
    about.filter(({ act, repudiated }) => act === "withdraw" || repudiated === 0),
    version,
  )
}

function compare(world: World, origin: Actor, holder: Actor, facts: Facts): void {
  const due = new Set<string>()
  /** what its origin has lost the order of, repudiates or doubts: it may stay */
  const kept = new Set<string>()
  for (const about of facts.all())
    for (const one of about) {
      const { recordOrigin, record, version, recipient, repudiated } = one
      const isTheirs = recordOrigin === origin.id && [holder.id, everybody].includes(recipient)
      const isDoubted = isTheirs && one.baseSize <= origin.books.doubtOf(record, recipient)
      if (repudiated === 1 || isDoubted) kept.add(`${record} version ${version}`)
      else if (isTheirs && isDue(about, version)) due.add(`${record} version ${version}`)
    }
  for (const place of kept) due.delete(place)
  const held = new Set(
    holder.books
      .held()
      .filter((one) => one.origin === origin.id)
      .map(({ id, version }) => `${id} version ${version}`),
  )
  const where = `of ${origin.name} at ${holder.name}`
  for (const place of due)
    if (!held.has(place)) world.violate("L1 what was released arrives", `${place} ${where}`)
  for (const place of held)
    if (!due.has(place) && !kept.has(place))
      world.violate("L2 what was taken back is gone", `${place} ${where}`)
}
