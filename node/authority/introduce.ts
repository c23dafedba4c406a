import { introduction } from "../../protocol/profiles/introduction.ts"
import { wordsOf } from "../../protocol/words.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { addDraft } from "../order/drafts.ts"
import { type Requested, requestRelease } from "../order/release.ts"
import { assertVerified, findPeer } from "./peers.ts"

/**
 * An introduction is a record like any other, released by officers: that we have compared the words of one
 * member, told to another. Whoever gets it knows whom to call; nothing is shared because of it.
 */

/** @throws `peer.unverified` for one whose words we have not compared; as requestRelease */
export async function introduce(
  context: Context,
  name: string,
  options: { readonly to: readonly string[]; readonly replaces?: string },
): Promise<Requested> {
  const peer = await findPeer(context, name)
  assertVerified(peer)
  const { to, replaces } = options
  if (replaces !== undefined && !/^[0-9a-f]{64}$/.test(replaces))
    throw new NodeError(
      "request.malformed",
      "The member that is replaced is named by its whole id.",
    )
  const matter = [
    "title: Introduction of a member of this network",
    `profile: ${introduction.id}`,
    "kind: introduction",
    "language: en",
    `member: "${peer.member}"`,
    ...(replaces === undefined ? [] : [`replaces: "${replaces}"`]),
  ]
  const text = `We have compared these words with that member by another way: ${wordsOf(peer.member)}.`
  const { record } = await addDraft(context, `---\n${matter.join("\n")}\n---\n${text}\n`)
  return requestRelease(context, { records: [record], to })
}
