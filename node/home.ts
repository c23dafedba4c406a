import { encodeCanonical, ingest } from "../protocol/canonical.ts"
import { kemSizes } from "../protocol/crypto/kem.ts"
import { decodeBase64url, decodeHex, encodeBase64url, encodeHex } from "../protocol/encoding.ts"
import { limits } from "../protocol/limits.ts"
import { logKeyShape, signingKeyShape } from "../protocol/member/key.ts"
import { officerShape } from "../protocol/member/officer.ts"
import { decodeRootPayload } from "../protocol/member/root.ts"
import { markingShape } from "../protocol/record/marking.ts"
import {
  base64url,
  day,
  decodeShape,
  dictionary,
  hex,
  integer,
  json,
  list,
  literal,
  object,
  oneOf,
  optional,
  type ShapeOf,
  text,
} from "../protocol/shape.ts"
import type { SignatureLine } from "../protocol/signed.ts"
import { keysAt } from "./agent-client.ts"
import { sealAgentKeys } from "./agent-keys.ts"
import { assembleRoot, encodeProposal, readProposal } from "./ceremony.ts"
import type { Config, Context } from "./context.ts"
import type { Env, Files } from "./env.ts"
import { NodeError } from "./errors.ts"
import {
  draftMember,
  type Founded,
  type Founding,
  foundMember,
  type KeySet,
  type OfficerKey,
  publicRootKey,
  sealingKeyOf,
} from "./found.ts"
import {
  loadNodeKeys,
  type NodeKeys,
  publicLogKey,
  publicSigningKey,
  type StoredKeys,
  storeNodeKeys,
  writeKeys as writeStoredKeys,
} from "./keys.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keystore.ts"
import { createNode, prepareCrypto, storeFounded } from "./node.ts"
import type { Seen } from "./officer.ts"
import { type Identity, identityOf } from "./peers.ts"
import { encodePublicRootKey, sealRootKey } from "./root-key.ts"
import { truncateWal } from "./store/purge.ts"
import { logOf } from "./store/queries/logs.ts"

/**
 * A member's home: what lies in which file. The database holds what the node knows, encrypted under a
 * key in `keys.json`; officers' and root keys lie beside it only until they are moved to where they belong.
 */
const names = {
  config: "comity.json",
  /** where node key and log key are, if not here */
  agent: "agent.json",
  /** until the root keys, elsewhere, have signed version 1 */
  founding: "founding.json",
  keys: "keys.json",
  officers: "officers",
  rootKeys: "root-keys",
}

const configShape = object({
  cipher: oneOf(["aegis", "chacha20"]),
  markings: dictionary(/^[A-Z:+]{1,32}$/, markingShape, 16),
  type: literal("comity/home/v1"),
  url: optional(text({ min: 1, max: 512 })),
  verify: optional(object({ directions: integer(1, 2), officers: integer(1, 2) })),
})

export type HomeConfig = Config & { readonly cipher: "aegis" | "chacha20" }

/** @throws `home.missing`, `config.invalid` */
export function readConfig(files: Files): HomeConfig {
  const bytes = files.read(names.config)
  if (bytes === null)
    throw new NodeError("home.missing", "There is no member in this home yet.", {
      hint: 'Found one: comity init --state XA --name "Authority XA"',
    })
  try {
    const { cipher, markings, url, verify } = decodeShape(
      configShape,
      JSON.parse(new TextDecoder().decode(bytes)),
      "json.profile",
    )
    return {
      cipher,
      markings,
      url: url ?? null,
      verify: verify ?? byOneOfficer,
    }
  } catch (cause) {
    throw new NodeError("config.invalid", `${names.config} is not as it should be.`, { cause })
  }
}

export function writeConfig(files: Files, config: HomeConfig): void {
  const { cipher, markings, url, verify } = config
  const fields = {
    cipher,
    markings,
    type: "comity/home/v1",
    ...(url === null ? {} : { url }),
    verify,
  }
  files.write(names.config, encodeCanonical(fields))
}

const byOneOfficer = { directions: 1, officers: 1 }

