import type { Proposal } from "../node/authority/ceremony.ts"
import type { RootKey } from "../protocol/member/key.ts"
import type { CliContext } from "./context.ts"
import { readFileArgument } from "./file-argument.ts"
import type { Output } from "./output.ts"

/** Files of a root ceremony, as commands on any of its machines read and show them. */

export async function readProposalFile(context: CliContext, file: string) {
  const { maxProposalBytes, readProposal } = await import("../node/authority/ceremony.ts")
  const { prepareCrypto } = await import("../node/node.ts")
  prepareCrypto()
  const bytes = await readFileArgument(file, maxProposalBytes, context.stdin)
  return { bytes, proposal: readProposal(bytes) }
}

/** What its signers will see. */
export async function printProposal(
  output: Output,
  proposal: Proposal,
  { isShown, file }: { readonly isShown: boolean; readonly file?: string },
): Promise<void> {
  const { describeChanges, signersOf } = await import("../node/authority/ceremony.ts")
  const { sha256 } = await import("../protocol/crypto/hash.ts")
  const { encodeHex } = await import("../protocol/encoding.ts")
  const { wordsOf } = await import("../protocol/words.ts")
  const { root, memberId, payload } = proposal
  const changes = describeChanges(proposal)
  const digest = encodeHex(sha256(payload))
  output.document({
    member: memberId,
    words: wordsOf(memberId),
    network: root.network,
    version: root.version,
    digest,
    changes,
    signers: signersOf(proposal),
    ...(file === undefined ? {} : { file }),
  })
  const say = (text: string) => (isShown ? output.line(text) : output.note(text))
  say(`${root.name} (${root.state}), network ${root.network}, root version ${root.version}`)
  say(`member    ${memberId}`)
  say(`words     ${wordsOf(memberId)}`)
  say(`proposal  ${wordsOf(digest)}`)
  for (const change of changes) say(`  ${change}`)
  for (const { kids, threshold } of signersOf(proposal))
    say(`signatures: ${threshold} of ${kids.map((kid) => kid.slice(0, 8)).join(", ")}`)
}

export async function publicKeys(
  context: CliContext,
  files: readonly string[],
): Promise<readonly RootKey[]> {
  const { decodePublicRootKey } = await import("../node/keys/root-key.ts")
  const { prepareCrypto } = await import("../node/node.ts")
  prepareCrypto()
  const keys = []
  for (const file of files)
    keys.push(decodePublicRootKey(await readFileArgument(file, 64 * 1024, context.stdin)))
  return keys
}
