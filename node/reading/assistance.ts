import { donorsOf } from "../../protocol/profiles/assistance.ts"
import { nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { heldRecords } from "../order/linked.ts"
import { liveFacts } from "./records.ts"

/** A request for assistance with what became of it, as far as it is ours to see. docs/dialogue.md */
export type AssistanceView = {
  readonly record: string
  readonly title: string
  readonly from: string
  readonly about: string | null
  readonly due?: { readonly day: string; readonly mechanism: string; readonly from: string }
  /** ours: all that it was sent to; another's: ourselves */
  readonly donors: readonly DonorView[]
}
type DonorView = {
  readonly member: string
  readonly name: string
  /** what it says, the latest; null: nothing yet */
  readonly assistance: string | null
  readonly reply: string | null
}

export async function requests(context: Context): Promise<readonly AssistanceView[]> {
  const { db, self } = context
  const rows = await db
    .selectFrom("record")
    .select(["origin", "id"])
    .distinct()
    .where("kind", "=", "assistance-request")
    .orderBy("id")
    .execute()
  const views: AssistanceView[] = []
  for (const request of await heldRecords(context, rows)) {
    const { about, fields, id, origin, profile, title } = request
    const isOurs = origin === self.id
    const sent = isOurs
      ? new Set((await liveFacts(context, request)).map(({ recipient }) => recipient))
      : new Set([self.id])
    const asked = donorsOf(request).filter((one) => sent.has(one))
    if (asked.length === 0) continue
    const donors: DonorView[] = []
    for (const member of asked) donors.push(await donorView(context, { id, origin }, member))
    const from = await nameOf(context, origin)
    const { due: day } = fields
    views.push({
      ...{ record: id, title, from, about: about?.id ?? null, donors },
      ...(day === undefined ? {} : { due: { day, mechanism: profile.id, from } }),
    })
  }
  return views
}

/** The latest that a donor has said of a request, as it is held here. */
async function donorView(
  context: Context,
  request: { readonly id: string; readonly origin: string },
  member: string,
): Promise<DonorView> {
  const rows = await context.db
    .selectFrom("link")
    .innerJoin("content", "content.rid", "link.rid")
    .select(["content.origin", "content.id"])
    .where("to_id", "=", request.id)
    .where("to_origin", "=", request.origin)
    .where("relation", "=", "responds")
    .where("content.origin", "=", member)
    .orderBy("content.rid", "desc")
    .execute()
  const [reply] = await heldRecords(context, rows)
  const name = await nameOf(context, member)
  return {
    ...{ member, name },
    assistance: reply?.fields.assistance ?? null,
    reply: reply?.id ?? null,
  }
}
