import { proposeRoot, publishRoot, type RootChanges } from "../../node/authority/amend.ts"
import {
  assembleRoot,
  decodeProposal,
  readProposal,
  signProposal,
} from "../../node/authority/ceremony.ts"
import { publicRootKey, type RootPair } from "../../node/authority/found.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { memberById } from "../../node/store/queries/members.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { practiceText } from "./hostile.ts"
import { authoriseAndPublish, type TestNode } from "./network.ts"

/** A ceremony in one go: proposed by the node, signed by these pairs, logged by the node. */
export async function amend(
  node: TestNode,
  changes: RootChanges,
  pairs: readonly RootPair[] = node.founded.rootPairs,
) {
  const proposal = await proposeRoot(node.context, changes)
  return publishRoot(node.context, proposal, await signedBy(proposal, pairs))
}

/** The same, in the hands of people: the node that proposed it never gets it back. */
export async function documentOf(
  node: TestNode,
  changes: RootChanges,
  pairs: readonly RootPair[] = node.founded.rootPairs,
): Promise<Uint8Array> {
  const proposal = await proposeRoot(node.context, changes)
  return assembleRoot(readProposal(proposal), await signedBy(proposal, pairs)).document
}

export async function signedBy(proposal: Uint8Array, pairs: readonly RootPair[]) {
  const read = decodeProposal(proposal)
  return (await Promise.all(pairs.map((pair) => signProposal(read, pair)))).flat()
}

export async function release(node: TestNode, title: string, to: string) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to: [to] })
  const [published] = await authoriseAndPublish(node, orders)
  return { record, index: published!.index }
}

export async function knownVersion(node: TestNode, of: TestNode): Promise<number> {
  const member = await memberById(node.context.db, of.context.self.id)
  return newestRoot(member!).payload.version
}

export function keySet(pairs: readonly RootPair[], threshold = 1) {
  return { rootKeys: pairs.map(publicRootKey), threshold }
}

/** Root keys put a line for releases to everybody into the policy. */
export async function allowPublic(node: TestNode, persons = 2): Promise<void> {
  const { policy } = newestRoot(node.context.self).payload
  const line = { act: "release", kind: "any", profile: "any", role: "any", persons } as const
  await amend(node, { fields: { policy: [...policy, { ...line, when: "public" }] } })
}
