import { encodeCanonical, ingest } from "../protocol/canonical.ts"
import { decodeHex, encodeHex } from "../protocol/encoding.ts"
import { limits } from "../protocol/limits.ts"
import { logKeyShape, signingKeyShape } from "../protocol/member/key.ts"
import { officerShape } from "../protocol/member/officer.ts"
import { markingShape } from "../protocol/record/marking.ts"
import {
  decodeShape,
  dictionary,
  hex,
  integer,
  literal,
  object,
  oneOf,
  optional,
  text,
} from "../protocol/shape.ts"
import {
  type Founded,
  type Founding,
  foundMember,
  type OfficerKey,
  publicRootKey,
  type RootPair,
} from "./authority/found.ts"
import type { Seen } from "./authority/officer.ts"
import { type Identity, identityOf } from "./authority/peers.ts"
import type { Config, Context } from "./context.ts"
import type { Env, Files } from "./env.ts"
import { NodeError } from "./errors.ts"
import { databaseName } from "./files.ts"
import { keysAt } from "./keys/agent-client.ts"
import { loadNodeKeys, type NodeKeys, type StoredKeys, storeNodeKeys } from "./keys/keys.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keys/keystore.ts"
import { encodePublicRootKey, openRootKey, sealRootKey } from "./keys/root-key.ts"
import { createNode, prepareCrypto, storeFounded } from "./node.ts"

/**
 * A member's home: what lies in which file. The database holds what the node knows, encrypted under a
 * key in `keys.json`; officers' and root keys lie beside it only until they are moved to where they belong.
 */
export const homeFiles = {
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
  cadence: optional(
    object({ entries: integer(2, 4096), everySeconds: integer(1, 31 * 24 * 3600) }),
  ),
  cipher: oneOf(["aegis", "chacha20"]),
  markings: dictionary(/^[A-Z:+]{1,32}$/, markingShape, 16),
  onInconsistency: optional(oneOf(["wait", "note"])),
  type: literal("comity/home/v1"),
  url: optional(text({ min: 1, max: 512 })),
  verify: optional(object({ directions: integer(1, 2), officers: integer(1, 2) })),
  witnessHours: optional(integer(1, 8760)),
})

export type HomeConfig = Omit<Config, "home"> & { readonly cipher: "aegis" | "chacha20" }

/** Whether a member was founded here. */
export function hasMember(files: Files): boolean {
  return files.read(homeFiles.config) !== null
}

/** @throws `home.missing`, `config.invalid` */
export function readConfig(files: Files): HomeConfig {
  const bytes = files.read(homeFiles.config)
  if (bytes === null)
    throw new NodeError("home.missing", "There is no member in this home yet.", {
      hint: 'Found one: comity init --state XA --name "Authority XA"',
    })
  try {
    const { cadence, cipher, markings, onInconsistency, url, verify, witnessHours } = decodeShape(
      configShape,
      JSON.parse(new TextDecoder().decode(bytes)),
      "json.profile",
    )
    return {
      cadence: cadence ?? null,
      cipher,
      markings,
      onInconsistency: onInconsistency ?? defaultConfig.onInconsistency,
      url: url ?? null,
      verify: verify ?? byOneOfficer,
      witnessHours: witnessHours ?? null,
    }
  } catch (cause) {
    throw new NodeError("config.invalid", `${homeFiles.config} is not as it should be.`, { cause })
  }
}

export function writeConfig(files: Files, config: HomeConfig): void {
  const { cadence, cipher, markings, onInconsistency, url, verify, witnessHours } = config
  const fields = {
    cipher,
    markings,
    onInconsistency,
    type: "comity/home/v1",
    ...(cadence === null ? {} : { cadence }),
    ...(url === null ? {} : { url }),
    verify,
    ...(witnessHours === null ? {} : { witnessHours }),
  }
  files.write(homeFiles.config, encodeCanonical(fields))
}

const byOneOfficer = { directions: 1, officers: 1 }

/** What a home is configured to until somebody says otherwise. */
export const defaultConfig = {
  cadence: null,
  markings: {},
  onInconsistency: "wait",
  verify: byOneOfficer,
  witnessHours: null,
} as const

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
  await writeFirstKeys(env, founder, founded, founded.member.id)
  const rootFiles = founder.rootFiles ?? files
  const directory = founder.rootFiles === undefined ? `${homeFiles.rootKeys}/` : ""
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
  writeConfig(files, { ...defaultConfig, cipher, url: founding.url ?? null })
  return identityOf(founded.member)
}

