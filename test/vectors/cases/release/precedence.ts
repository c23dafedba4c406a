import {
  endOf,
  type Fact,
  verifyNotEnded,
  winner,
} from "../../../../protocol/release/precedence.ts"
import { a, b, c, rule } from "../../cast.ts"
import { type Cases, type Format, filled, type Input, number, type Run } from "../../format.ts"

const run: Run = (input) => {
  const facts = input.facts as readonly Fact[]
  // One release alone: whether step 6 lets it pass.
  if (input.release !== undefined) {
    verifyNotEnded(input.release as Fact, facts)
    return { ended: false }
  }
  const version = number(input, "version")
  const ended = facts
    .filter(({ act }) => act === "release")
    .map((one) => [one.orderId, endOf(one, facts)?.orderId ?? null] as const)
    .filter(([, by]) => by !== null)
  return { winner: winner(facts, version)?.orderId ?? null, ended: Object.fromEntries(ended) }
}

const release = (
  orderId: string,
  index: number,
  baseSize: number,
  more: Partial<Fact> = {},
): Fact => ({
  act: "release",
  orderId,
  orderOrigin: a.id,
  recordOrigin: a.id,
  version: 1,
  rule: { profile: rule.profile, kind: rule.kind },
  epoch: 1,
  index,
  baseEpoch: 1,
  baseSize,
  after: [],
  ...more,
})
const withdraw = (orderId: string, index: number, more: Partial<Fact> = {}): Fact =>
  release(orderId, index, index, { act: "withdraw", ...more })

function cases(): Cases {
  const among = (...facts: readonly Fact[]): Input => ({ version: 1, facts })
  const r1 = release("R1", 2, 2)
  const w1 = withdraw("W1", 4)
  const again = { ...r1, index: 6 }
  const r2 = release("R2", 8, 5)
  const r3 = release("R3", 10, 3, { after: ["W1"] })
  /** B has passed on a record of A. */
  const onward = release("O", 6, 2, { orderOrigin: b.id })
  /** The same with the release that it rests on, and a withdrawal by A from B. */
  const link = { origin: a.id, recipient: b.id, baseEpoch: 1, baseSize: 3, after: ["W0"] }
  const passedOn = release("P", 90, 80, { orderOrigin: b.id, chain: [link] })
  const fromB = (orderId: string, index: number) => withdraw(orderId, index, { names: b.id })
  const judged = (of: Fact, ...facts: readonly Fact[]): Input => ({ release: of, facts })
  const ended = "order.ended"
  return {
    about:
      "facts about one record and one recipient, each a grant of an order where it counts in its log: who wins for a version, and which releases have ended by which withdrawal; `release`: whether this one stands",
    valid: [
      ["nothing", among()],
      ["one release", among(r1)],
      ["withdrawn", among(r1, w1)],
      ["passed on, and withdrawn from its giver", among(passedOn, fromB("W", 3))],
      ["passed on, under a release made after", among(passedOn, fromB("W", 2))],
      ["passed on, under a release that overrides", among(passedOn, fromB("W0", 4))],
      ["passed on, and withdrawn by its origin", among(passedOn, withdraw("W", 3))],
      [
        "passed on, and taken back by its giver",
        among(passedOn, withdraw("W", 80, { orderOrigin: b.id })),
      ],
      ["withdrawn from another holder, and released directly", among(r1, fromB("W", 4))],
      ["the withdrawal came first", among(w1, r1)],
      ["entered again after its withdrawal", among(r1, w1, again)],
      ["released anew after the withdrawal", among(r1, w1, r2)],
      ["the page's example", among(r1, w1, again, r2, r3)],
      ["the same in another order of arrival", among(r3, again, r2, w1, r1)],
      ["a release based at the withdrawal's own place", among(release("R", 6, 4), w1)],
      ["a release based just behind it", among(release("R", 6, 5), w1)],
      ["the later base wins, not the later index", among(release("R", 5, 5), release("S", 9, 3))],
      ["of one base the later index wins", among(release("R", 5, 3), release("S", 9, 3))],
      ["overridden by name, whenever it is entered", among(r3, w1, { ...w1, index: 20 })],
      ["overridden, and ended by another", among(r3, w1, withdraw("W2", 12))],
      ["a withdrawal of a later version", among(r1, withdraw("W", 4, { version: 2 }))],
      ["a withdrawal of an earlier version", among(release("R", 2, 2, { version: 2 }), w1)],
      ["the other versions are no rivals", among(r1, release("R", 6, 6, { version: 2 }))],
      [
        "under the sign-off of another kind",
        among(r1, withdraw("W", 4, { rule: { ...rule, kind: "question" } })),
      ],
      [
        "under the sign-off of another profile",
        among(r1, withdraw("W", 4, { rule: { ...rule, profile: filled(32, 1) } })),
      ],
      ["by a member without standing", among(r1, withdraw("W", 4, { orderOrigin: c.id }))],
      ["by the record's origin, of what another passed on", among(onward, withdraw("W", 4))],
      [
        "by who passed it on, of its own release",
        among(onward, withdraw("W", 4, { orderOrigin: b.id })),
      ],
      [
        "by who passed it on, of the origin's release",
        among(r1, withdraw("W", 4, { orderOrigin: b.id })),
      ],
      [
        "in a later epoch",
        among(release("R", 900, 900), withdraw("W", 0, { epoch: 2, baseEpoch: 2 })),
      ],
      [
        "of an earlier epoch",
        among(release("R", 3, 0, { epoch: 2, baseEpoch: 2 }), withdraw("W", 900)),
      ],
      [
        "a later epoch wins",
        among(release("R", 900, 900), release("S", 1, 0, { epoch: 2, baseEpoch: 2 })),
      ],
      ["one stands, nothing known", judged(r1)],
      ["one stands beside others", judged(r2, r1, w1)],
    ],
    hostile: [
      ["withdrawn afterwards", judged(r1, w1), ended],
      ["withdrawn before it arrived", judged({ ...r1, index: 50 }, w1), ended],
      ["entered again", judged(again, w1), ended],
      ["based on nothing", judged(release("R", 90, 0), w1), ended],
      ["withdrawn at its own base", judged(release("R", 6, 4), w1), ended],
      ["withdrawn with a later version", judged(r1, withdraw("W", 4, { version: 9 })), ended],
      ["overrides another withdrawal", judged(r3, withdraw("W2", 4)), ended],
      ["passed on, and withdrawn by the record's origin", judged(onward, withdraw("W", 4)), ended],
      [
        "withdrawn in a later epoch",
        judged(r2, withdraw("W", 0, { epoch: 2, baseEpoch: 2 })),
        ended,
      ],
      [
        "one of many withdrawals",
        judged(r1, withdraw("X", 1), withdraw("Y", 9, { orderOrigin: c.id }), w1),
        ended,
      ],
    ],
  }
}

export const precedence: Format = { run, cases }
