import { proposeRoot, publishRoot, type RootChanges } from "../../node/authority/amend.ts"
import { readProposal, signProposal } from "../../node/authority/ceremony.ts"
import { proposeWitnesses } from "../../node/authority/name-witnesses.ts"
import { logSigners, witnessSigners } from "../../node/keys/keys.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { inbox } from "../../node/reading/records.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { signCheckpoint } from "../../protocol/log/checkpoint.ts"
import { signCosignature } from "../../protocol/log/cosignature.ts"
import { leafHash } from "../../protocol/log/merkle.ts"
import {
  formatNote,
  formatSignatures,
  parseNote,
  parseSignatures,
} from "../../protocol/log/note.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { practiceText, signedAnswer, takeOver } from "./hostile.ts"
import { authoriseAndPublish, type TestNetwork, type TestNode } from "./network.ts"

/** Members that name one another as witnesses, and those among them that do not do what they should. */

/** The next version of the root document, signed by the keys of founding and published. */
export async function amend(node: TestNode, changes: RootChanges) {
  return publishProposal(node, await proposeRoot(node.context, changes))
}

export async function nameWitnesses(
  node: TestNode,
  change: Parameters<typeof proposeWitnesses>[1],
) {
  const { proposal } = await proposeWitnesses(node.context, change)
  return publishProposal(node, proposal)
}

async function publishProposal(node: TestNode, proposal: Uint8Array) {
  const read = readProposal(proposal)
  const lines = await Promise.all(node.founded.rootPairs.map((pair) => signProposal(read, pair)))
  return publishRoot(node.context, proposal, lines.flat())
}

export async function release(node: TestNode, title: string, ...to: readonly string[]) {
  const { record } = await addDraft(node.context, practiceText(title))
  const { orders } = await requestRelease(node.context, { records: [record], to })
  const [published] = await authoriseAndPublish(node, orders)
  return { record, ...published! }
}

export async function verdictOf(node: TestNode, record: string): Promise<string | undefined> {
  return (await inbox(node.context)).records.find((row) => row.record === record)?.verdict
}

/** Both lines of this node as a witness over any checkpoint, at any time but 0. */
export async function linesOf(node: TestNode, note: string, timestamp: number): Promise<string> {
  const { name } = newestRoot(node.context.self).payload.witnessKey
  const signers = witnessSigners(node.context.keys, name)
  return formatSignatures(
    await Promise.all(signers.map((signer) => signCosignature(note, timestamp, signer))),
  )
}

/** Signed by the log, cosigned by its witness: of a tree that the log does not have. */
export async function cosignedTree(
  log: TestNode,
  witness: TestNode,
  size: number,
  note: string,
  now: number,
): Promise<string> {
  const [origin = ""] = note.split("\n", 1)
  const root = leafHash(utf8("another tree"))
  const signed = await signCheckpoint({ origin, size, root }, logSigners(log.context.keys, origin))
  const { text, signatures } = parseNote(signed)
  const lines = parseSignatures(await linesOf(witness, signed, now))
  return formatNote(text, [...signatures, ...lines])
}

/** In place of what the witness would answer to a checkpoint. */
export function answerCheckpoints(
  net: TestNetwork,
  witness: TestNode,
  answer: (checkpoint: string) => Promise<{ status?: number; type?: string; text: string }>,
): Disposable {
  return takeOver(net, witness, async (request, honest) => {
    if (new URL(request.url).pathname !== "/add-checkpoint") return honest(request)
    const body = await request.text()
    const {
      status = 200,
      type = "text/plain; charset=utf-8",
      text,
    } = await answer(body.slice(body.indexOf("\n\n") + 2))
    return signedAnswer(witness, request, { status, type, body: utf8(text) })
  })
}
