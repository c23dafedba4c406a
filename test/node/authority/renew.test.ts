import { statSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { foundMember } from "../../../node/authority/found.ts"
import { renewKeys, replaceKem, rotateKem } from "../../../node/authority/renew.ts"
import type { Env } from "../../../node/env.ts"
import { closeNode, createNode, prepareCrypto, storeFounded } from "../../../node/node.ts"
import { keysInForce } from "../../../node/store/queries/members.ts"
import { memoryDatabase, openSqlite } from "../../../node/store/sqlite.ts"
import { encodeBase64url } from "../../../protocol/encoding.ts"
import { testEnv } from "../../support/network.ts"
import { scratch } from "../../support/scratch.ts"

const dayMs = 86_400_000
const founding = {
  network: "training",
  state: "XA",
  name: "Authority XA",
  kind: "state",
  officers: [{ person: "p1", roles: ["operator"] }],
  rootKeys: 1,
  rootThreshold: 1,
} as const

async function node(open?: (key: Uint8Array) => ReturnType<typeof openSqlite>) {
  prepareCrypto()
  const clock = { now: Date.parse("2026-11-23T09:00:00Z") }
  const transport = { send: () => Promise.reject(new TypeError("no network here")) }
  const env = testEnv("renew", clock, transport)
  const database = memoryDatabase()
  const held: Env = {
    ...env,
    openDatabase: open ?? (() => Object.assign(database, { close: () => database })),
  }
  const founded = await foundMember(env, founding)
  await storeFounded(held, founded)
  const context = await createNode(held, founded.keys)
  onTestFinished(() => closeNode(context))
  const announced = async () => (await keysInForce(context.db, context.self))!.payload.kem
  return { clock, context, founded, database, announced }
}

const seedsOf = async ({ context }: Awaited<ReturnType<typeof node>>) =>
  (await context.db.selectFrom("kem_key").selectAll().orderBy("not_after").execute()).map(
    ({ seed }) => Buffer.from(seed),
  )

test("a new key comes at half of a key's life, beside the former one for as long as that is valid", async () => {
  const at = await node()
  const [first] = await at.announced()
  at.clock.now += 20 * dayMs
  expect(await renewKeys(at.context)).toBe(false)
  at.clock.now += 10 * dayMs
  expect(await renewKeys(at.context)).toBe(true)
  const both = await at.announced()
  expect(both).toHaveLength(2)
  expect(both[1]).toEqual(first)
  expect(both[0]!.notBefore <= first!.notAfter).toBe(true)
  expect(await renewKeys(at.context)).toBe(false)
  at.clock.now += 29 * dayMs
  await renewKeys(at.context)
  expect((await at.announced()).map(({ key }) => key)).not.toContain(first!.key)
})

test("its seed is destroyed 30 days after its last day, and is in no page of the database any more", async () => {
  const at = await node()
  const [seed] = await seedsOf(at)
  const isStored = () => at.database.serialize().includes(seed!)
  const [first] = await at.announced()
  at.clock.now = Date.parse(first!.notAfter) + 30 * dayMs
  await renewKeys(at.context)
  expect(isStored()).toBe(true)
  at.clock.now += dayMs
  await renewKeys(at.context)
  expect(isStored()).toBe(false)
  expect(await seedsOf(at)).toHaveLength(1)
})

test("a key that is rotated early still opens what was sealed to it; one that is compromised is gone", async () => {
  const at = await node()
  await rotateKem(at.context)
  expect(await at.announced()).toHaveLength(2)
  const former = await seedsOf(at)
  expect(former).toHaveLength(2)
  await replaceKem(at.context)
  const [fresh, ...others] = await at.announced()
  expect(others).toEqual([])
  const image = at.database.serialize()
  for (const seed of former) expect(image.includes(seed)).toBe(false)
  const rows = await at.context.db.selectFrom("kem_key").select("public_key").execute()
  expect(rows.map((row) => encodeBase64url(new Uint8Array(row.public_key)))).toEqual([fresh!.key])
})

test("what is destroyed has left the write-ahead log too before anybody is told", async () => {
  const path = join(scratch(), "comity.db")
  const at = await node((key) => openSqlite(path, key))
  await rotateKem(at.context)
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0)
  await replaceKem(at.context)
  expect(statSync(`${path}-wal`).size).toBe(0)
})