/** How `founded` root keys are kept: beside the node, or where the ceremony says. */
export type Founder = {
  readonly founding: Founding
  readonly unlocking: Unlocking
  readonly cipher: HomeConfig["cipher"]
  /** another place for the root keys than the home */
  readonly rootFiles?: Files
}

/**
 * Founds a member in an empty home. The configuration is written last: until it is there, there is no
 * member here.
 *
 * @throws `home.exists`, `store.*`
 */
export async function initHome(env: Env, founder: Founder): Promise<Identity> {
  const { files } = env
  const { founding, unlocking, cipher } = founder
  assertEmpty(files)
  prepareCrypto()
  const founded = await foundMember(env, founding)
  await writeKeys(env, founder, founded, founded.member.id)
  const rootFiles = founder.rootFiles ?? files
  const directory = founder.rootFiles === undefined ? `${names.rootKeys}/` : ""
  const pairs = [
    ...founded.rootPairs.map((pair, i) => ({ name: `root-${i + 1}`, pair })),
    ...founded.nextPairs.map((pair, i) => ({ name: `next-${i + 1}`, pair })),
  ]
  for (const { name, pair } of pairs) {
    const sealed = await sealRootKey(pair, unlocking, (n) => env.random(n))
    rootFiles.write(`${directory}${name}.json`, sealed)
    rootFiles.write(`${directory}${name}.pub`, encodePublicRootKey(publicRootKey(pair)))
  }
  await storeFounded(env, founded)
  writeConfig(files, { cipher, markings: {}, url: founding.url ?? null, verify: byOneOfficer })
  return identityOf(founded.member)
}

function assertEmpty(files: Files): void {
  if (isBegun(files))
    throw new NodeError("home.exists", "A member begun here waits for its root keys to sign.", {
      hint: "comity key publish PROPOSAL SIGNATURE…, or empty the directory and begin again.",
    })
  if (files.read(names.config) !== null)
    throw new NodeError("home.exists", "There is a member in this home already.", {
      hint: "Choose another home with --home DIR; nothing was changed.",
    })
  if (files.read(names.keys) !== null)
    throw new NodeError("home.exists", "An earlier init in this home did not come to its end.", {
      hint: "No member was founded by it: empty the directory and begin again.",
    })
}

/** The node's keys, and those of the first officers. */
async function writeKeys(
  env: Env,
  { unlocking }: Pick<Founder, "unlocking">,
  { keys, officers }: Pick<Founded, "keys" | "officers">,
  member: string,
): Promise<void> {
  const random = (bytes: number) => env.random(bytes)
  env.files.write(names.keys, await sealKeyFileContent(storeNodeKeys(keys), unlocking, random))
  for (const key of officers)
    env.files.write(
      officerFile(key.officer.person),
      await sealOfficerKey({ ...key, member }, unlocking, random),
    )
}

const foundingShape = object({
  cipher: oneOf(["aegis", "chacha20"]),
  kem: object({ notAfter: day, notBefore: day, seed: hex(32) }),
  keysDocument: json,
  officers: list(object({ officer: officerShape, sealing: base64url(kemSizes.publicKey) }), {
    max: limits.officers,
  }),
  payload: json,
  type: literal("comity/founding/v1"),
  url: optional(text({ min: 1, max: 512 })),
})

/**
 * Begins a member whose root keys are elsewhere: keys are made, and version 1 goes out to be signed.
 *
 * @throws `home.exists`
 */
export async function beginHome(
  env: Env,
  founder: Omit<Founder, "founding" | "rootFiles"> & {
    readonly founding: Omit<Founding, "rootKeys" | "rootThreshold">
    readonly root: KeySet
    readonly next: KeySet
  },
): Promise<Uint8Array> {
  const { founding, unlocking, cipher, root, next } = founder
  assertEmpty(env.files)
  prepareCrypto()
  const drafted = await draftMember(env, founding, root, next)
  await writeKeys(env, founder, drafted, drafted.memberId)
  const { kem, keysDocument, payload } = drafted
  const officers = drafted.officers.map(({ officer, seed }) => ({
    officer,
    sealing: encodeBase64url(sealingKeyOf(seed).publicKey),
  }))
  const content = {
    cipher,
    kem: { ...kem, seed: encodeHex(kem.seed) },
    keysDocument: ingest(keysDocument, limits.signedBytes),
    officers,
    payload,
    type: "comity/founding/v1",
    ...(founding.url === undefined ? {} : { url: founding.url }),
  }
  const sealed = await sealKeyFileContent(content, unlocking, (n) => env.random(n))
  env.files.write(names.founding, sealed)
  const openings = drafted.officers.map(({ officer }) => officer)
  return encodeProposal(payload, null, openings)
}

