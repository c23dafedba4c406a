import { expect } from "vitest"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import {
  ed25519PublicKey,
  mlDsaPublicKey,
  signEd25519,
  signMlDsa,
} from "../../../protocol/crypto/sign.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import type { Witness } from "../../../protocol/log/cosignature.ts"
import { logOrigin } from "../../../protocol/log/entry.ts"
import { leafHash } from "../../../protocol/log/merkle.ts"
import {
  formatNote,
  type NoteAlgorithm,
  type NoteSigner,
  parseNote,
  signText,
} from "../../../protocol/log/note.ts"

export const refused = (code: string) => expect.objectContaining({ code })

/** Laws run 10 times, or 1,000 with SLOW=1. */
export const runs = { numRuns: process.env.SLOW === undefined ? 10 : 1000 }

export function signer(name: string, algorithm: NoteAlgorithm, seedText = name): NoteSigner {
  const seed = sha256(utf8(`${seedText} ${algorithm}`))
  return algorithm === 0x06
    ? {
        name,
        algorithm,
        publicKey: mlDsaPublicKey(44, seed),
        sign: (message) => signMlDsa(44, message, seed),
      }
    : {
        name,
        algorithm,
        publicKey: ed25519PublicKey(seed),
        sign: async (message) => signEd25519(message, seed),
      }
}

export const origin = logOrigin("training", "ab".repeat(32), 1)
export const logSigners = [signer(origin, 0x01), signer(origin, 0x06)] as const
export const logKey = { ed25519: logSigners[0].publicKey, mldsa44: logSigners[1].publicKey }

export type TestWitness = Witness & { readonly signers: readonly [NoteSigner, NoteSigner] }

export function witness(name: string): TestWitness {
  const signers = [signer(name, 0x04), signer(name, 0x06)] as const
  return { name, ed25519: signers[0].publicKey, mldsa44: signers[1].publicKey, signers }
}

/** The note with one more line for each signer, at this time. */
export async function cosigned(
  note: string,
  signers: readonly NoteSigner[],
  timestamp: number,
): Promise<string> {
  const { text, signatures } = parseNote(note)
  const added = await Promise.all(signers.map((s) => signText(text, s, timestamp)))
  return formatNote(text, [...signatures, ...added])
}

export const leaves: readonly Uint8Array[] = Array.from({ length: 300 }, (_, i) =>
  leafHash(utf8(`leaf ${i}`)),
)

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice()
  flipped[bit >> 3]! ^= 1 << (bit & 7)
  return flipped
}
