import { proposeRoot, publishRoot } from "../../../node/authority/amend.ts"
import { readProposal, signProposal } from "../../../node/authority/ceremony.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import type { Action } from "../action.ts"
import { codeOf, publishOrder, signedOrder } from "../workload/release.ts"

/** People come and go, and lose what they should keep. */

/** Everyone has known for a while; nobody has told the machines. */
const away: Action = {
  name: "officer-away",
  perDay: 0.06,
  run: async ({ world, actor, random }) => {
    const officer = random.pick(actor.officers)
    const days = random.between(1, 3)
    officer.isGone = true
    world.scheduler.after(days * 86_400_000, "officer back", () => {
      officer.isGone = officer.isDismissed
    })
    return `${officer.person} of ${actor.name} for ${days} days`
  },
}

/**
 * An officer leaves for good, or a key is found to be stolen: the root document of the next version no
 * longer lists it, and its signatures do not count from the log's present end on.
 */
const dismissal: Action = {
  name: "officer-leaves",
  perDay: 0.03,
  run: async (scene) => {
    const { world, actor, random } = scene
    const { context } = actor
    const staying = actor.officers.filter(({ isDismissed }) => !isDismissed)
    const person = random.pick(staying).person
    const leaving = staying.filter((one) => one.person === person)
    // Somebody has to be left to sign.
    if (new Set(staying.map((one) => one.person)).size <= 2) return null
    const size = actor.books.sizeOf(actor.id)
    // Half the time the key was in other hands before: what was logged since then does not count.
    const last = random.chance(0.5) ? await signedOrder(scene, context) : null
    const said =
      last === null
        ? ""
        : `, after ${await publishOrder(world, actor, context, last).catch(codeOf)}`
    const kids = leaving.map(({ key }) => kidOf(key.officer.key))
    const proposal = await proposeRoot(context, {
      dismiss: [person],
      revoke: kids.map((kid) => ({ kid, from: { epoch: 1, size } })),
    })
    const read = readProposal(proposal)
    const lines = await Promise.all(actor.founded.rootPairs.map((pair) => signProposal(read, pair)))
    for (const officer of leaving) {
      officer.isDismissed = true
      officer.isGone = true
    }
    for (const kid of kids)
      world.truth.revoked.set(`${actor.id} ${kid}`, { from: size, by: read.root.version })
    const { version, index } = await publishRoot(context, proposal, lines.flat())
    return `${person} of ${actor.name}: root version ${version} at ${index}${said}`
  },
}

export const people: readonly Action[] = [away, dismissal]
