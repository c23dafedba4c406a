import { copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { afterAll, expect, test, vi } from "vitest"
import { openKeyFileContent } from "../../node/keys/keystore.ts"
import { openSqlite } from "../../node/store/sqlite.ts"
import { decodeHex } from "../../protocol/encoding.ts"
import { authorise, Homes, type TestHome } from "../support/home.ts"
import { type Secret, tracesIn } from "../support/traces.ts"

/**
 * A record is taken back from many members, each with its own home, node and sockets on loopback.
 * `npm run withdrawal` does it with 50.
 */
const members = Number(process.env.COMITY_MEMBERS ?? 5)
const homes = new Homes()
afterAll(() => homes.remove())

const rawKey = new Uint8Array(32).fill(0x4b)

const canaries: readonly Secret[] = ["Zanzibarquartz", "lapislazulitrellis"].map((value) => ({
  name: value,
  value,
}))
const text = `---
title: Practice of Zanzibarquartz
---
The lapislazulitrellis is watched by two persons.
`

test(
  "all holders say within a minute that they purged, and no file of theirs, opened or not, holds it",
  async () => {
    const officers = ["--officer", "p1:competentAuthority", "--officer", "p2:informationSecurity"]
    const xa = await homes.found("XA", ...officers)
    // Each serves at once: by the time all are founded, another connection may have its port.
    const nodes = [await xa.serve()]
    const holders: TestHome[] = []
    for (let i = 1; i < members; i++) {
      const holder = await homes.found(stateOf(i))
      nodes.push(await holder.serve())
      await homes.introduce(xa, holder)
      holders.push(holder)
    }
    const names = holders.map(({ state }) => state.toLowerCase())
    const added = await xa.run(["draft", "add", "-", "--json"], { stdin: text })
    const { record } = JSON.parse(added.stdout)
    const states = async () =>
      (await xa.json("receipts", record)).receipts.map((one: { state: string }) => one.state)

    const requested = await xa.json("release", "request", record, "--to", names.join())
    await authorise(xa, requested.order)
    const delivered = names.map(() => "delivered")
    await vi.waitFor(async () => expect(await states()).toEqual(delivered), patient)
    expect((await traces(holders[0]!)).length).toBeGreaterThan(1)

    const withdrawal = await xa.json("withdraw", record, "--reason", "superseded")
    const from = performance.now()
    await authorise(xa, withdrawal.order)
    await vi.waitFor(
      async () => expect((await xa.json("receipts", "--overdue")).withdrawals).toEqual([]),
      patient,
    )
    const seconds = (performance.now() - from) / 1000
    console.info(`${members - 1} receipts in ${seconds.toFixed(1)} s`)
    expect(seconds).toBeLessThan(60)
    expect(await states()).toEqual([...delivered, ...names.map(() => "purged")])

    // The node that runs has it in no file; nor has the one that has ended.
    for (const holder of holders) expect(await traces(holder)).toEqual([])
    for (const node of nodes) await node.stop()
    for (const holder of holders) expect(await traces(holder)).toEqual([])
  },
  20 * 60_000,
)

const patient = { timeout: 120_000, interval: 250 }

/** XB, XC, …, then QA, QB, …: codes that no state has. */
function stateOf(number: number): string {
  return `${"XQ"[Math.floor(number / 26)]}${String.fromCharCode(65 + (number % 26))}`
}

/** What shows in its files as they lie there, and in its database with every page decrypted. */
async function traces({ home }: TestHome): Promise<readonly string[]> {
  const files = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const found = files.flatMap((file) =>
    tracesIn(readFileSync(file), canaries).map((trace) => `${relative(home, file)}: ${trace}`),
  )
  return [...found, ...tracesIn(await decrypted(home), canaries)]
}

/** A copy of the database and its log, each page without its cipher, free ones included. */
async function decrypted(home: string): Promise<Uint8Array> {
  const copy = join(homes.directory, "copy.db")
  for (const suffix of ["", "-wal"])
    if (existsSync(join(home, `comity.db${suffix}`)))
      copyFileSync(join(home, `comity.db${suffix}`), `${copy}${suffix}`)
  const { cipher } = JSON.parse(readFileSync(join(home, "comity.json"), "utf8"))
  const keys = await openKeyFileContent(readFileSync(join(home, "keys.json")), rawKey)
  const { database } = keys as { readonly database: string }
  const opened = openSqlite(copy, decodeHex(database), { cipher })
  opened.pragma("journal_mode=DELETE")
  opened.pragma("rekey=''")
  opened.close()
  return readFileSync(copy)
}
