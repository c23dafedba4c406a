import { fork } from "node:child_process"

/**
 * Whatever is measured has a process of its own: neither the other side of the exchange nor what was
 * measured before it counts with it. One call at a time; bytes travel as they are.
 */

type Handlers = Record<string, (input: never) => unknown>
type Call = { readonly id: number; readonly method: string; readonly input: unknown }
type Answer = { readonly id: number; readonly result?: unknown; readonly error?: string }

/** In the process of the actor. */
export function serveActor(handlers: Handlers): void {
  const { disconnect } = process
  if (process.send === undefined || disconnect === undefined)
    throw new TypeError("an actor is started by startActor")
  const send = process.send.bind(process)
  process.on("message", async ({ id, method, input }: Call) => {
    try {
      send({ id, result: await (handlers[method] as (input: unknown) => unknown)(input) })
    } catch (cause) {
      send({ id, error: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) })
    }
  })
  process.on("disconnect", () => process.exit(0))
}

export type Actor<H extends Handlers> = {
  call<M extends keyof H & string>(
    method: M,
    ...input: Parameters<H[M]>
  ): Promise<Awaited<ReturnType<H[M]>>>
  readonly pid: number
  [Symbol.dispose](): void
}

export function startActor<H extends Handlers>(
  path: string,
  execArgv: readonly string[] = [],
): Actor<H> {
  const child = fork(new URL(path, import.meta.url), {
    serialization: "advanced",
    execArgv: [...process.execArgv, ...execArgv],
  })
  const waiting = new Map<number, { resolve(value: unknown): void; reject(cause: Error): void }>()
  child.on("message", ({ id, result, error }: Answer) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) call?.resolve(result)
    else call?.reject(new Error(error))
  })
  child.on("exit", (code, signal) => {
    for (const { reject } of waiting.values())
      reject(new Error(`${path} ended early (${signal ?? code})`))
  })
  let calls = 0
  return {
    call: (method, ...[input]) =>
      new Promise((resolve, reject) => {
        const id = calls++
        waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
        child.send({ id, method, input } satisfies Call)
      }),
    pid: child.pid ?? 0,
    [Symbol.dispose]: () => {
      if (child.connected) child.disconnect()
    },
  }
}
