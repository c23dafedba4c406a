import { exportEvidence } from "../../../node/evidence.ts"
import { receiptsOf } from "../../../node/receipts.ts"
import { show, why } from "../../../node/records.ts"
import { renewKeys } from "../../../node/renew.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import type { Action } from "../action.ts"
import { truthOfReceipts } from "../safety/receipts.ts"

/** What a member can show of what it has, and of what became of what it gave. */

type Held = { readonly origin: string; readonly id: string; readonly version: number }

/** A file about a record held here proves it to anyone, and one bit less proves nothing. */
const proving: Action = {
  name: "evidence",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const held = actor.disk.read(
      `SELECT origin, id, version FROM content c WHERE origin <> ?
       AND version = (SELECT max(version) FROM record r WHERE r.origin = c.origin AND r.id = c.id)`,
      actor.id,
    ) as Held[]
    if (held.length === 0) return null
    const { origin, id } = random.pick(held)
    const { file } = await exportEvidence(actor.context, id)
    const pins = [parsePin(origin)]
    const { verdict, code } = verifyEvidence(file, pins)
    if (verdict !== "verified")
      world.violate("S5 evidence of what is held verifies", `${id} at ${actor.name}: ${code}`)
    const changed = file.slice()
    changed[random.below(changed.length)]! ^= 1 << random.below(8)
    if (verifyEvidence(changed, pins).verdict === "verified")
      world.violate("S5 changed evidence proves nothing", `${id} at ${actor.name}`)
    return `of ${id.slice(0, 6)}`
  },
}

const showing: Action = {
  name: "show",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const held = actor.disk.read("SELECT origin, id, version FROM content") as Held[]
    if (held.length === 0) return null
    const { id } = random.pick(held)
    const { provenance } = await show(actor.context, id)
    const failed = provenance.find(({ ok }) => !ok)
    if (failed !== undefined)
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
    const drafts = actor.disk.read("SELECT id FROM draft WHERE released > 0") as Held[]
    if (drafts.length === 0) return null
    const { id } = random.pick(drafts)
    const { receipts } = await receiptsOf(actor.context, id)
    const peer = random.pick(world.actors.filter((one) => one !== actor))
    const answer = await why(actor.context, id, peer.name)
    if (actor.isHonest) truthOfReceipts(world, actor, id, receipts, peer, answer)
    return `${id.slice(0, 6)}: ${receipts.map(({ state }) => state).join(",")}; ${answer.reason}`
  },
}

const renewing: Action = {
  name: "renew",
  perDay: 0.5,
  run: async ({ actor }) => ((await renewKeys(actor.context)) ? "new keys" : null),
}

export const provingAndRenewing: readonly Action[] = [proving, showing, asking, renewing]
