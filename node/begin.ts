import { encodeCanonical, ingest } from "../protocol/canonical.ts"
import { kemSizes } from "../protocol/crypto/kem.ts"
import { decodeBase64url, decodeHex, encodeBase64url, encodeHex } from "../protocol/encoding.ts"
import { limits } from "../protocol/limits.ts"
import { officerShape } from "../protocol/member/officer.ts"
import {
  base64url,
  day,
  decodeShape,
  hex,
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
import { assembleRoot, encodeProposal } from "./authority/ceremony.ts"
import { draftMember, type Founding, type KeySet, sealingKeyOf } from "./authority/found.ts"
import { type Identity, identityOf } from "./authority/peers.ts"
import type { Env, Files } from "./env.ts"
import { NodeError } from "./errors.ts"
import {
  assertEmpty,
  defaultConfig,
  type Founder,
  homeFiles,
  isBegun,
  writeConfig,
  writeFirstKeys,
} from "./home.ts"
import { loadNodeKeys, type NodeKeys, type StoredKeys } from "./keys/keys.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keys/keystore.ts"
import { prepareCrypto, storeFounded } from "./node.ts"

/**
 * A member whose root keys are elsewhere is founded in two steps: here keys are made and version 1 is worded,
 * and once enough of its root keys have signed that, it is a member.
 */

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
  await writeFirstKeys(env, founder, drafted, drafted.memberId)
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
  env.files.write(homeFiles.founding, sealed)
  const openings = drafted.officers.map(({ officer }) => officer)
  return encodeProposal(payload, null, openings)
}

export type Begun = ShapeOf<typeof foundingShape> & { readonly keys: NodeKeys }

/** @throws `home.missing`, `key.unavailable` */
export async function readBegun(files: Files, unlocking: Unlocking): Promise<Begun> {
  const [founding, keys] = [files.read(homeFiles.founding), files.read(homeFiles.keys)]
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
  const payload = encodeCanonical(begun.payload as object)
  const { member } = assembleRoot({ member: null, payload }, lines)
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
  writeConfig(env.files, { ...defaultConfig, cipher, url })
  env.files.remove(homeFiles.founding)
  return identityOf(member)
}
