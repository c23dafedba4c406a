import { encodeBase64, encodeHex } from "../../../../protocol/encoding.ts"
import { leafHash } from "../../../../protocol/log/merkle.ts"
import {
  formatNote,
  formatVkey,
  type NoteSigner,
  parseNote,
} from "../../../../protocol/log/note.ts"
import {
  formatTlogProof,
  parseTlogProof,
  verifyTlogProof,
} from "../../../../protocol/log/tlog-proof.ts"
import { parseWitnessPolicy } from "../../../../protocol/log/witness-policy.ts"
import { cosign, testLog } from "../../../support/test-log.ts"
import { flipBit, logSigners, witnessSigners } from "../../../support/world.ts"
import { a, b, c } from "../../cast.ts"
import {
  bytes,
  type Cases,
  type Format,
  type Input,
  insist,
  type Run,
  repeated,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const file = text(input, "proof")
  const parsed = parseTlogProof(file)
  insist(formatTlogProof(parsed) === file, "tlogproof.malformed")
  const policy = parseWitnessPolicy(text(input, "policy"))
  insist(verifyTlogProof(file, bytes(input, "leafHash"), policy), "inclusion.invalid")
  const { extra, index, proof } = parsed
  return { index, hashes: proof.length, ...(extra !== undefined && { extra: encodeHex(extra) }) }
}

const vkeyOf = ({ name, algorithm, publicKey }: NoteSigner) =>
  formatVkey(name, algorithm, publicKey)

async function cases(): Promise<Cases> {
  const log = testLog(a)
  log.append(...[1, 2, 3, 4, 5].map((i) => new Uint8Array(33).fill(i)))
  const [ed25519] = logSigners(a)
  const [wb, wc] = [witnessSigners(b)[0], witnessSigners(c)[0]]
  // One line of the log and one of each witness: the proof is as short as it can be.
  const whole = parseNote(await log.checkpoint())
  const bare = formatNote(whole.text, whole.signatures.slice(0, 1))
  const seen = await cosign(bare, [wb, wc], 1_795_000_000)
  const proof = log.proof(3, bare)
  const witnessed = log.proof(3, seen)
  const logLine = `log ${vkeyOf(ed25519)}`
  const none = `${logLine}\nquorum none\n`
  const two = `${logLine}\nwitness b ${vkeyOf(wb)}\nwitness c ${vkeyOf(wc)}\ngroup g all b c\nquorum g\n`
  const at = (file: unknown, more: Input = {}): Input => ({
    proof: file,
    leafHash: encodeHex(leafHash(log.entries[3]!)),
    policy: none,
    ...more,
  })
  const edited = (from: string | RegExp, to: string) => at(proof.replace(from, to))
  const [, , first, second] = proof.split("\n") as [string, string, string, string]
  const lines = parseNote(seen).signatures
  const spoilt = lines.with(1, { ...lines[1]!, signature: flipBit(lines[1]!.signature, 99) })
  const one = formatNote(whole.text, lines.slice(0, 2))
  const malformed = "tlogproof.malformed"
  const not = "inclusion.invalid"
  return {
    about:
      "C2SP tlog-proof: that a log has a leaf, under a checkpoint that a policy's quorum cosigned; a proof that is well formed and does not convince is refused with inclusion.invalid",
    valid: [
      ["no witnesses asked for", at(proof)],
      ["two witnesses of two", at(witnessed, { policy: two })],
      [
        "two witnesses, of whom one is asked for",
        at(log.proof(3, one), { policy: two.replace("all", "any") }),
      ],
      ["witnesses that nobody asks for", at(witnessed)],
      ["extra data, authenticated by nothing", edited("\nindex", "\nextra aGVsbG8=\nindex")],
      [
        "the first leaf",
        at(log.proof(0, bare), { leafHash: encodeHex(leafHash(log.entries[0]!)) }),
      ],
      [
        "the last leaf, whose path is short",
        at(log.proof(4, bare), { leafHash: encodeHex(leafHash(log.entries[4]!)) }),
      ],
    ],
    hostile: [
      ["another header", edited("@v1", "@v2"), malformed],
      ["no header", edited(/^.*\n/, ""), malformed],
      ["no index", edited("index 3\n", ""), malformed],
      ["an index with a leading zero", edited("index 3", "index 03"), malformed],
      ["an index below zero", edited("index 3", "index -3"), malformed],
      ["an index with a fraction", edited("index 3", "index 3.0"), malformed],
      ["an index beyond 2⁵³", edited("index 3", "index 9007199254740992"), malformed],
      ["two indexes", edited("index 3\n", "index 3\nindex 3\n"), malformed],
      [
        "the index behind the hashes",
        edited(`index 3\n${first}\n`, `${first}\nindex 3\n`),
        malformed,
      ],
      ["an empty extra line", edited("\nindex", "\nextra \nindex"), malformed],
      ["two extra lines", edited("\nindex", "\nextra aGVsbG8=\nextra aGVsbG8=\nindex"), malformed],
      ["a hash of 31 bytes", edited(first, encodeBase64(new Uint8Array(31))), malformed],
      ["a hash in hex", edited(first, "ab".repeat(32)), malformed],
      ["stray bits in a hash", edited(first, `${"A".repeat(42)}B=`), malformed],
      ["64 hashes", edited(first, Array.from({ length: 64 }, () => first).join("\n")), malformed],
      ["carriage returns", at(proof.replaceAll("\n", "\r\n")), malformed],
      ["no empty line before the checkpoint", edited("\n\n", "\n"), malformed],
      ["a line feed behind it", at(`${proof}\n`), malformed],
      ["no checkpoint", at(proof.slice(0, proof.indexOf("\n\n") + 2)), malformed],
      [
        "a note that is no checkpoint",
        at(
          proof.slice(0, proof.indexOf("\n\n") + 2) +
            formatNote("hello\n", whole.signatures.slice(0, 1)),
        ),
        malformed,
      ],
      ["nothing", at(""), malformed],
      ["one byte more than it may have", at(repeated("61", 1_048_577)), malformed],
      ["another leaf", at(proof, { leafHash: encodeHex(leafHash(log.entries[2]!)) }), not],
      ["another index", edited("index 3", "index 2"), not],
      ["an index outside", edited("index 3", "index 5"), not],
      ["a hash left out", edited(`${first}\n`, ""), not],
      ["a hash more", edited(`${first}\n`, `${first}\n${first}\n`), not],
      ["hashes exchanged", edited(`${first}\n${second}`, `${second}\n${first}`), not],
      [
        "no log of that name",
        at(proof, { policy: `log ${vkeyOf(logSigners(b)[0])}\nquorum none\n` }),
        not,
      ],
      ["one witness where two are asked for", at(log.proof(3, one), { policy: two }), not],
      ["no witness where one is asked for", at(proof, { policy: two.replace("all", "any") }), not],
      [
        "a witness's line that fails",
        at(log.proof(3, formatNote(whole.text, spoilt)), { policy: two.replace("all", "any") }),
        not,
      ],
      ["the size edited", edited("\n5\n", "\n4\n"), not],
      [
        "no log's line, only witnesses'",
        at(log.proof(3, formatNote(whole.text, lines.slice(1))), { policy: two }),
        not,
      ],
    ],
  }
}

export const tlogProof: Format = { run, cases }
