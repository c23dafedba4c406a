import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import type { Asked, Told } from "./seeds.ts"

const worker = fileURLToPath(new URL("worker.ts", import.meta.url))

/** As many processes as there are processors; each takes the next question when it has answered one. */
export class Pool implements Disposable {
  readonly #plant: string
  readonly #size: number
  readonly #idle: ChildProcess[] = []
  readonly #all: ChildProcess[] = []

  constructor(plant: string | undefined, size = availableParallelism()) {
    this.#plant = plant ?? ""
    this.#size = size
  }

  /** Answers in the order of the questions; no more are asked once `isEnough` of one that came. */
  async askAll(
    questions: Iterable<Asked>,
    isEnough: (told: Told) => boolean,
    each: (told: Told) => void,
  ): Promise<readonly Told[]> {
    const answers: Told[] = []
    const rest = questions[Symbol.iterator]()
    let place = 0
    let isOver = false
    const take = async () => {
      while (!isOver) {
        const { done, value } = rest.next()
        if (done === true) return
        const at = place++
        const told = await this.ask(value)
        answers[at] = told
        each(told)
        isOver ||= isEnough(told)
      }
    }
    await Promise.all(Array.from({ length: this.#size }, take))
    return answers.filter((told) => told !== undefined)
  }

  async ask(question: Asked): Promise<Told> {
    const child = this.#idle.pop() ?? (await this.#begin())
    child.send(question)
    const told = await answerOf(child)
    this.#idle.push(child)
    return told as Told
  }

  [Symbol.dispose](): void {
    for (const child of this.#all) child.kill()
  }

  async #begin(): Promise<ChildProcess> {
    const child = fork(worker, [this.#plant])
    this.#all.push(child)
    await answerOf(child)
    return child
  }
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  try {
    return await Promise.race([
      once(child, "message", { signal: over.signal }).then(([message]) => message),
      once(child, "exit", { signal: over.signal }).then(([code]) => {
        throw new Error(`a simulation ended without an answer (${code})`)
      }),
    ])
  } finally {
    over.abort()
  }
}
