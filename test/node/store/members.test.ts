import { Kysely } from "kysely"
import { beforeAll, expect, test } from "vitest"
import { StoreDialect } from "../../../node/store/dialect.ts"
import { migrate } from "../../../node/store/migrations.ts"
import {
  insertKeys,
  insertRoots,
  keysInForce,
  memberById,
} from "../../../node/store/queries/members.ts"
import type { Db, Schema } from "../../../node/store/schema.ts"
import { memoryDatabase } from "../../../node/store/sqlite.ts"
import { verifyKeys } from "../../../protocol/member/keys.ts"
import { codeOf } from "../../support/refusal.ts"
import { flipBit, makeMember, nextRoot, type TestMember } from "../../support/world.ts"

let first: TestMember
let second: TestMember

beforeAll(async () => {
  first = await makeMember({ seed: "members" })
  second = await nextRoot(first, { newNodeKey: true })
})

async function storeWith(member: TestMember): Promise<Db> {
  const db = new Kysely<Schema>({
    dialect: new StoreDialect({ database: memoryDatabase(), onDoubt: () => {} }),
  })
  await migrate(db)
  await insertRoots(db, member.member)
  await insertKeys(db, verifyKeys(member.keys, member.id, member.root))
  return db
}

const setRoot = (db: Db, version: number, bytes: Uint8Array) =>
  db.updateTable("root_document").set({ bytes }).where("version", "=", version).execute()

test("root documents are believed only as long as they are those that were verified", async () => {
  const db = await storeWith(first)
  const [document] = first.roots
  expect((await memberById(db, first.id))?.id).toBe(first.id)
  expect(await memberById(db, first.id)).toBe(await memberById(db, first.id))
  for (const bit of [8 * 100, 8 * (document!.length - 40)]) {
    await setRoot(db, 1, flipBit(document!, bit))
    expect(await codeOf(memberById(db, first.id))).toMatch(/^(json|root|signed|key)\./)
  }
  await setRoot(db, 1, document!)
  expect((await memberById(db, first.id))?.documents.length).toBe(1)
})

test("another chain under the same id is refused, however often the right one was read", async () => {
  const other = await makeMember({ seed: "another" })
  const db = await storeWith(first)
  await memberById(db, first.id)
  await setRoot(db, 1, other.roots[0]!)
  expect(await codeOf(memberById(db, first.id))).toBe("root.pin")
})

test("a version more is seen at once, and with it that its keys document is out of force", async () => {
  const db = await storeWith(first)
  const before = await memberById(db, first.id)
  expect((await keysInForce(db, before!))?.digest).toBe(
    verifyKeys(first.keys, first.id, first.root).digest,
  )
  await insertRoots(db, second.member)
  const after = await memberById(db, first.id)
  expect(after?.documents.length).toBe(2)
  expect(await keysInForce(db, after!)).toBeNull()
})

test("a keys document is believed only as long as it is the one that was verified", async () => {
  const db = await storeWith(first)
  const member = await memberById(db, first.id)
  const known = await keysInForce(db, member!)
  expect(await keysInForce(db, member!)).toBe(known)
  const bytes = flipBit(first.keys, 8 * (first.keys.length - 40))
  await db.updateTable("keys_document").set({ bytes }).execute()
  expect(await codeOf(keysInForce(db, member!))).toMatch(/^(json|keys|signed)\./)
})
