import { decodeBase64url, decodeUtf8, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { kidOf } from "../../protocol/member/key.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import {
  memberById,
  newestRootDigest,
  readMeta,
  servedPeer,
  writeMeta,
} from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import {
  type RequestHead,
  readRequest,
  type VerifiedRequest,
  verifyBody,
  verifyClaim,
} from "./message-signature.ts"
import { readBody } from "./read-body.ts"

/**
 * Who asks: a peer whose node key signed the head of the request, for the first time. Until that is
 * known no body is read and no chain of root documents verified, and nobody can tell by the answer,
 * or by waiting for it, who our peers are.
 */

export type Asker = {
  /** member id */
  readonly peer: string
  readonly query: URLSearchParams
  readonly verified: VerifiedRequest
  /** what the body will have at most */
  readonly bodyBytes: number
  /** The body that the head was signed for. @throws `http.too-large`, `http.malformed`, `http.signature` */
  body(): Promise<Uint8Array>
}

/** Null for anyone but a peer, replays included. */
export type Identify = (request: Request) => Promise<Asker | null>

export function peerAuth(context: Context, ownAuthorities: readonly string[]): Identify {
  const { db, env, self } = context
  const keyOf = nodeKeys(db)

  /** @throws `http.*` for a stranger */
  async function verify(request: Request): Promise<Asker> {
    const now = Math.floor(env.clock.now() / 1000)
    const claim = readRequest(headOf(request), { now, ownId: self.id, ownAuthorities })
    const peer = await servedPeer(db, claim.from)
    // A stranger's claim is held against our own key: it costs the same, and is refused whatever it gives.
    const key = await keyOf(peer?.member ?? self.id)
    const verified = verifyClaim(claim, key?.bytes ?? null)
    if (peer === null || key?.kid !== claim.keyid) throw new ProtocolError("http.signature")
    const query = new URL(request.url).searchParams
    const bodyBytes = Math.min(announced(request), limits.requestBytes)
    const asker = { peer: peer.member, query, verified, bodyBytes }
    try {
      if (await isReplayed(db, verified, now)) throw new ProtocolError("http.replayed")
    } catch (cause) {
      if (!(cause instanceof NodeError)) throw cause
      // It is a peer, and our own disk that could not note it: that is not answered as to a stranger.
      return { ...asker, body: () => Promise.reject(cause) }
    }
    return { ...asker, body: () => signedBody(request) }
  }

  return async (request) => {
    try {
      return await verify(request)
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      // Strangers are not noted, or they could fill the journal; a peer may have a wrong clock.
      const claimed = request.headers.get("comity-from") ?? ""
      if ((await servedPeer(db, claimed)) !== null)
        env.log.warn("http.stranger", { claimed, code: cause.code })
      return null
    }
  }
}

function headOf({ headers, method, url }: Request): RequestHead {
  // A Host field can make an address of it that is none.
  if (!URL.canParse(url)) throw new ProtocolError("http.malformed", { detail: "host" })
  const { host, pathname: path, search: query } = new URL(url)
  return { method, authority: headers.get("host") ?? host, path, query, headers }
}

/** Bytes; one that comes in chunks may be as long as any. */
function announced({ body, headers }: Request): number {
  if (body === null) return 0
  const length = headers.get("content-length") ?? ""
  return /^\d+$/.test(length) ? Number(length) : limits.requestBytes
}

async function signedBody(request: Request): Promise<Uint8Array> {
  if (announced(request) > limits.requestBytes) throw new ProtocolError("http.too-large")
  const body = await readBody(request.body, limits.requestBytes).catch((cause: unknown) => {
    throw cause instanceof ProtocolError ? cause : new ProtocolError("http.malformed", { cause })
  })
  verifyBody(request.headers, body)
  return body
}

type NodeKey = { readonly root: string; readonly kid: string; readonly bytes: Uint8Array }

/** The node key of a member's newest root document; the chain is verified once for each newest. */
function nodeKeys(db: Db): (member: string) => Promise<NodeKey | null> {
  const known = new Map<string, NodeKey>()
  return async (id) => {
    const root = await newestRootDigest(db, id)
    if (root === null) return null
    const held = known.get(id)
    if (held?.root === root) return held
    const member = await memberById(db, id)
    if (member === null) return null
    const { nodeKey } = newestRoot(member).payload
    const key = { root, kid: kidOf(nodeKey), bytes: decodeBase64url(nodeKey.ed25519) }
    known.set(id, key)
    return key
  }
}

/**
 * Notes the nonce until it expires; true when it was noted before, also before a restart. What expires
 * no later than one that was forgotten counts as noted: a clock that ran ahead made us forget it, and
 * has been set back.
 */
async function isReplayed(db: Db, verified: VerifiedRequest, now: number): Promise<boolean> {
  const { keyid, nonce, created, expires } = verified
  const past = now - 120
  return db.transaction().execute(async (trx) => {
    const { last } = await trx
      .selectFrom("nonce")
      .select((eb) => eb.fn.max("expires").as("last"))
      .where("expires", "<", past)
      .executeTakeFirstOrThrow()
    if (last !== null) {
      await trx.deleteFrom("nonce").where("expires", "<", past).execute()
      await writeMeta(
        trx,
        forgottenName,
        utf8(String(Math.max(last, await secondsOf(trx, forgottenName)))),
      )
    }
    const noted = await trx
      .insertInto("nonce")
      .values({ keyid, nonce, expires })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return (
      noted.numInsertedOrUpdatedRows !== 1n ||
      expires <= (await secondsOf(trx, forgottenName)) ||
      created < (await secondsOf(trx, earliestName))
    )
  })
}

/**
 * For a database of an earlier time: what was answered since is noted nowhere, so a request that was signed
 * before this second counts as answered. docs/decisions/0028
 */
export async function refuseEarlierRequests({
  db,
  env,
}: Pick<Context, "db" | "env">): Promise<void> {
  await writeMeta(db, earliestName, utf8(String(Math.floor(env.clock.now() / 1000))))
}

const earliestName = "requests-since"
const forgottenName = "nonces-forgotten"

async function secondsOf(db: Db, name: string): Promise<number> {
  const value = await readMeta(db, name)
  return value === null ? 0 : Number(decodeUtf8(value))
}
