import { encodeHex } from "../../protocol/encoding.ts"
import { signCheckpoint } from "../../protocol/log/checkpoint.ts"
import { signCosignature } from "../../protocol/log/cosignature.ts"
import { leafHash, proveConsistency, proveInclusion, treeRoot } from "../../protocol/log/merkle.ts"
import { formatNote, type NoteSigner, parseNote } from "../../protocol/log/note.ts"
import { formatTlogProof } from "../../protocol/log/tlog-proof.ts"
import type { Head } from "../../protocol/member/root.ts"
import { logSigners, type TestMember } from "./world.ts"

/** A member's log in memory: every entry, and all that can be signed or proven of it. */
export type TestLog = {
  readonly entries: readonly Uint8Array[]
  append(...entries: readonly Uint8Array[]): number
  root(size?: number): Uint8Array
  head(size?: number): Head
  /** signed by the log, then cosigned by these at the same time */
  checkpoint(size?: number, cosigners?: readonly NoteSigner[], at?: number): Promise<string>
  inclusion(index: number, size?: number): readonly Uint8Array[]
  consistency(size1: number, size2?: number): readonly Uint8Array[]
  /** tlog-proof of one entry under a checkpoint */
  proof(index: number, checkpoint: string, size?: number): string
}

export function testLog(member: TestMember): TestLog {
  const entries: Uint8Array[] = []
  const leaves = (size: number) => entries.slice(0, size).map(leafHash)
  const root = (size = entries.length) => treeRoot(leaves(size))
  const inclusion = (index: number, size = entries.length) => proveInclusion(leaves(size), index)
  return {
    entries,
    append: (...more) => entries.push(...more) - more.length,
    root,
    head: (size = entries.length) => ({
      epoch: member.root.epoch,
      root: encodeHex(root(size)),
      size,
    }),
    checkpoint: async (size = entries.length, cosigners = [], at = 1_795_000_000) => {
      const { origin } = member
      const note = await signCheckpoint({ origin, size, root: root(size) }, logSigners(member))
      return cosign(note, cosigners, at)
    },
    inclusion,
    consistency: (size1, size2 = entries.length) => proveConsistency(leaves(size2), size1, size2),
    proof: (index, checkpoint, size = entries.length) =>
      formatTlogProof({ index, proof: inclusion(index, size), checkpoint }),
  }
}

/** The note with a cosignature more by each of these. */
export async function cosign(
  note: string,
  signers: readonly NoteSigner[],
  at: number,
): Promise<string> {
  const { text, signatures } = parseNote(note)
  const more = await Promise.all(signers.map((signer) => signCosignature(note, at, signer)))
  return formatNote(text, [...signatures, ...more])
}
