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
  /** Once the last event is over. */
  finish?(): Promise<void>
}

export type MakeInvariant = (world: World) => Invariant

export function hex(blob: unknown): string {
  return Buffer.from(blob as Uint8Array).toString("hex")
}
