import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, onTestFinished, test, vi } from "vitest"
import { diskFiles } from "../../node/files.ts"
import { openKeyFileContent } from "../../node/keys/keystore.ts"
import { openSqlite } from "../../node/store/sqlite.ts"
import type { Json } from "../../protocol/canonical.ts"
import { decodeHex } from "../../protocol/encoding.ts"
import { comity } from "../support/command-line.ts"
import { scratch } from "../support/scratch.ts"
import { type Secret, tracesIn } from "../support/traces.ts"
import { seededRandom } from "../support/world.ts"

/**
 * A thief has the disk, at any moment: neither texts, titles, names of members nor a private key in any
 * file that a node writes, wherever it was killed, and none in what it says of itself.
 */

const launcher = fileURLToPath(new URL("../../cli/comity.js", import.meta.url))

type Home = {
  readonly directory: string
  readonly environment: Record<string, string>
  readonly rawKey: Uint8Array
  readonly database: Uint8Array
  /** all that its node ever wrote to stdout and stderr */
  readonly said: Buffer[]
}

test("no file of a home, killed at any moment, and no line of its journal shows what it guards", async () => {
  const root = scratch()
  for (const directory of ["tmp", "drafts", "cards"]) mkdirSync(join(root, directory))
  const xa = await found(root, "XA", "Heron Authority of Canaria")
  const xb = await found(root, "XB", "Stork Authority of Canaria")
  const run = async (home: Home, ...args: string[]) => {
    const ran = await comity([...args, "--json", "--home", home.directory], home)
    expect(ran, args.join(" ")).toMatchObject({ exit: 0 })
    return JSON.parse(ran.stdout)
  }
  const port = await freePort()
  let nodeA = await serve(xa, port)
  let nodeB = await serve(xb, await freePort())
  for (const [home, other, name] of [
    [xa, xb, "stork-canary"],
    [xb, xa, "heron-canary"],
  ] as const) {
    const card = join(root, "cards", name)
    const { words } = await run(other, "id", "show", "--card", card)
    const url = other === xa ? ["--url", `http://127.0.0.1:${port}`] : []
    await run(home, "peer", "add", card, "--name", name, ...url)
    await run(home, "peer", "verify", name, "--words", words)
  }

  const share = async (number: number): Promise<string> => {
    const file = join(root, "drafts", `${number}.md`)
    writeFileSync(file, draftOf(number))
    const { record } = await run(xa, "draft", "add", file)
    const terms = ["--purpose", "purpose canary", "--caveat", "caveat canary"]
    const { orders } = await run(xa, "release", "request", record, "--to", "stork-canary", ...terms)
    await publish(orders)
    return record
  }
  const publish = async (orders: readonly string[]) => {
    for (const order of orders) {
      for (const person of ["p1", "p2"])
        await run(xa, "order", "sign", order, "--as", person, "--yes")
      await run(xa, "publish", order)
    }
  }
  const contents = async () => (await run(xb, "inbox")).records as readonly { withdrawn: boolean }[]

  const record = await share(1)
  await vi.waitFor(async () => expect(await contents()).toHaveLength(1), 20_000)
  const secrets = [...words, ...(await secretsOf(xa)), ...(await secretsOf(xb))]
  const scan = () => {
    secrets.push(...contentKeysOf(root, xa), ...contentKeysOf(root, xb))
    expect(filesWith(root, [xa, xb], secrets)).toEqual([])
  }

  // The author's node dies while it writes, the recipient's while it takes over what was published.
  writeFileSync(join(root, "drafts", "many.md"), draftOf(2))
  const many = Array.from({ length: 6 }, () =>
    comity(["draft", "add", join(root, "drafts", "many.md"), "--home", xa.directory], xa),
  )
  await share(3)
  await kill(nodeB)
  await Promise.race(many)
  await kill(nodeA)
  await Promise.all(many)
  scan()

  nodeA = await serve(xa, port)
  nodeB = await serve(xb, await freePort())
  await run(xb, "sync", "heron-canary")
  const hits = await run(xb, "search", "searched", "canary")
  expect(hits.records).toHaveLength(2)
  const { orders } = await run(xa, "withdraw", record, "--reason", "reason canary")
  await publish(orders)
  await vi.waitFor(
    async () =>
      expect((await contents()).map(({ withdrawn }) => withdrawn).sort()).toEqual([false, true]),
    20_000,
  )
  await Promise.all([kill(nodeA), kill(nodeB)])
  scan()

  // In its own words a journal says ids, codes and counts only.
  for (const { said } of [xa, xb]) {
    expect(said.toString()).toMatch(/"event":"node\.serving"/)
    expect(tracesIn(Buffer.concat(said), secrets)).toEqual([])
  }
  // The search would find them: where the author keeps them, and in the opened database.
  expect(tracesIn(readFileSync(join(root, "drafts", "1.md")), words).length).toBeGreaterThan(1)
  expect(contentKeysOf(root, xb)).toHaveLength(2)
}, 120_000)

