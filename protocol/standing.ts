import { decodeHex, equalBytes } from "./encoding.ts"
import { ProtocolError } from "./errors.ts"
import { emptyRoot } from "./log/merkle.ts"
import { endOfEpoch, type Head, type Member, type Root, rootVersion } from "./member/root.ts"
import type { Order } from "./release/order.ts"

/** Where an order counts in the log of its member, and what its member may do there: steps 3 and 4. */

/** What is proven of its origin's log of the order's epoch, from entries held or from proofs in a file. */
export type Logged = {
  readonly origin: Member
  /** every proven place of the order's entry, ascending */
  readonly places: readonly number[]
  /** root of the first `base.size` entries; null when the log is not known that far */
  readonly baseRoot: Uint8Array | null
  /** root of as many entries as `endOfEpoch` says count; null when the log is not known that far, or goes on */
  readonly endRoot: Uint8Array | null
  /** where each root version's document is an entry, version 1 first; null when not yet */
  readonly rootIndexes: readonly (number | null)[]
}

/**
 * The lowest proven index at which the order counts. PROTOCOL.md §6
 *
 * @throws `order.base`, `order.repudiated`, `order.root-version`
 */
export function findPlace(
  { base, rootVersion: named, act }: Order,
  logged: Logged,
): { readonly index: number; readonly root: Root } {
  const { origin, rootIndexes } = logged
  const baseRoot = base.size === 0 ? emptyRoot : logged.baseRoot
  if (baseRoot === null || !equalBytes(baseRoot, decodeHex(base.root)))
    throw new ProtocolError("order.base")
  const after = logged.places.filter((index) => base.size <= index)
  if (after.length === 0) throw new ProtocolError("order.base")
  const end = endOfEpoch(origin, base.epoch)
  // What its origin disowns releases nothing; a withdrawal binds from any branch.
  const counting =
    end === null || act === "withdraw"
      ? after
      : after.filter((index) => index < end.size && isPrefix(logged, end))
  if (counting.length === 0) throw new ProtocolError("order.repudiated")
  for (const index of counting) {
    const version = versionInForce(origin, base.epoch, rootIndexes, index)
    // A withdrawal outlives its root version as long as its signers are enrolled; step 5 sees to that.
    const counts = act === "withdraw" ? named <= version : named === version
    const document = counts ? rootVersion(origin, version) : null
    if (document !== null) return { index, root: document.payload }
  }
  throw new ProtocolError("order.root-version")
}

function isPrefix({ endRoot }: Logged, end: Head): boolean {
  return endRoot !== null && equalBytes(endRoot, decodeHex(end.root))
}

/**
 * The version from whose own entry in the log of `epoch` on `index` lies, 0 before the first.
 * PROTOCOL.md §6
 *
 * @param rootIndexes place of each version in the log of its epoch, version 1 first
 */
export function versionInForce(
  origin: Member,
  epoch: number,
  rootIndexes: readonly (number | null)[],
  index: number,
): number {
  let inForce = 0
  for (const { payload } of origin.documents) {
    if (payload.epoch < epoch) continue
    const at = rootIndexes[payload.version - 1] ?? null
    if (payload.epoch > epoch || at === null || at > index) break
    inForce = payload.version
  }
  return inForce
}

/**
 * What the root version in force lets its member do at all: nothing new once it has closed, nothing
 * under a profile that it does not name. Taking back needs neither.
 *
 * @throws `root.closed`, `profile.unadopted`
 */
export function verifyPermitted({ act, rule }: Order, root: Root): void {
  if (act === "withdraw") return
  if (root.closing !== undefined) throw new ProtocolError("root.closed")
  if (!root.profiles.includes(rule.profile)) throw new ProtocolError("profile.unadopted")
}
