import { describe, expect, test } from "vitest"
import { StreamBudget } from "../../../node/exchange/stream-budget.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import type { Frame, FrameType } from "../../../protocol/exchange/frames.ts"
import { refusal } from "../../support/refusal.ts"

const peer = "ab".repeat(32)
const clock = { at: 0, now: () => 0, monotonic: () => clock.at, sleep: async () => {} }
const frame = (type: FrameType, text = ""): Frame => ({ type, bytes: utf8(text) })
const own = frame("checkpoint", `comity/training/${peer}/1\n8\n`)
const third = frame("checkpoint", `comity/training/${"cd".repeat(32)}/1\n8\n`)
const head = (n: number) => frame("head", `${"0".repeat(32)}, ${n}, 8`)

function taken(frames: readonly Frame[]): number {
  const budget = new StreamBudget(peer, clock)
  const refused = frames.findIndex((one) => refusal(() => budget.take(one)) !== null)
  return refused < 0 ? frames.length : refused
}

describe("a stream is cut off that goes on with", () => {
  test.each([
    ["its own checkpoint", Array<Frame>(100).fill(own), 16],
    ["checkpoints of third members", Array<Frame>(5000).fill(third), 1024],
    ["proofs", Array<Frame>(500).fill(frame("evidence")), 256],
    ["documents", [own, ...Array<Frame>(5000).fill(frame("root"))], 4097],
    [
      "entries",
      [own, ...Array<Frame>(40).fill({ type: "entries", bytes: new Uint8Array(33 * 40_000) })],
      26,
    ],
    ["one and the same head", Array<Frame>(100).fill(head(3)), 30],
  ])("%s", (_what, frames, allowed) => {
    expect(taken(frames)).toBe(allowed)
  })
})

test("what comes to something may go on for ever", () => {
  const round = (n: number) => [
    own,
    frame("entries"),
    frame("parcel"),
    third,
    frame("evidence"),
    head(n),
  ]
  const frames = Array.from({ length: 2000 }, (_, n) => round(n)).flat()
  expect(taken(frames)).toBe(frames.length)
})

test("a held-open stream repeats its head every half minute, for as long as it likes", () => {
  const budget = new StreamBudget(peer, clock)
  for (let i = 0; i < 1000; i++) {
    clock.at += 30_000
    budget.take(head(1))
  }
})
