import { encodeCanonical, ingest, type Json } from "../protocol/canonical.ts"
import { decodeHex, encodeHex } from "../protocol/encoding.ts"
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
import type { Config, Context } from "./context.ts"
import type { Env, Files } from "./env.ts"
import { NodeError } from "./errors.ts"
import { databaseName } from "./files.ts"
import { type Founding, foundMember, type OfficerKey, type RootPair } from "./found.ts"
import { loadNodeKeys, type NodeKeys, type StoredKeys, storeNodeKeys } from "./keys.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keystore.ts"
import { createNode, prepareCrypto, storeFounded } from "./node.ts"
import { type Identity, identityOf } from "./peers.ts"

/**
 * A member's home: what lies in which file. The database holds what the node knows, encrypted under a
 * key in `keys.json`; officers' and root keys lie beside it only until they are moved to where they belong.
 */
const names = {
  config: "comity.json",
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
  witnessHours: optional(integer(1, 8760)),
})

export type HomeConfig = Omit<Config, "home"> & { readonly cipher: "aegis" | "chacha20" }

/** Whether a member was founded here. */
export function hasMember(files: Files): boolean {
  return files.read(names.config) !== null
}

/** @throws `home.missing`, `config.invalid` */
export function readConfig(files: Files): HomeConfig {
  const bytes = files.read(names.config)
  if (bytes === null)
    throw new NodeError("home.missing", "There is no member in this home yet.", {
      hint: 'Found one: comity init --state XA --name "Authority XA"',
    })
  try {
    const { cadence, cipher, markings, onInconsistency, url, witnessHours } = decodeShape(
      configShape,
      JSON.parse(new TextDecoder().decode(bytes)),
      "json.profile",
    )
    return {
      cadence: cadence ?? null,
      cipher,
      markings,
      onInconsistency: onInconsistency ?? "wait",
      url: url ?? null,
      witnessHours: witnessHours ?? null,
    }
  } catch (cause) {
    throw new NodeError("config.invalid", `${names.config} is not as it should be.`, { cause })
  }
}

export function writeConfig(files: Files, config: HomeConfig): void {
  const { cadence, cipher, markings, onInconsistency, url, witnessHours } = config
  const fields = {
    cipher,
    markings,
    onInconsistency,
    type: "comity/home/v1",
    ...(cadence === null ? {} : { cadence }),
    ...(url === null ? {} : { url }),
    ...(witnessHours === null ? {} : { witnessHours }),
  }
  files.write(names.config, encodeCanonical(fields))
}

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
  if (files.read(names.config) !== null)
    throw new NodeError("home.exists", "There is a member in this home already.", {
      hint: "Choose another home with --home DIR; nothing was changed.",
    })
  if (files.read(names.keys) !== null)
    throw new NodeError("home.exists", "An earlier init in this home did not come to its end.", {
      hint: "No member was founded by it: empty the directory and begin again.",
    })
  prepareCrypto()
  const founded = await foundMember(env, founding)
  const seal = (content: Json) => sealKeyFileContent(content, unlocking, (n) => env.random(n))
  files.write(names.keys, await seal(storeNodeKeys(founded.keys)))
  for (const { officer, seed } of founded.officers) {
    const content = { officer, seed: encodeHex(seed), type: "comity/officer-key/v1" }
    files.write(`${names.officers}/${officer.person}.json`, await seal(content))
  }
  const rootFiles = founder.rootFiles ?? files
  const directory = founder.rootFiles === undefined ? `${names.rootKeys}/` : ""
  for (const [i, pair] of founded.rootPairs.entries())
    rootFiles.write(`${directory}root-${i + 1}.json`, await seal(storedPair(pair)))
  for (const [i, pair] of founded.nextPairs.entries())
    rootFiles.write(`${directory}next-${i + 1}.json`, await seal(storedPair(pair)))
  await storeFounded(env, founded)
  writeConfig(files, {
    cadence: null,
    cipher,
    markings: {},
    onInconsistency: "wait",
    url: founding.url ?? null,
    witnessHours: null,
  })
  return identityOf(founded.member)
}

