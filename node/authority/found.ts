import { encodeCanonical } from "../../protocol/canonical.ts"
import { hkdfSha256 } from "../../protocol/crypto/hash.ts"
import { kemKeyPair, kemSizes } from "../../protocol/crypto/kem.ts"
import {
  ed25519PublicKey,
  mlDsaPublicKey,
  signEd25519,
  signMlDsa,
} from "../../protocol/crypto/sign.ts"
import { encodeBase64url, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { kidOf, type RootKey, sortRootKeys } from "../../protocol/member/key.ts"
import type { KeysPayload } from "../../protocol/member/keys.ts"
import { officerDigest } from "../../protocol/member/officer.ts"
import {
  encodeRoot,
  type Member,
  memberId,
  nextDigest,
  type Root,
  verifyRoots,
} from "../../protocol/member/root.ts"
import { builtInProfiles } from "../../protocol/profiles/registry.ts"
import type { Marking } from "../../protocol/record/marking.ts"
import { encodeSigned, type SignatureLine, signLine } from "../../protocol/signed.ts"
import { dayOf } from "../context.ts"
import type { Env } from "../env.ts"
import {
  makeNodeKeys,
  type NodeKeys,
  nodeKid,
  nodeSigner,
  publicLogKey,
  publicSigningKey,
} from "../keys/keys.ts"
import type { Enrolled } from "../store/queries/officers.ts"

/** What `init` asks for. */
export type Founding = {
  readonly network: string
  readonly state: string
  readonly name: string
  readonly kind: Root["kind"]
  readonly officers: readonly {
    readonly person: string
    readonly organisation?: string
    readonly roles: readonly string[]
  }[]
  /** distinct persons for every act; default min(2, officers) */
  readonly approvals?: number
  /** every line of it, in place of `approvals` */
  readonly policy?: Root["policy"]
  readonly rootKeys: number
  readonly rootThreshold: number
  readonly ceiling?: Marking
  readonly url?: string
}

/** 32-byte seeds of one root pair; nothing but a root ceremony ever needs them again. */
export type RootPair = { readonly ed25519: Uint8Array; readonly mldsa65: Uint8Array }
export type OfficerKey = Enrolled & {
  readonly seed: Uint8Array
  /** whose officer: the machine signs for no other member; absent in keys of a first trial */
  readonly member?: string
}

export type Founded = {
  readonly member: Member
  readonly rootDocument: Uint8Array
  readonly keysDocument: Uint8Array
  readonly kem: { readonly seed: Uint8Array; readonly notBefore: string; readonly notAfter: string }
  readonly keys: NodeKeys
  readonly rootPairs: readonly RootPair[]
  /** the pairs that the pre-rotation digest `next` commits to */
  readonly nextPairs: readonly RootPair[]
  readonly officers: readonly OfficerKey[]
}

const dayMs = 86_400_000
/** PROTOCOL.md §1: KEM keys live at most 60 days. */
const kemDays = 60
const rootYears = 3

/** A member whose root document nobody has signed yet. */
export type Drafted = Pick<Founded, "keysDocument" | "kem" | "keys" | "officers"> & {
  readonly payload: Root
  readonly memberId: string
}

/** Public halves of root keys, and how many of them must sign. */
export type KeySet = { readonly rootKeys: readonly RootKey[]; readonly threshold: number }

/** A new member: its keys, root document version 1 and first keys document, nothing stored yet. */
export async function foundMember(env: Env, founding: Founding): Promise<Founded> {
  const rootPairs = makePairs(env, founding.rootKeys)
  const nextPairs = makePairs(env, founding.rootKeys)
  const threshold = founding.rootThreshold
  const drafted = await draftMember(
    env,
    founding,
    { rootKeys: rootPairs.map(publicRootKey), threshold },
    { rootKeys: sortRootKeys(nextPairs.map(publicRootKey)), threshold },
  )
  const rootDocument = await signRoot(drafted.payload, rootPairs)
  const { payload: _, memberId: _id, ...rest } = drafted
  return { ...rest, member: verifyRoots([rootDocument]), rootDocument, rootPairs, nextPairs }
}

/** The same for root keys that are elsewhere: version 1 waits for their signatures. */
export async function draftMember(
  env: Env,
  founding: Omit<Founding, "rootKeys" | "rootThreshold">,
  root: KeySet,
  next: KeySet,
): Promise<Drafted> {
  const keys = makeNodeKeys((bytes) => env.random(bytes))
  const officers = founding.officers.map((officer) =>
    makeOfficerKey(env, { ...officer, organisation: officer.organisation ?? founding.name }),
  )
  const now = env.clock.now()
  const payload: Root = {
    ceiling: founding.ceiling ?? "TLP:AMBER+STRICT",
    epoch: 1,
    expires: dayOf(now + rootYears * 365 * dayMs),
    kind: founding.kind,
    logKey: publicLogKey(keys.log),
    name: founding.name,
    network: founding.network,
    next: nextDigest(next.rootKeys, next.threshold),
    nodeKey: publicSigningKey(keys.node),
    officers: officers.map(({ officer }) => officerDigest(officer)).sort(),
    policy: founding.policy ?? [
      {
        act: "any",
        kind: "any",
        persons: founding.approvals ?? Math.min(2, officers.length),
        profile: "any",
        role: "any",
      },
    ],
    profiles: builtInProfiles.map(({ digest }) => digest).sort(),
    quorum: 0,
    revoked: [],
    rootKeys: root.rootKeys,
    state: founding.state,
    threshold: root.threshold,
    type: "comity/root/v1",
    version: 1,
    witnessKey: { ...publicLogKey(keys.witness), name: witnessName(env) },
    witnesses: [],
  }
  const id = memberId(encodeRoot(payload))
  const kem = makeKemKey(env)
  const keysDocument = await signKeys(keys, {
    card: {},
    kem: [publicKemKey(kem)],
    member: id,
    network: founding.network,
    rootVersion: 1,
    type: "comity/keys/v1",
    urls: founding.url === undefined ? [] : [founding.url],
  })
  return { payload, memberId: id, keysDocument, kem, keys, officers }
}

/** A witness's key name is its own choice; a random one ties it to no member before its root does. */
function witnessName(env: Env): string {
  return `witness-${encodeHex(env.random(8))}`
}

function makePairs(env: Env, count: number): readonly RootPair[] {
  return Array.from({ length: count }, () => ({
    ed25519: env.random(32),
    mldsa65: env.random(32),
  }))
}

export function publicRootKey(pair: RootPair): RootKey {
  return {
    ed25519: encodeBase64url(ed25519PublicKey(pair.ed25519)),
    mldsa65: encodeBase64url(mlDsaPublicKey(65, pair.mldsa65)),
  }
}

/** A key of an officer, made where it will stay. */
export function makeOfficerKey(
  env: Pick<Env, "random">,
  {
    person,
    organisation,
    roles,
  }: {
    readonly person: string
    readonly organisation: string
    readonly roles: readonly string[]
  },
): OfficerKey {
  const seed = env.random(32)
  const officer = {
    key: publicSigningKey(seed),
    organisation,
    person,
    roles,
    salt: encodeHex(env.random(32)),
  }
  return { officer, seed, sealingKey: sealingKeyOf(seed).publicKey }
}

/** The key to which register entries are sealed: from the same seed, for another purpose. */
export function sealingKeyOf(seed: Uint8Array): ReturnType<typeof kemKeyPair> {
  const info = utf8("comity/officer-sealing/v1")
  return kemKeyPair(hkdfSha256(seed, new Uint8Array(0), info, kemSizes.seed))
}

/** Two lines for each pair: it counts only if both verify. PROTOCOL.md §1 */
async function signRoot(payload: Root, pairs: readonly RootPair[]): Promise<Uint8Array> {
  const bytes = encodeRoot(payload)
  const lines: SignatureLine[] = []
  for (const pair of pairs) {
    const common = {
      kid: kidOf(publicRootKey(pair)),
      network: payload.network,
      typ: "comity-root+jws",
    }
    lines.push(
      await signLine({ alg: "Ed25519", ...common }, bytes, (m) => signEd25519(m, pair.ed25519)),
      await signLine({ alg: "ML-DSA-65", ...common }, bytes, (m) => signMlDsa(65, m, pair.mldsa65)),
    )
  }
  return encodeSigned(bytes, lines)
}

export function makeKemKey(env: Env): Founded["kem"] {
  const now = env.clock.now()
  // A day before and after for clocks that differ; within the 60 days of PROTOCOL.md §1.
  return {
    seed: env.random(32),
    notBefore: dayOf(now - dayMs),
    notAfter: dayOf(now + (kemDays - 2) * dayMs),
  }
}

export function publicKemKey(kem: Founded["kem"]): KeysPayload["kem"][number] {
  const key = encodeBase64url(kemKeyPair(kem.seed).publicKey)
  return { key, notAfter: kem.notAfter, notBefore: kem.notBefore }
}

export async function signKeys(keys: NodeKeys, payload: KeysPayload): Promise<Uint8Array> {
  const bytes = encodeCanonical(payload)
  const header = {
    alg: "Ed25519",
    kid: nodeKid(keys),
    network: payload.network,
    typ: "comity-keys+jws",
  } as const
  return encodeSigned(bytes, [await signLine(header, bytes, nodeSigner(keys))])
}
