import { receiptsOf } from "../../../node/exchange/receipts.ts"
import { answerBehaviours } from "./answer-behaviours.ts"
import type { Behaviour } from "./behaviour.ts"
import { feedBehaviours } from "./feed-behaviours.ts"
import { logBehaviours } from "./log-behaviours.ts"
import { releaseBehaviours } from "./release-behaviours.ts"
import { requestBehaviours } from "./request-behaviours.ts"
import { type Stage, Unrefused } from "./stage.ts"

export const behaviours: readonly Behaviour[] = [
  ...logBehaviours,
  ...feedBehaviours,
  ...releaseBehaviours,
  ...answerBehaviours,
  ...requestBehaviours,
]

/** How many members the suite needs: one that goes on, and one for each behaviour that ends it. */
export const villainsNeeded = 1 + behaviours.filter(({ isFinal }) => isFinal).length

/**
 * Puts the target to one behaviour; what was honest before and comes after it must be taken as ever.
 *
 * @throws Unrefused
 */
export async function tryBehaviour(
  stage: Stage,
  behaviour: Behaviour,
  options: { readonly honestAfter?: boolean } = {},
): Promise<string> {
  const { honestAfter = true } = options
  const { villain, target } = stage
  if (behaviour.isFinal) await expectHonest(stage)
  const proofsBefore = (await target.proofs?.()) ?? 0
  const code = await behaviour.run(stage)
  if (behaviour.isProvable && target.proofs !== undefined) {
    const proofs = await target.proofs()
    if (proofs <= proofsBefore) throw new Unrefused("no proof of it is kept")
  }
  if (behaviour.isFinal === undefined && honestAfter) await expectHonest(stage)
  villain.mask = null
  return code
}

/** A release in good order arrives, and is confirmed. */
export async function expectHonest(stage: Stage): Promise<void> {
  const { villain, target } = stage
  const { record } = await stage.release()
  const reading = await target.read(villain)
  const { receipts } = await receiptsOf(villain.context, record)
  if (!receipts.some(({ state }) => state === "delivered"))
    throw new Unrefused(
      `what is honest is not taken: ${JSON.stringify(reading)} ${JSON.stringify(receipts)}`,
    )
}
