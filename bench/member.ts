import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Founded, foundMember } from "../node/authority/found.ts"
import { signReview } from "../node/authority/officer.ts"
import { addPeer, ownCard, verifyPeer } from "../node/authority/peers.ts"
import type { Context } from "../node/context.ts"
import type { Env } from "../node/env.ts"
import { memoryFiles } from "../node/memory-env.ts"
import { createNode, prepareCrypto, storeFounded } from "../node/node.ts"
import { addSignature } from "../node/order/orders.ts"
import { requestRelease } from "../node/order/release.ts"
import { realEnv } from "../node/real-env.ts"
import { orderById } from "../node/store/queries/orders.ts"
import { memoryDatabase } from "../node/store/sqlite.ts"
import { encodeHex } from "../protocol/encoding.ts"
import { wordsOf } from "../protocol/words.ts"
import { draftOf } from "./texts.ts"

/** Whole nodes as they run in earnest: encrypted database on the disk, full syncs, the real clock. */

export type BenchMember = {
  readonly home: string
  readonly context: Context
  readonly founded: Founded
  readonly card: Uint8Array
}

const founding = (state: string) => ({
  network: "exercise:bench",
  state,
  name: `Authority ${state}`,
  kind: "state" as const,
  officers: [
    { person: "p1", roles: ["competentAuthority"] },
    { person: "p2", roles: ["informationSecurity"] },
  ],
  rootKeys: 1,
  rootThreshold: 1,
})

/** A directory of this run, gone when the process ends. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "comity-bench-"))
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export async function makeMember(state: string): Promise<BenchMember> {
  prepareCrypto()
  const home = temporaryDirectory()
  const env = realEnv({ home, allowPrivate: true })
  const founded = await foundMember(env, founding(state))
  await storeFounded(env, founded)
  const context = await createNode(env, founded.keys)
  return { home, context, founded, card: await ownCard(context) }
}

/** The card of a member that only ever is a recipient: its node is never asked for anything. */
export async function makeStranger(state: string): Promise<Uint8Array> {
  prepareCrypto()
  const database = memoryDatabase()
  // Founding closes the database, which in memory would lose it.
  const held = Object.assign(database, { close: () => database })
  const env: Env = {
    ...realEnv({ home: "", allowPrivate: true }),
    files: memoryFiles(),
    openDatabase: () => held,
  }
  const founded = await foundMember(env, founding(state))
  await storeFounded(env, founded)
  return ownCard(await createNode(env, founded.keys))
}

/** The local name under which the card's member is known, and verified, from now on. */
export async function know(context: Context, card: Uint8Array, url?: string): Promise<string> {
  const { name, member } = await addPeer(context, card, url === undefined ? {} : { url })
  await verifyPeer(context, name, wordsOf(member))
  return name
}

/** Drafts number `from` to before `to`, as stored when their author is done. @returns their ids */
export async function addDrafts(
  context: Context,
  from: number,
  to: number,
): Promise<readonly string[]> {
  const rows = Array.from({ length: to - from }, (_, i) => {
    const source = draftOf(from + i)
    return {
      id: encodeHex(context.env.random(16)),
      source,
      title: "",
      released: 0,
      released_source: null,
      updated_at: context.env.clock.now(),
    }
  })
  for (let at = 0; at < rows.length; at += 500)
    await context.db
      .insertInto("draft")
      .values(rows.slice(at, at + 500))
      .execute()
  return rows.map(({ id }) => id)
}

/** An open order for these records, with the signatures that it needs. @returns its id */
export async function signedOrder(
  { context, founded }: Pick<BenchMember, "context" | "founded">,
  records: readonly string[],
  to: readonly string[],
): Promise<string> {
  const { order, orders } = await requestRelease(context, { records, to })
  if (orders.length !== 1) throw new RangeError("one order at a time")
  await signOrder({ context, founded }, order)
  return order
}

/** What two officers do on machines of their own is not this node's work, and is not looked at here. */
export async function signOrder(
  { context, founded }: Pick<BenchMember, "context" | "founded">,
  order: string,
): Promise<void> {
  const { payload } = await orderById(context.db, order)
  for (const officer of founded.officers) {
    const review = {
      member: context.self,
      order: JSON.parse(new TextDecoder().decode(payload)),
      payload: new Uint8Array(payload),
      lines: [],
      notes: [],
      seen: { member: context.self.id, size: 0, root: "" },
    }
    const day = new Date().toISOString().slice(0, 10)
    await addSignature(context, order, await signReview(review, officer, day))
  }
}