/** @throws `home.exists` */
export function assertEmpty(files: Files): void {
  if (isBegun(files))
    throw new NodeError("home.exists", "A member begun here waits for its root keys to sign.", {
      hint: "comity key publish PROPOSAL SIGNATURE…, or empty the directory and begin again.",
    })
  if (files.read(homeFiles.config) !== null)
    throw new NodeError("home.exists", "There is a member in this home already.", {
      hint: "Choose another home with --home DIR; nothing was changed.",
    })
  if (files.read(homeFiles.keys) !== null)
    throw new NodeError("home.exists", "An earlier init in this home did not come to its end.", {
      hint: "No member was founded by it: empty the directory and begin again.",
    })
}

/** The node's keys, and those of the first officers. */
export async function writeFirstKeys(
  env: Env,
  { unlocking }: Pick<Founder, "unlocking">,
  { keys, officers }: Pick<Founded, "keys" | "officers">,
  member: string,
): Promise<void> {
  const random = (bytes: number) => env.random(bytes)
  env.files.write(homeFiles.keys, await sealKeyFileContent(storeNodeKeys(keys), unlocking, random))
  for (const key of officers)
    env.files.write(
      officerFile(key.officer.person),
      await sealOfficerKey({ ...key, member }, unlocking, random),
    )
}

/** Whether a member begun here waits for the signatures of its root keys. */
export function isBegun(files: Files): boolean {
  return files.read(homeFiles.founding) !== null && files.read(homeFiles.config) === null
}

/** @throws `key.unavailable` before anything else is touched; as createNode */
export async function openHome(
  env: Env,
  unlocking: Unlocking,
  home: string | null = null,
): Promise<Context> {
  return createHomeNode(env, await openHomeKeys(env.files, unlocking), home)
}

/** The same with keys that were opened before: by then nothing of the home has been touched. */
export function createHomeNode(
  env: Env,
  keys: NodeKeys,
  home: string | null = null,
): Promise<Context> {
  return createNode(env, keys, { ...readConfig(env.files), home })
}

/** @throws `key.unavailable` */
export async function openHomeKeys(files: Files, unlocking: Unlocking): Promise<NodeKeys> {
  const bytes = files.read(homeFiles.keys)
  if (bytes === null) throw new NodeError("key.unavailable", "The node's key file is missing.")
  const stored = (await openKeyFileContent(bytes, unlocking)) as StoredKeys
  const agent = files.read(homeFiles.agent)
  if (agent === null) return loadNodeKeys(stored)
  const { socket, ...publics } = decodeShape(agentShape, ingest(agent, 16 * 1024), "json.profile")
  return loadNodeKeys(stored, keysAt(socket, publics))
}

/** Whether a member was founded here, or a founding was begun. */
export function isHome(files: Files): boolean {
  return files.read(homeFiles.config) !== null || files.read(homeFiles.keys) !== null
}

/** What of a home goes into a backup beside its database and its key file, the configuration first. */
export function backedUpFiles(files: Files): readonly string[] {
  const officers = files.list(homeFiles.officers).map((name) => `${homeFiles.officers}/${name}`)
  const agent = files.read(homeFiles.agent) === null ? [] : [homeFiles.agent]
  return [homeFiles.config, ...agent, ...officers]
}

/** A name that a backup may hold. */
export function isBackedUp(name: string): boolean {
  return (
    name === homeFiles.config ||
    name === homeFiles.agent ||
    name === databaseName ||
    /^officers\/[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)
  )
}

const agentShape = object({
  logKey: logKeyShape,
  nodeKey: signingKeyShape,
  socket: text({ min: 1, max: 107 }),
  type: literal("comity/agent/v1"),
})

/** The root keys that still lie in the home, present and next ones. @throws `key.unavailable` */
export async function readRootKeys(
  files: Files,
  unlocking: Unlocking,
): Promise<readonly RootPair[]> {
  const pairs: RootPair[] = []
  for (const name of files.list(homeFiles.rootKeys)) {
    const bytes = files.read(`${homeFiles.rootKeys}/${name}`)
    if (bytes !== null && name.endsWith(".json")) pairs.push(await openRootKey(bytes, unlocking))
  }
  return pairs
}

/** Whether root keys still lie in the home, where a thief of the server finds them. */
export function hasRootKeys(files: Files): boolean {
  return files.list(homeFiles.rootKeys).length > 0
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
    .list(homeFiles.officers)
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
  return `${homeFiles.officers}/${person}.json`
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
  const bytes = files.read(`${homeFiles.officers}/seen`)
  if (bytes === null) return null
  const { type: _, ...seen } = decodeShape(seenShape, ingest(bytes, 4096), "json.profile")
  return seen
}

export function writeSeen(files: Files, seen: Seen): void {
  files.write(`${homeFiles.officers}/seen`, encodeCanonical({ ...seen, type: "comity/seen/v1" }))
}
