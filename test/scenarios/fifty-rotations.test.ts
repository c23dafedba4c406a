import { expect, test } from "vitest"
import { publishRoot } from "../../node/authority/amend.ts"
import type { RootPair } from "../../node/authority/found.ts"
import { addPeer, ownCard, verifyPeer } from "../../node/authority/peers.ts"
import { propose } from "../../node/authority/propose.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { makeNodeKeys } from "../../node/keys/keys.ts"
import { commitEntries } from "../../node/log/append.ts"
import { inbox, show } from "../../node/reading/records.ts"
import { logOf } from "../../node/store/queries/logs.ts"
import { dummyEntry } from "../../protocol/log/entry.ts"
import { newestRoot, verifyRoots } from "../../protocol/member/root.ts"
import { wordsOf } from "../../protocol/words.ts"
import { keySet, release, signedBy } from "../support/ceremony.ts"
import { network, type TestNode } from "../support/network.ts"

/** Short by default; SLOW=1 takes the whole way. */
const [rotations, entries] = process.env.SLOW === undefined ? [12, 2_400] : [50, 10_000]
const lostAt = rotations / 2

/** Sizes of both epochs together, as XB holds them. */
async function heldEntries(xb: TestNode, xa: TestNode): Promise<number> {
  let sum = 0
  for (const epoch of [1, 2])
    sum += (await logOf(xb.context.db, xa.context.self.id, epoch))!.range.size
  return sum
}

test(`after ${rotations} rotations and a lost log key, ${entries} entries verify from version 1 in 5 s of processor time`, async () => {
  await using net = await network(["xa", "xb"], { acquainted: false })
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  await addPeer(xa.context, await ownCard(xb.context))
  await verifyPeer(xa.context, "xb", wordsOf(xb.context.self.id))

  let [now, next] = [xa.founded.rootPairs, xa.founded.nextPairs]
  const titles: string[] = []
  for (let version = 2; version <= rotations + 1; version++) {
    if (version === lostAt) {
      const { log } = makeNodeKeys((bytes) => xa.env.random(bytes))
      xa.context.keys = { ...xa.context.keys, log }
    }
    const later: RootPair[] = [{ ed25519: xa.env.random(32), mldsa65: xa.env.random(32) }]
    const proposal = await propose(xa.context, {
      rotate: { now: keySet(next).rootKeys, next: keySet(later) },
      ...(version % 10 === 0 ? { renew: ["node" as const] } : {}),
      ...(version === lostAt ? { survives: "now" as const } : {}),
    })
    await publishRoot(xa.context, proposal, await signedBy(proposal, [...now, ...next]))
    ;[now, next] = [next, later]
    if (version % 5 === 0) {
      titles.push(`Under version ${version}`)
      await release(xa, titles.at(-1)!, "xb")
    }
    const { range } = (await logOf(xa.context.db, xa.context.self.id))!
    const more = Array.from({ length: entries / rotations }, (_, i) =>
      dummyEntry(xa.context.keys.salt, range.size + i),
    )
    await commitEntries(xa.context, more, async () => {})
  }

  const card = await ownCard(xa.context)
  const began = process.cpuUsage()
  await addPeer(xb.context, card)
  await verifyPeer(xb.context, "xa", wordsOf(xa.context.self.id))
  const synced = await sync(xb.context)
  const { user, system } = process.cpuUsage(began)
  const seconds = (user + system) / 1e6
  expect(synced.peers[0]).toMatchObject({ received: titles.length, refused: 0, failed: 0 })
  expect(await heldEntries(xb, xa)).toBeGreaterThan(entries)
  const { records } = await inbox(xb.context)
  expect(records.map(({ title }) => title).sort()).toEqual(titles.sort())
  for (const { record } of records)
    expect((await show(xb.context, record)).provenance.every(({ ok }) => ok)).toBe(true)
  const chain = verifyRoots(xa.context.self.documents.map(({ bytes }) => bytes))
  expect(newestRoot(chain).payload.version).toBe(rotations + 1)
  console.info(`from version 1: ${seconds.toFixed(2)} s of processor time, both nodes together`)
  expect(seconds).toBeLessThan(5)
}, 300_000)
