import type { ParcelEpoch } from "../protocol/exchange/parcel.ts"
import type { Member } from "../protocol/member/root.ts"
import { newestRoot, type Root } from "../protocol/member/root.ts"
import type { Bell } from "./bell.ts"
import type { Env } from "./env.ts"
import { afterFailedWrite, type NodeErrorCode } from "./errors.ts"
import type { NodeKeys } from "./keys/keys.ts"
import type { QueuedBytes } from "./log/queue.ts"
import type { Recent } from "./reading/recent.ts"
import type { Gap } from "./regain.ts"
import { makeReadOnly } from "./store/dialect.ts"
import type { Db } from "./store/schema.ts"
import type { Turn } from "./turn.ts"

/** What every verb works with: built once by `createNode`, shared by all. */
export type Context = {
  readonly env: Env
  readonly db: Db
  /** replaced by the sequencer with the root document that names others */
  keys: NodeKeys
  /** replaced when the operator changes it */
  config: Config
  /** ourselves, as our root documents say; replaced by the sequencer when it logs a new version */
  self: Member
  /** marking → our own mark beside it, decided by our information security */
  readonly localMarks: Map<string, string>
  /** rung after every commit that readers may wait for; carries nothing */
  readonly bell: Bell
  /** one at a time: the sequencer's queue, and for each peer its mirror and feed, and what goes to it */
  readonly sequencing: Turn
  readonly receiving: Map<string, Turn>
  readonly handing: Map<string, Turn>
  readonly epochs: Epochs
  /** sealed objects by their digest, and deliveries: what goes to many, or out at once */
  readonly recent: {
    readonly sealed: Recent<Uint8Array>
    readonly deliveries: Recent<QueuedBytes>
  }
  readonly gossip: GossipState
  /** why nothing is signed; null when the signer is free */
  stopped: Halt | null
  /** entries of our log that were taken back from peers: nothing is served while it is there */
  gap: Gap | null
  /** asks peers, once, whether they have seen more of our log than we hold */
  beforeSigning(): Promise<void>
}

/** What stands between the signer and its work, in words, with what to do about it. */
export type Halt = {
  readonly code: NodeErrorCode
  readonly message: string
  readonly hint: string
}

/**
 * After an error of the disk nobody knows what is on it, until a restart has looked: what is here can be
 * read and nothing is added. A second try might succeed and leave a gap behind, because the system has
 * forgotten what it could not write.
 */
export function stopSigning(context: Context, failure: { readonly code: string }): void {
  if (context.stopped?.code === afterFailedWrite.code) return
  context.stopped = afterFailedWrite
  context.env.log.error("signer.stopped", { code: failure.code })
  void makeReadOnly(context.db)
}

export type Config = {
  /** directory of the home; null in memory */
  readonly home: string | null
  /** our own address, as peers reach it; null when we have no server */
  readonly url: string | null
  /** marking as sent → marking as handled here; absent: as it is */
  readonly markings: Readonly<Record<string, string>>
  /** releases stop when our witnesses have been missing for so many hours; null: they never do */
  readonly witnessHours: number | null
  /** `entries` to the log every so many seconds; null: when there is something to log */
  readonly cadence: { readonly everySeconds: number; readonly entries: number } | null
  /** what a proof of inconsistency does to new entries of its member: wait for an officer, or only be shown */
  readonly onInconsistency: "wait" | "note"
  /** who must have compared a peer's words before it is verified: 1 or 2 officers, in 1 or both directions */
  readonly verify: Verifying
}

export type Verifying = { readonly officers: number; readonly directions: number }

/** In memory only, at most a day: PROTOCOL.md §8. */
export type Epochs = {
  readonly sending: Map<
    string,
    {
      readonly keys: string
      readonly day: string
      readonly until: number
      readonly epoch: ParcelEpoch
    }
  >
  readonly reading: Map<string, readonly ParcelEpoch[]>
}

/** Saves looking for news of third members where there can be none. */
export type GossipState = {
  /** grows whenever anything was learnt of a third member */
  revision: number
  /** the revision up to which each peer has been told, since this process began */
  readonly told: Map<string, number>
}

export function ownRoot(context: Context): Root {
  return newestRoot(context.self).payload
}

/** Today, UTC. */
export function today(context: { readonly env: Pick<Env, "clock"> }): string {
  return dayOf(context.env.clock.now())
}

export function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 10)
}