/** Whether a member begun here waits for the signatures of its root keys. */
export function isBegun(files: Files): boolean {
  return files.read(names.founding) !== null && files.read(names.config) === null
}

export type Begun = ShapeOf<typeof foundingShape> & { readonly keys: NodeKeys }

/** @throws `home.missing`, `key.unavailable` */
export async function readBegun(files: Files, unlocking: Unlocking): Promise<Begun> {
  const [founding, keys] = [files.read(names.founding), files.read(names.keys)]
  if (founding === null || keys === null || !isBegun(files))
    throw new NodeError("home.missing", "No founding waits for signatures in this home.")
  const fields = await openKeyFileContent(founding, unlocking)
  const stored = (await openKeyFileContent(keys, unlocking)) as StoredKeys
  return { ...decodeShape(foundingShape, fields, "json.profile"), keys: loadNodeKeys(stored) }
}

/**
 * Ends what `beginHome` began, with enough signatures under version 1.
 *
 * @throws `root.threshold`, `root.invalid`, `signed.*`, `store.*`
 */
export async function completeHome(
  env: Env,
  begun: Begun,
  lines: readonly SignatureLine[],
): Promise<Identity> {
  prepareCrypto()
  const root = decodeRootPayload(encodeCanonical(begun.payload as object))
  const { member } = assembleRoot(readProposal(encodeProposal(root, null, [])), lines)
  const { keys, kem, cipher, url = null } = begun
  await storeFounded(env, {
    member,
    keys,
    keysDocument: encodeCanonical(begun.keysDocument as object),
    kem: { ...kem, seed: decodeHex(kem.seed) },
    officers: begun.officers.map(({ officer, sealing }) => ({
      officer,
      sealingKey: decodeBase64url(sealing),
    })),
  })
  writeConfig(env.files, { cipher, markings: {}, url, verify: byOneOfficer })
  env.files.remove(names.founding)
  return identityOf(member)
}

/** @throws `key.unavailable` before anything else is touched; as createNode */
export async function openHome(env: Env, unlocking: Unlocking): Promise<Context> {
  return createHomeNode(env, await openKeys(env.files, unlocking))
}

/** The same with keys that were opened before: by then nothing of the home has been touched. */
export function createHomeNode(env: Env, keys: NodeKeys): Promise<Context> {
  const { cipher: _, ...config } = readConfig(env.files)
  return createNode(env, keys, config)
}

/** @throws `key.unavailable` */
export async function openKeys(files: Files, unlocking: Unlocking): Promise<NodeKeys> {
  const bytes = files.read(names.keys)
  if (bytes === null) throw new NodeError("key.unavailable", "The node's key file is missing.")
  const stored = (await openKeyFileContent(bytes, unlocking)) as StoredKeys
  const agent = files.read(names.agent)
  if (agent === null) return loadNodeKeys(stored)
  const { socket, ...publics } = decodeShape(agentShape, ingest(agent, 16 * 1024), "json.profile")
  return loadNodeKeys(stored, keysAt(socket, publics))
}

const agentShape = object({
  logKey: logKeyShape,
  nodeKey: signingKeyShape,
  socket: text({ min: 1, max: 107 }),
  type: literal("comity/agent/v1"),
})

/**
 * Hands node key and log key to an agent: once `keep` has put them away for it, they leave the key file and
 * the database here.
 *
 * @throws `key.unavailable`
 */
