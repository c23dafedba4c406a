import type { Actor } from "../actor.ts"
import type { Sent } from "../network.ts"
import type { World } from "../world.ts"

/**
 * Something that must hold after every event. It keeps what it saw before, so that a look costs no more
 * than what has changed; it reads disks and wires, and asks no node.
 */
export interface Invariant {
  /** An honest member's disk has changed, or its node has started; no transaction is open. */
  look?(actor: Actor): void
  /** A message, as its sender sent it. */
  heard?(sent: Sent): void
  /** This member's database is one of an earlier time: what was seen in it since is no measure. */
  forget?(actor: Actor): void
  /** Once the last event is over. */
  finish?(): Promise<void>
}

/** It did not hold. */
export class Broken extends Error {
  override readonly name = "Broken"
  readonly invariant: string
  readonly detail: string

  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`)
    this.invariant = invariant
    this.detail = detail
  }
}

export type MakeInvariant = (world: World) => Invariant

export function hex(blob: unknown): string {
  return Buffer.from(blob as Uint8Array).toString("hex")
}
