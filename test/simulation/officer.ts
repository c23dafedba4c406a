import type { OfficerKey } from "../../node/authority/found.ts"
import {
  madePublic,
  type Review,
  reviewExport,
  type Seen,
  signReview,
} from "../../node/authority/officer.ts"
import { type Context, dayOf } from "../../node/context.ts"
import { addSignature, exportOrder } from "../../node/order/orders.ts"
import { Turn } from "../../node/turn.ts"
import type { Intent, Truth } from "./truth.ts"

/** What the server showed is not what was asked for: the officer did not sign. */
export class OfficerRefused extends Error {
  override readonly name = "OfficerRefused"
}

/** One key of one person, on a machine of its own that no crash of the node touches. */
export class Officer {
  readonly key: OfficerKey
  /** signs nothing, for the time being */
  isGone = false
  /** no longer listed in the root document */
  isDismissed = false
  isStolen = false
  #seen: Seen | null = null
  readonly #desk = new Turn()

  constructor(key: OfficerKey) {
    this.key = key
  }

  get person(): string {
    return this.key.officer.person
  }

  /** One order after the other. @throws OfficerRefused, and as reviewExport */
  sign(context: Context, order: string, intent: Intent, truth: Truth): Promise<void> {
    return this.#desk.take(async () => {
      const bytes = await exportOrder(context, order, this.#seen?.size)
      const review = reviewExport(bytes, new Map(), this.#seen)
      if (!isMeant(review, intent)) throw new OfficerRefused(order)
      this.#seen = review.seen
      const meant = madePublic(review).map(({ id }) => id)
      const day = dayOf(context.env.clock.now())
      const line = await signReview(review, this.key, day, undefined, meant)
      truth.authorise(review.payload, authorisedBy(review), this.person)
      await addSignature(context, order, line)
    })
  }
}

function isMeant({ order, lines }: Review, intent: Intent): boolean {
  return (
    order.act === intent.act &&
    lines.every(
      ({ recipient, record }) =>
        intent.recipients.has(recipient) &&
        record.id === intent.record &&
        (intent.act === "withdraw" || record.body.includes(intent.mark)),
    )
  )
}

function authorisedBy({ member, order, lines }: Review) {
  const grants = lines.map(({ recipient, grant }) => ({
    act: grant.act,
    origin: grant.record.origin,
    record: grant.record.id,
    version: grant.record.version,
    recipient,
  }))
  return { origin: member.id, order: order.id, grants }
}