export async function moveToAgent(
  context: Context,
  socket: string,
  own: Unlocking,
  agents: Unlocking,
  keep: (sealed: Uint8Array) => Promise<void>,
): Promise<void> {
  const { db, env, keys } = context
  const { node, log } = keys
  if ("sign" in node || "sign" in log)
    throw new NodeError("key.unavailable", "These keys are with an agent already.")
  const state = await logOf(db, context.self.id)
  if (state === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const random = (bytes: number) => env.random(bytes)
  await keep(await sealAgentKeys({ origin: state.origin, node, log }, agents, random))
  const publics = { logKey: publicLogKey(log), nodeKey: publicSigningKey(node) }
  const away = { ...keys, ...keysAt(socket, publics) }
  const kept = await sealKeyFileContent(storeNodeKeys(away), own, random)
  env.files.write(names.agent, encodeCanonical({ ...publics, socket, type: "comity/agent/v1" }))
  env.files.write(names.keys, kept)
  await writeStoredKeys(db, away)
  await writeStoredKeys(db, away, "proposed")
  await truncateWal(db)
  context.keys = away
}

/** Whether root keys still lie in the home, where a thief of the server finds them. */
export function hasRootKeys(files: Files): boolean {
  return files.list(names.rootKeys).length > 0
}

const officerKeyShape = object({
  member: optional(hex(32)),
  officer: officerShape,
  seed: hex(32),
  type: literal("comity/officer-key/v1"),
})

/** An officer's key from the home of this machine. @throws `officer.unknown`, `key.unavailable` */
export function readOfficerKey(
  files: Files,
  person: string,
  unlocking: Unlocking,
): Promise<OfficerKey> {
  return openOfficerKey(readOfficerFile(files, person), unlocking)
}

/** The pseudonyms whose keys lie in this home. */
export function officersHere(files: Files): readonly string[] {
  return files
    .list(names.officers)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
}

/** The key file, closed. @throws `officer.unknown` */
export function readOfficerFile(files: Files, person: string): Uint8Array {
  const bytes = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(person) ? files.read(officerFile(person)) : null
  if (bytes !== null) return bytes
  const known = officersHere(files)
  throw new NodeError(
    "officer.unknown",
    `There is no key of an officer ${JSON.stringify(person)} here.`,
    {
      hint:
        known.length === 0
          ? "Officers' keys lie on their own machines: comity order export ORDER -o FILE."
          : `Keys here: ${known.join(", ")}.`,
    },
  )
}

/** @throws `key.unavailable` */
export async function openOfficerKey(bytes: Uint8Array, unlocking: Unlocking): Promise<OfficerKey> {
  const content = await openKeyFileContent(bytes, unlocking)
  const { officer, seed, member } = decodeShape(officerKeyShape, content, "key.malformed")
  return { officer, seed: decodeHex(seed), ...(member === undefined ? {} : { member }) }
}

/** @throws `key.unavailable` for an empty passphrase */
export function sealOfficerKey(
  { officer, seed, member }: OfficerKey,
  unlocking: Unlocking,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const content = {
    officer,
    seed: encodeHex(seed),
    type: "comity/officer-key/v1",
    ...(member === undefined ? {} : { member }),
  }
  return sealKeyFileContent(content, unlocking, random)
}

/** Where the key of an officer lies in the home of this machine. */
export function officerFile(person: string): string {
  return `${names.officers}/${person}.json`
}

const seenShape = object({
  epoch: integer(1, 1_000_000),
  member: hex(32),
  root: hex(32),
  rootVersion: integer(1, limits.rootVersions),
  size: integer(0, Number.MAX_SAFE_INTEGER),
  type: literal("comity/seen/v1"),
})

/** The newest that this machine's officers have seen of the member. */
export function readSeen(files: Files): Seen | null {
  const bytes = files.read(`${names.officers}/seen`)
  if (bytes === null) return null
  const { type: _, ...seen } = decodeShape(seenShape, ingest(bytes, 4096), "json.profile")
  return seen
}

export function writeSeen(files: Files, seen: Seen): void {
  files.write(`${names.officers}/seen`, encodeCanonical({ ...seen, type: "comity/seen/v1" }))
}
