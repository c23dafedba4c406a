import { limits } from "../../protocol/limits.ts"
import type { Context } from "../context.ts"
import { askPeer } from "../http/peer-client.ts"
import { readBody } from "../http/read-body.ts"
import type { Peer } from "../store/queries/members.ts"

/** A sealed object that did not ride along. */
export async function fetchSealed(
  context: Context,
  peer: Peer,
  digest: string,
  size: number,
): Promise<Uint8Array> {
  const answer = await askPeer(context, peer, {
    method: "GET",
    path: `/sealed/${digest}`,
    maxBytes: limits.requestBytes,
  })
  return readBody(answer.body, size)
}
