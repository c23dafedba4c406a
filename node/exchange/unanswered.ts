import { sql } from "kysely"
import type { ReceiptItem } from "../../protocol/exchange/receipt.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { withdrawing } from "../store/queries/partial.ts"
import { toEach } from "./receipts.ts"
import { why } from "./why.ts"

/** A withdrawal of ours that its recipient has not answered with *purged* or *sealed*. PROTOCOL.md §9 */
export type Unanswered = {
  readonly record: string
  readonly peer: string
  readonly member: string
  readonly order: string
  /** when it was logged */
  readonly since: string
  readonly state: ReceiptItem["state"] | "queued"
  /** for `held`: when it is looked at again */
  readonly until?: string
  /** no answer for a day, or held beyond the day of its review */
  readonly overdue: boolean
  readonly detail: string
}

const answerMs = 24 * 3_600_000

export async function unanswered(context: Context): Promise<readonly Unanswered[]> {
  const { db, self, env } = context
  const facts = await db
    .selectFrom("fact")
    .select(["order_id", "leaf", "record_id", "recipient", "at"])
    .where("order_origin", "=", self.id)
    .where(withdrawing)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("receipt_in")
            .select("receipt_in.leaf")
            .whereRef("receipt_in.peer", "=", "fact.recipient")
            .whereRef("receipt_in.order_id", "=", "fact.order_id")
            .whereRef("receipt_in.leaf", "=", "fact.leaf")
            .where("receipt_in.state", "in", ["purged", "sealed"]),
        ),
      ),
    )
    .orderBy("at")
    .execute()
  const found: Unanswered[] = []
  for (const { order_id, leaf, record_id, recipient, at } of await toEach(db, facts)) {
    const said = await db
      .selectFrom("receipt_in")
      .select(["state", "until"])
      .where("peer", "=", recipient)
      .where("order_id", "=", order_id)
      .where("leaf", "=", leaf)
      .orderBy("at", "desc")
      .orderBy(sql`rowid`, "desc")
      .executeTakeFirst()
    // Of a withdrawal from everybody each has to answer: those who have are known only here.
    if (said?.state === "purged" || said?.state === "sealed") continue
    const isReviewed = said?.until != null && said.until >= today(context)
    const { detail } = await why(context, record_id, recipient)
    found.push({
      record: record_id,
      peer: await nameOf(context, recipient),
      member: recipient,
      order: order_id,
      since: `${new Date(at).toISOString().slice(0, 19)}Z`,
      state: (said?.state ?? "queued") as Unanswered["state"],
      ...(said?.until == null ? {} : { until: said.until }),
      overdue: !isReviewed && env.clock.now() - at > answerMs,
      detail,
    })
  }
  return found
}
