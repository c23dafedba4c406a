import { decodeBase64url } from "../../../../protocol/encoding.ts"
import { countWitnesses, verifyCosignature } from "../../../../protocol/log/cosignature.ts"
import {
  formatNote,
  formatVkey,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  parseVkey,
} from "../../../../protocol/log/note.ts"
import type { Root } from "../../../../protocol/member/root.ts"
import { cosign, testLog } from "../../../support/test-log.ts"
import {
  flipBit,
  logSigners,
  type TestMember,
  witnessEntry,
  witnessSigners,
} from "../../../support/world.ts"
import { a, b, c } from "../../cast.ts"
import { type Cases, type Format, type Input, type Run, text } from "../../format.ts"

const run: Run = (input) => {
  if (input.vkey !== undefined)
    return verifyCosignature(text(input, "note"), parseVkey(text(input, "vkey")))
  const witnesses = (input.witnesses as Root["witnesses"]).map(({ name, ed25519, mldsa44 }) => ({
    name,
    ed25519: decodeBase64url(ed25519),
    mldsa44: decodeBase64url(mldsa44),
  }))
  return { counted: countWitnesses(text(input, "note"), witnesses) }
}

const time = 1_795_000_000
const vkeyOf = ({ name, algorithm, publicKey }: NoteSigner) =>
  formatVkey(name, algorithm, publicKey)

async function cases(): Promise<Cases> {
  const log = testLog(a)
  log.append(...[1, 2, 3].map((i) => new Uint8Array(33).fill(i)))
  const note = await log.checkpoint()
  const { text: body, signatures } = parseNote(note)
  const own = signatures.slice(0, 1)
  const [b04, b06] = witnessSigners(b)
  const linesOf = async (of: TestMember, at = time) =>
    parseNote(await cosign(note, witnessSigners(of), at)).signatures.slice(2)
  const [first, second] = (await linesOf(b)) as [NoteSignature, NoteSignature]
  const [later] = (await linesOf(b, time + 60)) as [NoteSignature, NoteSignature]
  const others = await linesOf(c, time + 30)
  const named = [witnessEntry(b), witnessEntry(c)]
  const count = (...lines: readonly NoteSignature[]): Input => ({
    note: formatNote(body, [...own, ...lines]),
    witnesses: named,
  })
  const one = (signer: NoteSigner, ...lines: readonly NoteSignature[]): Input => ({
    note: formatNote(body, [...own, ...lines]),
    vkey: vkeyOf(signer),
  })
  const spoilt = (line: NoteSignature, bit: number) => ({
    ...line,
    signature: flipBit(line.signature, bit),
  })
  const sizes = note.replace("\n3\n", "\n4\n")
  const invalid = "cosignature.invalid"
  return {
    about:
      "C2SP tlog-cosignature: the time of one cosignature, by its key; which of the witnesses named count, and the later of their two times",
    valid: [
      ["Ed25519", one(b04, first, second)],
      ["ML-DSA-44", one(b06, first, second)],
      ["nobody", count()],
      ["one witness", count(first, second)],
      ["two witnesses", count(first, second, ...others)],
      ["two witnesses, their lines mixed", count(others[1]!, second, others[0]!, first)],
      ["of two times the later one", count(later, second)],
      ["half a witness does not count: Ed25519", count(first)],
      ["half a witness does not count: ML-DSA-44", count(second)],
      ["two halves of two witnesses", count(first, others[1]!)],
      ["a line that fails takes its witness with it", count(spoilt(first, 90), second, ...others)],
      ["a time that was edited", count(spoilt(first, 60), second)],
      ["nobody named", { ...count(first, second), witnesses: [] }],
      [
        "a witness named twice counts once",
        { ...count(first, second), witnesses: [named[0], named[0]] },
      ],
      [
        "a key under a second name counts once",
        { ...count(first, second), witnesses: [named[0], { ...named[0]!, name: "other.example" }] },
      ],
      [
        "another's keys under the name",
        { ...count(first, second), witnesses: [{ ...named[1]!, name: named[0]!.name }] },
      ],
    ],
    hostile: [
      ["no line by the key", one(b04), invalid],
      ["a line by the other of its keys", one(b04, second), invalid],
      ["by another witness", one(b04, ...others), invalid],
      ["one bit of the Ed25519 signature", one(b04, spoilt(first, 90)), invalid],
      ["one bit of its time", one(b04, spoilt(first, 63)), invalid],
      ["a time beyond 2⁵³", one(b04, spoilt(first, 7)), invalid],
      ["one bit of the ML-DSA-44 signature", one(b06, spoilt(second, 9000)), invalid],
      ["one bit of the ML-DSA-44 time", one(b06, spoilt(second, 63)), invalid],
      ["cut short", one(b04, { ...first, signature: first.signature.slice(0, -1) }), invalid],
      [
        "one byte more",
        one(b04, { ...first, signature: new Uint8Array([...first.signature, 0]) }),
        invalid,
      ],
      ["without its time", one(b04, { ...first, signature: first.signature.slice(8) }), invalid],
      [
        "of another size",
        { ...one(b04), note: formatNote(parseNote(sizes).text, [first]) },
        invalid,
      ],
      [
        "a line twice",
        {
          ...one(b04),
          note: `${formatNote(body, [first])}${formatNote(body, [first]).slice(body.length + 1)}`,
        },
        "note.malformed",
      ],
      [
        "no checkpoint",
        { ...one(b04), note: formatNote("hello\n", [first]) },
        "checkpoint.malformed",
      ],
      ["no note", { ...one(b04), note: body }, "note.malformed"],
      [
        "a plain signing key for a witness",
        { ...one(b04, first), vkey: vkeyOf(logSigners(a)[0]) },
        "vkey.malformed",
      ],
    ],
  }
}

export const cosignature: Format = { run, cases }
