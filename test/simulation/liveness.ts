import { inbox } from "../../node/records.ts"
import { sync } from "../../node/subscribe.ts"
import type { Actor } from "./actor.ts"
import { rightClock } from "./clock.ts"
import { calm } from "./network.ts"
import { Random } from "./random.ts"
import { Facts, isLive } from "./safety/facts.ts"
import { resume } from "./workload/release.ts"
import type { World } from "./world.ts"

const minuteMs = 60_000
const rounds = 3

/**
 * Liveness: no fault happens any more, adversaries fall silent, everybody is at their desk; within three
 * rounds of asking, everyone has what is theirs and nothing hangs.
 */
export async function heal(world: World, each: (kind: string) => void): Promise<void> {
  const isOver = () => world.violation !== null
  const pass = (minutes: number) =>
    world.scheduler.run(world.scheduler.now + minutes * minuteMs, each, isOver)
  if (isOver()) return
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
    if (actor.isUp && actor.context.stopped !== null) actor.crash(false)
  }
  world.isHealed = true
  // What is still on its way comes in or is given up; who is down is started.
  await pass(15)
  for (const actor of world.actors) await world.start(actor)
  await pass(15)
  for (const actor of world.honest)
    if (!actor.isUp)
      world.violate("L3 a node starts again", `${actor.name}: ${actor.refusal ?? "no reason"}`)
  await finishOrders(world, pass)
  for (let round = 1; round <= rounds && !isOver(); round++) await askAll(world, pass, round)
  if (!isOver()) await judge(world)
}

/** L4: an order that was made is published, or somebody is told why it can't be. */
async function finishOrders(world: World, pass: (minutes: number) => Promise<void>) {
  for (const actor of world.honest) {
    if (world.violation !== null || !actor.isUp) return
    const random = new Random(`${world.seed} healing ${actor.name}`)
    const { context } = actor
    for (const id of actor.books.openOrders()) {
      const outcome = await resume({ world, actor, random }, context, id)
      world.tell(`${actor.name} finishes ${outcome}`)
    }
    await pass(1)
  }
}

async function askAll(world: World, pass: (minutes: number) => Promise<void>, round: number) {
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
  await pass(5)
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
  for (const actor of world.honest) await inbox(actor.context)
}

function compare(world: World, origin: Actor, holder: Actor, facts: Facts): void {
  const due = new Set<string>()
  for (const about of facts.all())
    for (const { recordOrigin, record, version, recipient } of about)
      if (recordOrigin === origin.id && recipient === holder.id && isLive(about, version))
        due.add(`${record} version ${version}`)
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
    if (!due.has(place)) world.violate("L2 what was taken back is gone", `${place} ${where}`)
}
