import type { Actor, Hostility } from "./actor.ts"
import type { Random } from "./random.ts"
import type { World } from "./world.ts"

/** One thing that happens to one member at one time; `salt` decides whatever else it draws. */
export type Step = {
  /** milliseconds from the start */
  readonly at: number
  readonly do: string
  /** number of the member */
  readonly who: number
  readonly salt: number
}

export type Scene = {
  readonly world: World
  readonly actor: Actor
  readonly random: Random
}

/**
 * Something that can happen: an operation of a member's people, a fault of its surroundings, an act of
 * an adversary. It is added by adding it to the list of its folder.
 */
export type Action = {
  readonly name: string
  /** how often, for each member it may happen to */
  readonly perDay: number
  /** whom it happens to: everyone, or adversaries with at least so much in their hands */
  readonly by?: Hostility
  /** @returns what is worth telling; null when there was no occasion */
  run(scene: Scene): Promise<string | null>
}

export function isActorOf(action: Action, hostility: Hostility | undefined): boolean {
  if (action.by === undefined) return true
  return hostility !== undefined && (action.by === "server" || hostility === "whole")
}