function storedPair({ ed25519, mldsa65 }: RootPair): Json {
  return { ed25519: encodeHex(ed25519), mldsa65: encodeHex(mldsa65), type: "comity/root-key/v1" }
}

/** @throws `key.unavailable` before anything else is touched; as createNode */
export async function openHome(
  env: Env,
  unlocking: Unlocking,
  home: string | null = null,
): Promise<Context> {
  const config = readConfig(env.files)
  return createNode(env, await openHomeKeys(env.files, unlocking), { ...config, home })
}

/** @throws `key.unavailable` */
export async function openHomeKeys(files: Files, unlocking: Unlocking): Promise<NodeKeys> {
  const bytes = files.read(names.keys)
  if (bytes === null) throw new NodeError("key.unavailable", "The node's key file is missing.")
  return loadNodeKeys((await openKeyFileContent(bytes, unlocking)) as StoredKeys)
}

/** Whether a member was founded here, or a founding was begun. */
export function isHome(files: Files): boolean {
  return files.read(names.config) !== null || files.read(names.keys) !== null
}

/** What of a home goes into a backup beside its database and its key file, the configuration first. */
export function backedUpFiles(files: Files): readonly string[] {
  const officers = files.list(names.officers).map((name) => `${names.officers}/${name}`)
  return [names.config, ...officers]
}

/** A name that a backup may hold. */
export function isBackedUp(name: string): boolean {
  return (
    name === names.config ||
    name === databaseName ||
    /^officers\/[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)
  )
}

const rootKeyShape = object({
  ed25519: hex(32),
  mldsa65: hex(32),
  type: literal("comity/root-key/v1"),
})

/** The root keys that still lie in the home, present and next ones. @throws `key.unavailable` */
export async function readRootKeys(
  files: Files,
  unlocking: Unlocking,
): Promise<readonly RootPair[]> {
  const pairs: RootPair[] = []
  for (const name of files.list(names.rootKeys)) {
    const bytes = files.read(`${names.rootKeys}/${name}`)
    if (bytes === null) continue
    const content = await openKeyFileContent(bytes, unlocking)
    const { ed25519, mldsa65 } = decodeShape(rootKeyShape, content, "key.malformed")
    pairs.push({ ed25519: decodeHex(ed25519), mldsa65: decodeHex(mldsa65) })
  }
  return pairs
}

/** Whether root keys still lie in the home, where a thief of the server finds them. */
export function hasRootKeys(files: Files): boolean {
  return files.list(names.rootKeys).length > 0
}

const officerKeyShape = object({
  officer: officerShape,
  seed: hex(32),
  type: literal("comity/officer-key/v1"),
})

/** An officer's key from the home of this machine. @throws `officer.unknown`, `key.unavailable` */
export async function readOfficerKey(
  files: Files,
  person: string,
  unlocking: Unlocking,
): Promise<OfficerKey> {
  const known = files
    .list(names.officers)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
  const bytes = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(person)
    ? files.read(`${names.officers}/${person}.json`)
    : null
  if (bytes === null)
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
  return openOfficerKey(bytes, unlocking)
}

/** @throws `key.unavailable` */
export async function openOfficerKey(bytes: Uint8Array, unlocking: Unlocking): Promise<OfficerKey> {
  const content = await openKeyFileContent(bytes, unlocking)
  const { officer, seed } = decodeShape(officerKeyShape, content, "key.malformed")
  return { officer, seed: decodeHex(seed) }
}

const seenShape = object({
  member: hex(32),
  root: hex(32),
  size: integer(0, Number.MAX_SAFE_INTEGER),
  type: literal("comity/seen/v1"),
})

/** The newest checkpoint that this machine's officers have seen of the member's log. */
export function readSeen(files: Files) {
  const bytes = files.read(`${names.officers}/seen`)
  if (bytes === null) return null
  const { member, root, size } = decodeShape(seenShape, ingest(bytes, 4096), "json.profile")
  return { member, root, size }
}

export function writeSeen(
  files: Files,
  { member, root, size }: { member: string; root: string; size: number },
): void {
  files.write(
    `${names.officers}/seen`,
    encodeCanonical({ member, root, size, type: "comity/seen/v1" }),
  )
}
