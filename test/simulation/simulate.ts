import { PeerUnreachable } from "../../node/env.ts"
import { NodeError } from "../../node/errors.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import type { Action, Step } from "./action.ts"
import type { Actor, Hostility } from "./actor.ts"
import { byzantine } from "./byzantine/all.ts"
import { faults } from "./faults/all.ts"
import { homes } from "./founding.ts"
import { Died } from "./life.ts"
import { heal } from "./liveness.ts"
import { OfficerRefused } from "./officer.ts"
import { dayMs, type Repertoire, type Scenario } from "./options.ts"
import { installRepeatable } from "./primitives.ts"
import { Random } from "./random.ts"
import { safety } from "./safety/all.ts"
import { Broken, type Invariant } from "./safety/invariant.ts"
import { setTraps, WorldTouched } from "./traps.ts"
import { workload } from "./workload/all.ts"
import { type Violation, World } from "./world.ts"

export const repertoire: Repertoire = { workload, faults, byzantine }

const actions = new Map<string, Action>(
  [...workload, ...faults, ...byzantine].map((action) => [action.name, action]),
)

export type Outcome = {
  readonly events: number
  readonly nodeDays: number
  readonly traceHash: string
  readonly violation: Violation | null
  readonly story: readonly string[]
}

/** Told of promises that nobody waited for, while a world is running. */
let unexpected: ((cause: unknown) => void) | null = null

export function prepare(): void {
  installRepeatable()
  setTraps()
  process.on("unhandledRejection", (cause) => {
    if (cause instanceof Died) return
    if (unexpected === null) throw cause
    unexpected(cause)
  })
}

/** One run from the first day to its end, and whether everything held. */
export async function simulate(
  scenario: Scenario,
  inspect: (world: World) => void = () => {},
): Promise<Outcome> {
  const { options, seed } = scenario
  const world = new World(seed, options, await homes(options.members))
  unexpected = (cause) => world.violate("S0 nothing fails unheard", describe(cause))
  const invariants = safety.map((make) => make(world))
  world.watchers.push((sent) => {
    for (const invariant of invariants) hold(world, () => invariant.heard?.(sent))
  })
  world.forgetters.push((actor) => {
    for (const invariant of invariants) invariant.forget?.(actor)
  })
  for (const [number, hostility] of Object.entries(options.hostile))
    turn(world, world.actors[Number(number)]!, hostility)
  world.network.laws = options.laws
  try {
    for (const actor of world.actors) await world.during(world.start(actor))
    const start = world.scheduler.now
    for (const step of scenario.steps)
      world.scheduler.at(start + step.at, step.do, () => perform(world, step))
    world.look = (kind) => look(world, invariants, kind)
    await world.pass(options.days * dayMs)
    await heal(world)
    for (const invariant of invariants)
      if (world.violation === null)
        await invariant.finish?.().catch((cause: unknown) => broken(world, cause))
    const days = (world.scheduler.now - start) / dayMs
    return {
      events: world.scheduler.events,
      nodeDays: days * world.actors.length,
      traceHash: world.trace.digest(),
      violation: world.violation,
      story: world.trace.story,
    }
  } finally {
    unexpected = null
    inspect(world)
    world.close()
  }
}

/** Whoever has the server has one person's keys too: nobody's alone are enough. */
function turn(world: World, actor: Actor, hostility: Hostility): void {
  const person = new Random(`${world.seed} theft ${actor.name}`).pick(["p1", "p1", "p2"])
  actor.hostility = hostility
  for (const officer of actor.officers) officer.isStolen = officer.person === person
}

function look(world: World, invariants: readonly Invariant[], kind: string): void {
  world.trace.note(world.scheduler.now, kind)
  for (const actor of world.changed) {
    if (actor.disk.isInTransaction) continue
    world.changed.delete(actor)
    if (!actor.isHonest || !actor.isUp) continue
    if (actor.isRestored && world.hasCaughtUp(actor)) actor.isRestored = false
    for (const invariant of invariants) hold(world, () => invariant.look?.(actor))
  }
}

function hold(world: World, judge: () => void): void {
  try {
    judge()
  } catch (cause) {
    broken(world, cause)
  }
}

function broken(world: World, cause: unknown): void {
  if (!(cause instanceof Broken)) throw cause
  world.violate(cause.invariant, cause.detail)
}

export function perform(world: World, step: Step): void {
  const action = actions.get(step.do)
  const actor = world.actors[step.who]
  if (action === undefined || actor === undefined) throw new RangeError(step.do)
  const random = new Random(`${world.seed} step ${step.salt}`)
  action.run({ world, actor, random }).then(
    (said) => {
      if (said !== null) world.tell(`${actor.name} ${step.do}: ${said}`)
    },
    (cause: unknown) => world.tell(`${actor.name} ${step.do}: ${codeOf(world, cause)}`),
  )
}

/** What a person would have been told; anything that has no name is a finding. */
function codeOf(world: World, cause: unknown): string {
  if (cause instanceof Died) return "unknown, the node is gone"
  if (cause instanceof PeerUnreachable) return "peer.unreachable"
  if (cause instanceof OfficerRefused) return "an officer would not sign"
  if (cause instanceof NodeError || cause instanceof ProtocolError) return cause.code
  const { code } = cause as { code?: unknown }
  if (typeof code === "string" && code.startsWith("SQLITE_") && world.faulty.size > 0) return code
  world.violate("S0 every failure has a name", describe(cause))
  return "failed"
}

function describe(cause: unknown): string {
  if (cause instanceof WorldTouched) throw cause
  return cause instanceof Error ? `${cause.stack}` : String(cause)
}
