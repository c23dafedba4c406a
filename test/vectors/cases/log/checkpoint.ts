import { encodeBase64, encodeHex } from "../../../../protocol/encoding.ts"
import { signCheckpoint, verifyCheckpoint } from "../../../../protocol/log/checkpoint.ts"
import { formatNote, parseNote, signNote } from "../../../../protocol/log/note.ts"
import { logKeyOf, type Root } from "../../../../protocol/member/root.ts"
import { cosign, testLog } from "../../../support/test-log.ts"
import { flipBit, logSigners, witnessSigners } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import {
  type Cases,
  type Format,
  filled,
  type Input,
  type Run,
  repeated,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const logKey = logKeyOf({ logKey: input.logKey } as Root)
  const { checkpoint, signatures } = verifyCheckpoint(text(input, "note"), {
    origin: text(input, "origin"),
    logKey,
  })
  const { origin, size, root } = checkpoint
  return { origin, size, root: encodeHex(root), lines: signatures.length }
}

async function cases(): Promise<Cases> {
  const [ed25519, mldsa44] = logSigners(a)
  const log = testLog(a)
  const empty = await log.checkpoint()
  log.append(...[1, 2, 3].map((i) => new Uint8Array(33).fill(i)))
  const note = await log.checkpoint()
  const { text: body, signatures } = parseNote(note)
  const [origin, size, root] = body.split("\n") as [string, string, string]
  const at = (text: unknown, more: Input = {}): Input => ({
    note: text,
    origin: a.origin,
    logKey: a.root.logKey,
    ...more,
  })
  /** Another body, signed by the log with Ed25519: its form alone refuses it. */
  const signedBody = async (text: string) => at(await signNote(text, [ed25519]))
  const lines = (...kept: typeof signatures) => at(formatNote(body, kept))
  const [one, two] = signatures as [(typeof signatures)[0], (typeof signatures)[0]]
  const flipped = (line: typeof one, bit: number) => ({
    ...line,
    signature: flipBit(line.signature, bit),
  })
  const other = await signCheckpoint({ origin: a.origin, size: 3, root: log.root() }, [
    { ...logSigners(b)[0], name: a.origin },
    { ...logSigners(b)[1], name: a.origin },
  ])
  const malformed = "checkpoint.malformed"
  const unverified = "checkpoint.unverified"
  return {
    about: "C2SP tlog-checkpoint, signed by its log with Ed25519 (0x01) and ML-DSA-44 (0x06)",
    valid: [
      ["an empty log", at(empty)],
      ["three entries", at(note)],
      ["signatures the other way about", lines(two, one)],
      [
        "with a witness's lines, of which nothing is said",
        at(await cosign(note, witnessSigners(b), 1_795_000_000)),
      ],
    ],
    hostile: [
      ["no checkpoint", await signedBody("hello\n"), malformed],
      ["two lines", await signedBody(`${origin}\n${size}\n`), malformed],
      ["an extension line", await signedBody(`${body}extension\n`), malformed],
      ["an empty line behind", await signedBody(`${body}\n`), malformed],
      ["an empty origin", await signedBody(`\n${size}\n${root}\n`), malformed],
      ["a size with a leading zero", await signedBody(`${origin}\n03\n${root}\n`), malformed],
      ["a size with a sign", await signedBody(`${origin}\n+3\n${root}\n`), malformed],
      ["a size below zero", await signedBody(`${origin}\n-3\n${root}\n`), malformed],
      ["a size with a fraction", await signedBody(`${origin}\n3.0\n${root}\n`), malformed],
      ["a size with an exponent", await signedBody(`${origin}\n3e0\n${root}\n`), malformed],
      ["a size in hexadecimal", await signedBody(`${origin}\n0x3\n${root}\n`), malformed],
      ["a size with a space", await signedBody(`${origin}\n3 \n${root}\n`), malformed],
      ["a size beyond 2⁵³", await signedBody(`${origin}\n9007199254740992\n${root}\n`), malformed],
      ["no size", await signedBody(`${origin}\n\n${root}\n`), malformed],
      [
        "a root of 31 bytes",
        await signedBody(`${origin}\n3\n${encodeBase64(log.root().slice(1))}\n`),
        malformed,
      ],
      [
        "a root of 33 bytes",
        await signedBody(`${origin}\n3\n${encodeBase64(new Uint8Array(33))}\n`),
        malformed,
      ],
      ["a root in hex", await signedBody(`${origin}\n3\n${filled(32, 1)}\n`), malformed],
      [
        "a root without padding",
        await signedBody(`${origin}\n3\n${root.slice(0, -1)}\n`),
        malformed,
      ],
      [
        "stray bits in the root",
        await signedBody(`${origin}\n3\n${"A".repeat(42)}B=\n`),
        malformed,
      ],
      ["no note", at(body), "note.malformed"],
      ["one byte more than a note may have", at(repeated("61", 1_048_577)), "note.malformed"],
      ["another log", at(note, { origin: b.origin }), "checkpoint.origin"],
      ["another epoch", at(note, { origin: a.origin.replace(/1$/, "2") }), "checkpoint.origin"],
      [
        "another network",
        at(note, { origin: a.origin.replace("training", "operational") }),
        "checkpoint.origin",
      ],
      ["Ed25519 alone", at(await signNote(body, [ed25519])), unverified],
      ["ML-DSA-44 alone", at(await signNote(body, [mldsa44])), unverified],
      ["one bit of the Ed25519 signature", lines(flipped(one, 77), two), unverified],
      ["one bit of the ML-DSA-44 signature", lines(one, flipped(two, 9000)), unverified],
      ["a time on the log's own ML-DSA-44 line", lines(one, flipped(two, 56)), unverified],
      ["the size edited", at(note.replace("\n3\n", "\n4\n")), unverified],
      ["the root edited", at(note.replace(root, encodeBase64(new Uint8Array(32)))), unverified],
      ["by other keys under the log's name", at(other), unverified],
      ["under another member's keys", at(note, { logKey: b.root.logKey }), unverified],
      [
        "by witnesses alone",
        at(
          formatNote(body, parseNote(await cosign(note, witnessSigners(b), 1)).signatures.slice(2)),
        ),
        unverified,
      ],
    ],
  }
}

export const checkpoint: Format = { run, cases }
