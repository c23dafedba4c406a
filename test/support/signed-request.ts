import { expect } from "vitest"
import {
  type IncomingRequest,
  type RequestChecking,
  signRequest,
} from "../../node/http/message-signature.ts"
import { ed25519PublicKey, signEd25519 } from "../../protocol/crypto/sign.ts"
import { utf8 } from "../../protocol/encoding.ts"

export const seed = new Uint8Array(32).fill(7)
export const serverSeed = new Uint8Array(32).fill(8)
export const publicKey = ed25519PublicKey(seed)
export const serverKey = ed25519PublicKey(serverSeed)
export const from = "aa".repeat(32)
export const to = "bb".repeat(32)
export const keyid = "cc".repeat(32)
export const serverKeyid = "dd".repeat(32)
export const created = 1_790_000_000
export const nonce = "mFXTQ1sbRIOgk3VvS1nYzA"

export const refused = (code: string) => expect.objectContaining({ code })
export const withSeed = (secret: Uint8Array) => (message: Uint8Array) =>
  signEd25519(message, secret)

/** A request of `from` to `to`, signed with `seed`. */
export async function signed(
  options: { url?: string; method?: string; body?: string; created?: number } = {},
): Promise<IncomingRequest> {
  const url = new URL(options.url ?? "https://borduria.example/feed?feed=0f&after=3&size=9")
  const { method = "GET" } = options
  const headers = new Headers()
  const body = utf8(options.body ?? "")
  const signing = { from, to, keyid, sign: withSeed(seed), nonce }
  await signRequest(
    { method, url, headers, body },
    { ...signing, created: options.created ?? created },
  )
  return { method, authority: url.host, path: url.pathname, query: url.search, headers, body }
}

export const checking: RequestChecking = {
  now: created + 10,
  ownId: to,
  ownAuthorities: ["borduria.example"],
  keyOf: (member, kid) => (member === from && kid === keyid ? publicKey : null),
}
