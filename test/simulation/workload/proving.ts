import { receiptsOf } from "../../../node/exchange/receipts.ts"
import { why } from "../../../node/exchange/why.ts"
import { exportEvidence } from "../../../node/log/evidence.ts"
import { show } from "../../../node/reading/records.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import type { Action } from "../action.ts"
import { judgeAnswer, judgeReceipts } from "../safety/receipts.ts"
import type { World } from "../world.ts"

/** What a member can show of what it has, and of what became of what it gave. */

/** A file about a record held here proves it to anyone, and one bit less proves nothing. */
const evidence: Action = {
  name: "evidence",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const held = actor.books.held().filter((one) => one.origin !== actor.id)
    if (held.length === 0) return null
    const { origin, id } = random.pick(held)
    const { file } = await exportEvidence(actor.context, id)
    const pins = [parsePin(origin)]
    const { verdict, code } = verifyEvidence(file, pins)
    if (verdict !== "verified" && !isAnnulled(world, origin, code))
      world.violate("S5 evidence of what is held verifies", `${id} at ${actor.name}: ${code}`)
    const changed = file.slice()
    changed[random.below(changed.length)]! ^= 1 << random.below(8)
    if (verifyEvidence(changed, pins).verdict === "verified")
      world.violate("S5 changed evidence proves nothing", `${id} at ${actor.name}`)
    return `of ${id.slice(0, 6)}`
  },
}

/** Of what a stolen key has signed, a reader says so. */
function isAnnulled(world: World, origin: string, code: string | undefined): boolean {
  return code === "order.unauthorised" && world.hasRevoked(origin)
}

const showing: Action = {
  name: "show",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const held = actor.books.held()
    if (held.length === 0) return null
    const { origin, id } = random.pick(held)
    const { provenance } = await show(actor.context, id)
    const failed = provenance.find(({ ok }) => !ok)
    if (failed !== undefined && !isAnnulled(world, origin, failed.code))
      world.violate(
        "S5 what is held verifies anew",
        `${id} at ${actor.name}: ${failed.step} ${failed.code}`,
      )
    return id.slice(0, 6)
  },
}

const asking: Action = {
  name: "receipts",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const own = actor.books.held().filter((one) => one.origin === actor.id)
    if (own.length === 0) return null
    const { id } = random.pick(own)
    const { receipts } = await receiptsOf(actor.context, id)
    const peer = random.pick(world.actors.filter((one) => one !== actor))
    const answer = await why(actor.context, id, peer.name)
    if (actor.isHonest) {
      judgeReceipts(world, actor, id, receipts)
      judgeAnswer(world, actor, id, peer, answer)
    }
    return `${id.slice(0, 6)}: ${receipts.map(({ state }) => state).join(",")}; ${answer.reason}`
  },
}

export const proving: readonly Action[] = [evidence, showing, asking]
