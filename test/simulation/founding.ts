import { type Founded, foundMember } from "../../node/authority/found.ts"
import { addPeer, ownCard, verifyPeer } from "../../node/authority/peers.ts"
import type { Env } from "../../node/env.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { closeNode, createNode, storeFounded } from "../../node/node.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import { wordsOf } from "../../protocol/words.ts"
import { Random } from "./random.ts"
import { atFixedTime } from "./traps.ts"

/** A home as it is on the first day: founded, and acquainted with every other member. */
export type Home = {
  readonly name: string
  readonly host: string
  readonly founded: Founded
  readonly image: Uint8Array
  readonly files: ReadonlyMap<string, Uint8Array>
}

export const firstDay = Date.parse("2026-11-23T09:00:00Z")
export const network = "exercise:simulation"

/** The first person has enrolled two keys; any two persons suffice. */
const officers = [
  { person: "p1", organisation: "Authority", roles: ["competentAuthority"] },
  { person: "p1", organisation: "Authority", roles: ["focalPoint"] },
  { person: "p2", organisation: "Security", roles: ["informationSecurity"] },
  { person: "p3", organisation: "Operator", roles: ["operator"] },
]
export const personsNeeded = 2
const anyTwo = {
  act: "any",
  kind: "any",
  persons: personsNeeded,
  profile: "any",
  role: "any",
} as const
const policy = [anyTwo, { ...anyTwo, act: "release", when: "public" }] as const

export function nameOfMember(number: number): string {
  const letter = (n: number) => String.fromCharCode(97 + n)
  return `${letter(23 - Math.floor(number / 26))}${letter(number % 26)}`
}

const made = new Map<number, Promise<readonly Home[]>>()

/** The same members for every seed: founding costs more than a day of their lives. */
export function homes(count: number): Promise<readonly Home[]> {
  let known = made.get(count)
  if (known === undefined) {
    known = atFixedTime(firstDay, () => makeHomes(count))
    made.set(count, known)
  }
  return known
}

async function makeHomes(count: number): Promise<readonly Home[]> {
  const founding = []
  for (let number = 0; number < count; number++) founding.push(await found(nameOfMember(number)))
  const opened = []
  for (const { env, founded } of founding) opened.push(await createNode(env, founded.keys))
  const cards = []
  for (const context of opened) cards.push(await ownCard(context))
  for (const context of opened)
    for (const [other, card] of cards.entries())
      if (opened[other] !== context) {
        const { name, member } = await addPeer(context, card)
        await verifyPeer(context, name, wordsOf(member))
      }
  const homes: Home[] = []
  for (const [number, { name, host, founded, database, files, shut }] of founding.entries()) {
    const image = database.serialize()
    homes.push({ name, host, founded, image, files: files.snapshot() })
    await closeNode(opened[number]!)
    shut()
  }
  return homes
}

async function found(name: string) {
  const host = `${name}.example`
  const random = new Random(`founding ${name}`)
  const database = memoryDatabase()
  const shut = database.close.bind(database)
  const files = memoryFiles()
  const env: Env = {
    clock: { now: () => firstDay, monotonic: () => 0, sleep: async () => {} },
    random: (bytes) => random.bytes(bytes),
    transport: { send: () => Promise.reject(new TypeError("no network on the first day")) },
    files,
    // Founding closes its database, which in memory would lose it.
    openDatabase: () => Object.assign(database, { close: () => database }),
    log: { info: () => {}, warn: () => {}, error: () => {} },
  }
  const founded = await foundMember(env, {
    network,
    state: name.toUpperCase(),
    name: `Authority ${name.toUpperCase()}`,
    kind: "state",
    officers,
    policy,
    rootKeys: 1,
    rootThreshold: 1,
    url: `https://${host}`,
  })
  await storeFounded(env, founded)
  return { name, host, founded, env, files, database, shut }
}
