import { ProtocolError } from "../errors.ts"
import type { Act } from "../member/policy.ts"

/**
 * Which order counts and which wins: PROTOCOL.md §6, as a function of facts without any order of
 * arrival. A fact is one grant of one logged order about one record and one recipient.
 */
export type Fact = {
  readonly act: Exclude<Act, "consent">
  readonly orderId: string
  readonly orderOrigin: string
  readonly recordOrigin: string
  readonly version: number
  /** what the sign-off was for: a withdrawal ends only what its officers could have released */
  readonly rule: { readonly profile: string; readonly kind: string }
  readonly epoch: number
  /** where the order counts in its log */
  readonly index: number
  readonly baseEpoch: number
  readonly baseSize: number
  /** withdrawals that this release knowingly overrides */
  readonly after: readonly string[]
  /** of a release that was passed on: the releases it rests on, the origin's own first */
  readonly chain?: readonly FactLink[]
  /** of a withdrawal from a holder further up: whom it names, where that is not the holder itself */
  readonly names?: string
}

/** A release on the way of a record that was passed on. */
export type FactLink = {
  readonly origin: string
  readonly recipient: string
  readonly baseEpoch: number
  readonly baseSize: number
  readonly after: readonly string[]
}

/** Across epochs a place is compared by epoch first. PROTOCOL.md §6 */
export function comparePlace(
  a: { readonly epoch: number; readonly size: number },
  b: { readonly epoch: number; readonly size: number },
): number {
  return a.epoch - b.epoch || a.size - b.size
}

/**
 * Whether `withdrawal` ends `release`: both about the same record and recipient. Passed on, a release
 * holds no longer than each of those that it rests on; its origin's withdrawal from the holder itself is
 * measured by the origin's own link. PROTOCOL.md §6
 */
export function ends(withdrawal: Fact, release: Fact): boolean {
  const concerns =
    withdrawal.version >= release.version &&
    withdrawal.rule.profile === release.rule.profile &&
    withdrawal.rule.kind === release.rule.kind
  const place = { epoch: withdrawal.epoch, size: withdrawal.index }
  return (
    concerns &&
    endable(withdrawal, release).some(
      ({ after, baseEpoch, baseSize }) =>
        !after.includes(withdrawal.orderId) &&
        comparePlace({ epoch: baseEpoch, size: baseSize }, place) <= 0,
    )
  )
}

/** What of a release a withdrawal by that member, from that member, can end. */
function endable(
  { orderOrigin, names }: Fact,
  release: Fact,
): readonly Pick<FactLink, "after" | "baseEpoch" | "baseSize">[] {
  const { chain = [] } = release
  if (names !== undefined)
    return chain.filter((link) => link.origin === orderOrigin && link.recipient === names)
  if (orderOrigin === release.orderOrigin) return [release]
  return orderOrigin === release.recordOrigin ? [chain[0] ?? release] : []
}

/** The withdrawal among `facts` that ends `release`, if any. */
export function endOf(release: Fact, facts: readonly Fact[]): Fact | null {
  return facts.find((fact) => fact.act === "withdraw" && ends(fact, release)) ?? null
}

/** The live release of one version that gives the terms: the greatest (base, index). */
export function winner(facts: readonly Fact[], version: number): Fact | null {
  const live = facts.filter(
    (fact) => fact.act === "release" && fact.version === version && endOf(fact, facts) === null,
  )
  live.sort(
    (a, b) =>
      comparePlace(
        { epoch: a.baseEpoch, size: a.baseSize },
        { epoch: b.baseEpoch, size: b.baseSize },
      ) || comparePlace({ epoch: a.epoch, size: a.index }, { epoch: b.epoch, size: b.index }),
  )
  return live[live.length - 1] ?? null
}

/** Step 6 for one release. @throws `order.ended` */
export function verifyNotEnded(release: Fact, facts: readonly Fact[]): void {
  const end = endOf(release, facts)
  if (end !== null) throw new ProtocolError("order.ended", { detail: end.orderId })
}
