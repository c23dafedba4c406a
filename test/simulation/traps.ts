import crypto from "node:crypto"
import { syncBuiltinESMExports } from "node:module"

/**
 * The world that a simulated node must not look at. What a run needs of it is taken here before it is
 * closed: from then on the clock, chance, timers and the network of the machine throw.
 */

const macrotask = globalThis.setImmediate

/** Resolves when everything that needed no further event has run: all of Node's microtasks and ticks. */
export function idle(): Promise<void> {
  return new Promise((resolve) => macrotask(resolve))
}

/** Something in the simulation reached past `Env`: the run could not be repeated. */
export class WorldTouched extends Error {
  override readonly name = "WorldTouched"
}

function forbidden(what: string): () => never {
  return () => {
    throw new WorldTouched(`${what} was called inside the simulation`)
  }
}

/** What `new Date()` and `Date.now()` say while a run is being prepared; afterwards they throw. */
let fixedNow: number | null = null

/** For libraries that stamp what they write once, before the first event. */
export async function atFixedTime<T>(now: number, work: () => Promise<T>): Promise<T> {
  fixedNow = now
  try {
    return await work()
  } finally {
    fixedNow = null
  }
}

let areSet = false

export function setTraps(): void {
  if (areSet) return
  areSet = true
  const RealDate = Date
  const now = () => fixedNow ?? forbidden("Date.now")()
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args: [], newTarget) =>
      args.length === 0
        ? Reflect.construct(target, [now()], newTarget)
        : Reflect.construct(target, args, newTarget),
    get: (target, name, receiver) => (name === "now" ? now : Reflect.get(target, name, receiver)),
  })
  Math.random = forbidden("Math.random")
  for (const name of ["setTimeout", "setInterval", "setImmediate", "fetch"] as const)
    Object.assign(globalThis, { [name]: forbidden(name) })
  performance.now = forbidden("performance.now")
  process.hrtime = Object.assign(forbidden("process.hrtime"), { bigint: forbidden("hrtime") })
  const chance = [
    ...["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID"],
    ...["generateKey", "generateKeyPair", "generateKeySync", "generateKeyPairSync", "scrypt"],
  ]
  for (const name of chance) Object.assign(crypto, { [name]: forbidden(`crypto.${name}`) })
  for (const name of ["getRandomValues", "randomUUID"])
    Object.defineProperty(crypto.webcrypto, name, { value: forbidden(`crypto.${name}`) })
  // Its work is done by other threads, which answer in whatever order they please.
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(crypto.webcrypto.subtle)))
    if (name !== "constructor")
      Object.defineProperty(crypto.webcrypto.subtle, name, { value: forbidden(`subtle.${name}`) })
  syncBuiltinESMExports()
}
