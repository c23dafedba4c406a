import { formatVkey, type NoteSigner } from "../../../../protocol/log/note.ts"
import {
  formatWitnessPolicy,
  isQuorate,
  parseWitnessPolicy,
} from "../../../../protocol/log/witness-policy.ts"
import { logSigners, witnessSigners } from "../../../support/world.ts"
import { a, b, c } from "../../cast.ts"
import {
  type Cases,
  type Format,
  type Input,
  insist,
  list,
  type Run,
  repeated,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const policy = parseWitnessPolicy(text(input, "policy"))
  insist(isQuorate(policy, new Set(list(input, "cosigned"))), "quorum.missing")
  const { logs, witnesses, groups, quorum } = policy
  return {
    canonical: formatWitnessPolicy(policy),
    logs: logs.map(({ key }) => key.name),
    witnesses: witnesses.map(({ name }) => name),
    groups,
    quorum,
  }
}

const vkeyOf = ({ name, algorithm, publicKey }: NoteSigner) =>
  formatVkey(name, algorithm, publicKey)

function cases(): Cases {
  const log = `log ${vkeyOf(logSigners(a)[0])}`
  const [kb, kc, ka] = [b, c, a].map((of) => vkeyOf(witnessSigners(of)[0])) as [
    string,
    string,
    string,
  ]
  const [wa, wb, wc] = [`witness a ${ka}`, `witness b ${kb}`, `witness c ${kc}`]
  const policy = (...lines: readonly string[]) => `${lines.join("\n")}\n`
  const at = (text: unknown, ...cosigned: readonly string[]): Input => ({ policy: text, cosigned })
  const witnesses = [log, wa, wb, wc]
  const bad = (...lines: readonly string[]) => at(policy(...lines))
  const code = "policy.malformed"
  return {
    about:
      "C2SP tlog-policy: a policy file, and whether the witnesses that cosigned are its quorum",
    valid: [
      ["no witness asked for", at(policy(log, "quorum none"))],
      ["a log with its address", at(policy(`${log} https://xa.example/`, "quorum none"))],
      ["one witness", at(policy(log, wb, "quorum b"), "b")],
      ["two of three", at(policy(...witnesses, "group g 2 a b c", "quorum g"), "a", "c")],
      ["any", at(policy(...witnesses, "group g any a b c", "quorum g"), "c")],
      ["all", at(policy(...witnesses, "group g all a b c", "quorum g"), "a", "b", "c")],
      [
        "a group in a group",
        at(policy(...witnesses, "group g any a b", "group h all g c", "quorum h"), "b", "c"),
      ],
      [
        "more than asked for",
        at(policy(...witnesses, "group g 2 a b c", "quorum g"), "a", "b", "c"),
      ],
      ["witnesses unknown to it", at(policy(log, wb, "quorum b"), "b", "z")],
      [
        "comments, tabs and empty lines",
        at(policy("# who", log, "", `witness\tb  ${kb} `, "quorum b"), "b"),
      ],
      ["no line feed at the end", at(`${log}\nquorum none`)],
    ],
    hostile: [
      ["no quorum", bad(log, wb), code],
      ["two quorums", bad(log, wb, "quorum b", "quorum b"), code],
      ["a quorum of nobody", bad(log, "quorum"), code],
      ["a quorum of two names", bad(log, wa, wb, "quorum a b"), code],
      ["a quorum that is not defined", bad(log, "quorum b"), code],
      ["a quorum defined later", bad(log, "quorum b", wb), code],
      ["a group that names itself", bad(log, wb, "group g 1 g b", "quorum g"), code],
      [
        "a group that names a later one",
        bad(log, wb, "group g 1 h", "group h 1 b", "quorum g"),
        code,
      ],
      ["a group of nobody", bad(log, "group g 1", "quorum g"), code],
      ["a threshold of 0", bad(log, wb, "group g 0 b", "quorum g"), code],
      ["a threshold above the group", bad(log, wb, "group g 2 b", "quorum g"), code],
      ["a threshold with a leading zero", bad(log, wb, "group g 01 b", "quorum g"), code],
      ["a threshold in words", bad(log, wb, "group g one b", "quorum g"), code],
      [
        "a witness in two groups",
        bad(...witnesses, "group g 1 a b", "group h 1 a c", "quorum g"),
        code,
      ],
      ["a witness twice in a group", bad(log, wb, "group g 2 b b", "quorum g"), code],
      ["a name twice", bad(log, wb, `witness b ${kc}`, "quorum b"), code],
      ["a key under two names", bad(log, wb, `witness z ${kb}`, "quorum b"), code],
      ["a log's key twice", bad(log, log, "quorum none"), code],
      ["a witness by the name none", bad(log, `witness none ${kb}`, "quorum none"), code],
      [
        "a plain signing key for a witness",
        bad(log, `witness b ${vkeyOf(logSigners(b)[0])}`, "quorum b"),
        code,
      ],
      ["a witness without a key", bad(log, "witness b", "quorum b"), code],
      ["a witness with four items", bad(log, `${wb} https://b.example x`, "quorum b"), code],
      ["a log with three items", bad(`${log} https://xa.example x`, "quorum none"), code],
      ["a keyword that nobody defined", bad(log, "threshold 2", "quorum none"), code],
      ["a keyword in capitals", bad(log.replace("log", "LOG"), "quorum none"), code],
      ["carriage returns", at(`${log}\r\nquorum none\r\n`), code],
      ["a control character", bad(log, "quorum none\u0000"), code],
      ["257 lines", bad(...Array.from({ length: 256 }, () => "quorum none"), log), code],
      ["one byte more than it may have", at(repeated("23", 1_048_577)), code],
      ["nothing", at(""), code],
      ["a broken key", bad(`${log}A`, "quorum none"), "vkey.malformed"],
      ["nobody cosigned", at(policy(log, wb, "quorum b")), "quorum.missing"],
      [
        "one of two",
        at(policy(...witnesses, "group g 2 a b c", "quorum g"), "a"),
        "quorum.missing",
      ],
      [
        "one twice",
        at(policy(...witnesses, "group g 2 a b c", "quorum g"), "a", "a"),
        "quorum.missing",
      ],
      [
        "others",
        at(policy(...witnesses, "group g 2 a b c", "quorum g"), "x", "y", "g"),
        "quorum.missing",
      ],
      [
        "half of a group in a group",
        at(policy(...witnesses, "group g any a b", "group h all g c", "quorum h"), "a", "b"),
        "quorum.missing",
      ],
    ],
  }
}

export const witnessPolicy: Format = { run, cases }
