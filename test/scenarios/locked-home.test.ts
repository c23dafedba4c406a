import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { proposeRoot } from "../../node/authority/amend.ts"
import {
  addEntry,
  giveShares,
  openEntries,
  readRequest,
  requestOpening,
} from "../../node/authority/register.ts"
import { rotateKem, setContact } from "../../node/authority/renew.ts"
import { diskFiles } from "../../node/files.ts"
import { initHome, openHome, openOfficerKey } from "../../node/home.ts"
import { openAgentKeys } from "../../node/keys/agent-keys.ts"
import { moveToAgent } from "../../node/keys/move-keys.ts"
import { addPin } from "../../node/keys/pins.ts"
import { openRootKey } from "../../node/keys/root-key.ts"
import { closeNode } from "../../node/node.ts"
import { realEnv } from "../../node/real-env.ts"
import { scratch } from "../support/scratch.ts"

/**
 * The home of a node that is off, as a thief of the disk finds it: no name out of the register, no private
 * key, no pin, in no file, write-ahead log or temporary file, also when it was killed in the middle.
 */

const unlocking = new Uint8Array(32).fill(5)
const names = {
  name: "Canary Name of a Person",
  post: "Canary Post at the Ministry",
  instrument: "Canary Instrument 12 of 2026",
  pin: "canary-friend",
  mailbox: "canary@authority.example",
  organisation: "Canary Organisation",
}

/** As text in the encodings that a careless file would have it in. */
function forms(secret: Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(secret)
  return [
    bytes,
    ...(["hex", "base64", "base64url"] as const).map((encoding) =>
      Buffer.from(bytes.toString(encoding).replace(/=+$/, "")),
    ),
    Buffer.from(bytes.toString("hex").toUpperCase()),
  ]
}

function filesBelow(path: string): readonly Buffer[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)))
}

function found(path: string, secrets: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const files = filesBelow(path)
  return [...secrets]
    .filter(([, secret]) => forms(secret).some((form) => files.some((file) => file.includes(form))))
    .map(([name]) => name)
}

test("a locked home shows no name, no private key and no pin, killed mid-write or not", async () => {
  const dir = scratch()
  const home = join(dir, "home")
  const env = realEnv({ home })
  await initHome(env, {
    founding: {
      network: "training",
      state: "XA",
      name: "Authority XA",
      kind: "state",
      officers: ["p1", "p2"].map((person) => ({
        person,
        organisation: names.organisation,
        roles: ["operator"],
      })),
      rootKeys: 1,
      rootThreshold: 1,
    },
    unlocking,
    cipher: "aegis",
  })
  const context = await openHome(env, unlocking)
  const files = diskFiles(home)
  const officers = await Promise.all(
    ["p1", "p2"].map((person) => openOfficerKey(files.read(`officers/${person}.json`)!, unlocking)),
  )
  const { name, post, instrument } = names
  await addEntry(context, "p1", { name, post, instrument, from: "2026-11-01" })
  const request = readRequest(await requestOpening(context, "p1", "audit"))
  const shares = await Promise.all(officers.map((key) => giveShares(request, key, "2026-11-23")))
  expect(await openEntries(context, "p1", "audit", shares)).toMatchObject([{ name }])
  await addPin(files, unlocking, { member: "ab".repeat(32), name: names.pin }, env.random)
  await setContact(context, { mailbox: names.mailbox })
  await rotateKem(context)
  await proposeRoot(context, { renew: ["node", "witness"] })

  const root = await openRootKey(files.read("root-keys/root-1.json")!, unlocking)
  const { node, log, witness, salt, database } = context.keys
  if ("sign" in node || "sign" in log) throw new TypeError("the keys are elsewhere")
  const seeds = await context.db.selectFrom("kem_key").select("seed").execute()
  const secrets = new Map<string, Uint8Array>([
    ...Object.entries(names).map(([key, text]) => [key, Buffer.from(text)] as const),
    ...officers.map(({ officer, seed }) => [officer.person, seed] as const),
    ...Object.entries({ ...root, node, salt, database }),
    ...Object.entries(log).map(([key, seed]) => [`log ${key}`, seed] as const),
    ...Object.entries(witness).map(([key, seed]) => [`witness ${key}`, seed] as const),
    ...seeds.map(({ seed }, i) => [`kem ${i}`, new Uint8Array(seed)] as const),
  ])
  expect(secrets.size).toBeGreaterThan(18)

  // The control: what the search is able to find.
  writeFileSync(join(dir, "careless"), `{"seed":"${Buffer.from(node).toString("hex")}"}`)
  expect(found(dir, secrets)).toEqual(["node"])

  const killed = join(dir, "killed")
  await context.db
    .transaction()
    .execute(async (trx) => {
      await trx
        .insertInto("event")
        .values({ at: 1, kind: "k", subject: names.name, detail: names.post })
        .execute()
      cpSync(home, killed, { recursive: true })
      throw new Error("killed here")
    })
    .catch(() => {})
  expect(found(killed, secrets)).toEqual([])
  expect(found(home, secrets)).toEqual([])

  const agentFile = join(dir, "agent.keys")
  await moveToAgent(context, join(dir, "agent.sock"), unlocking, unlocking, async (sealed) => {
    writeFileSync(agentFile, sealed)
  })
  expect((await openAgentKeys(readFileSync(agentFile), unlocking)).node).toEqual(node)
  await closeNode(context)
  env.close()
  expect(found(home, secrets)).toEqual([])
})
