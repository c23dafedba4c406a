import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { isGate } from "../../faults/scale.ts"
import { introduceTo, startTarget } from "./in-process.ts"
import { Stage } from "./stage.ts"
import { behaviours, expectHonest, tryBehaviour } from "./trial.ts"
import type { Villain } from "./villain.ts"

let started: Awaited<ReturnType<typeof startTarget>>
let lasting: Villain
const stage = (villain: Villain) => new Stage(villain, started.target, { trickleMs: 10 })

beforeAll(async () => {
  started = await startTarget()
  lasting = await introduceTo(started.node, "XH")
  await expectHonest(stage(lasting))
})
afterAll(async () => {
  await lasting[Symbol.asyncDispose]()
  await started[Symbol.asyncDispose]()
})

describe.each(["log", "feed", "release", "answer", "request"] as const)("of its %s:", (kind) => {
  const ofKind = behaviours.filter((one) => one.kind === kind)
  test.each(ofKind.map((one) => [one.name, one] as const))("%s", async (_name, behaviour) => {
    if (behaviour.isFinal) {
      await using villain = await introduceTo(started.node, "XV")
      expect(behaviour.codes).toContain(await tryBehaviour(stage(villain), behaviour))
    } else
      expect(behaviour.codes).toContain(
        await tryBehaviour(stage(lasting), behaviour, { honestAfter: isGate }),
      )
  })

  test("and goes on with what is honest", () => expectHonest(stage(lasting)))
})
