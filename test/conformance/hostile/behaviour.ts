import type { Stage } from "./stage.ts"

/** One way to misbehave, and the code with which it has to be refused. */
export type Behaviour = {
  readonly name: string
  /** what it is done to: `feed` and `log` are read by the target, `request` is sent to it */
  readonly kind: "log" | "feed" | "release" | "answer" | "request"
  readonly codes: readonly string[]
  /** a third party can be convinced of it: the target must keep a proof, and takes nothing after it */
  readonly isProvable?: true
  /** it leaves the villain's log where no honest node can follow; another villain goes on */
  readonly isFinal?: true
  /** @returns the code, or `unsaid` where the target does not say; @throws Unrefused */
  readonly run: (stage: Stage) => Promise<string>
}