const draftOf = (number: number) =>
  `---\ntitle: Title canary number ${number}\nlanguage: en\n---\nBody canary ${number}, to be searched for.\n`

const words: readonly Secret[] = [
  ...[
    "title canary number",
    "body canary",
    "to be searched for",
    "purpose canary",
    "caveat canary",
  ],
  ...["reason canary", "heron-canary", "stork-canary", "Heron Authority", "Stork Authority"],
  ...["of Canaria"],
].map((value) => ({ name: value, value }))

async function found(root: string, state: string, name: string): Promise<Home> {
  const directory = join(root, state.toLowerCase())
  // Raw keys: a passphrase would cost its Argon2id at every start.
  const rawKey = seededRandom(state)(32)
  writeFileSync(join(root, `${state}.key`), rawKey, { mode: 0o600 })
  const environment = {
    PATH: process.env.PATH ?? "",
    HOME: root,
    TMPDIR: join(root, "tmp"),
    COMITY_LOG: "1",
    COMITY_ALLOW_PEERS: "127.0.0.1",
    COMITY_KEY_FILE: join(root, `${state}.key`),
  }
  const options = ["--state", state, "--name", name, "--network", "exercise:rest"]
  const ran = await comity(["init", ...options, "--home", directory], { environment })
  expect(ran.exit).toBe(0)
  const keys = await openKeyFileContent(readFileSync(join(directory, "keys.json")), rawKey)
  const { database } = keys as { readonly database: string }
  return { directory, environment, rawKey, database: decodeHex(database), said: [] }
}

/** `comity serve` in a process of its own, once it serves. */
async function serve(home: Home, port: number): Promise<ChildProcess> {
  const args = [launcher, "serve", "--json", "--home", home.directory]
  const child = spawn(process.execPath, [...args, "--listen", `127.0.0.1:${port}`], {
    env: home.environment,
    stdio: ["ignore", "pipe", "pipe"],
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => void home.said.push(chunk))
  await once(child.stdout, "data")
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit")
  child.kill("SIGKILL")
  await gone
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, "close")
  return port
}

/** Every private seed in every key file of a home, and the raw key that opens them. */
async function secretsOf({ directory, rawKey }: Home): Promise<readonly Secret[]> {
  const files = diskFiles(directory)
  const names = [
    "keys.json",
    ...["officers", "root-keys"].flatMap((room) =>
      files
        .list(room)
        .filter((name) => name.endsWith(".json"))
        .map((name) => `${room}/${name}`),
    ),
  ]
  const secrets: Secret[] = [{ name: "raw key", value: rawKey }]
  for (const name of names) {
    const content = await openKeyFileContent(files.read(name)!, rawKey)
    for (const seed of seedsIn(content)) secrets.push({ name: `a seed of ${name}`, value: seed })
  }
  expect(secrets.length).toBeGreaterThanOrEqual(1 + 7 + 2 + 4)
  return secrets
}

function seedsIn(value: Json): readonly Uint8Array[] {
  if (typeof value === "string") return /^[0-9a-f]{64}$/.test(value) ? [decodeHex(value)] : []
  if (value === null || typeof value !== "object") return []
  // An officer's key names its member, whose id is no secret.
  return Object.entries(value).flatMap(([name, one]) => (name === "member" ? [] : seedsIn(one)))
}

/** From a copy, so that the database and its log stay as the node left them when it was killed. */
function contentKeysOf(root: string, { directory, database }: Home): readonly Secret[] {
  const copy = join(root, "copy.db")
  for (const suffix of ["", "-wal"])
    if (existsSync(join(directory, `comity.db${suffix}`)))
      copyFileSync(join(directory, `comity.db${suffix}`), `${copy}${suffix}`)
  const { cipher } = JSON.parse(readFileSync(join(directory, "comity.json"), "utf8"))
  const opened = openSqlite(copy, database, { cipher })
  const rows = opened.prepare("SELECT content_key FROM content UNION SELECT seed FROM kem_key")
  const keys = rows.pluck().all() as Uint8Array[]
  opened.close()
  return keys.map((value) => ({ name: "a content or KEM key", value: new Uint8Array(value) }))
}

/** Files, by name and bytes, of the homes and of the temporary directory, that show a secret. */
function filesWith(root: string, homes: readonly Home[], secrets: readonly Secret[]) {
  const places = [join(root, "tmp"), ...homes.map(({ directory }) => directory)]
  const files = places.flatMap((place) =>
    readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  expect(files.filter((file) => /comity\.db(-wal)?$/.test(file)).length).toBeGreaterThanOrEqual(3)
  return files.flatMap((file) => {
    const name = Buffer.from(relative(root, file))
    const traces = tracesIn(Buffer.concat([name, readFileSync(file)]), secrets)
    return traces.map((trace) => `${relative(root, file)}: ${trace}`)
  })
}
