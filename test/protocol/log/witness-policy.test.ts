import { describe, expect, test } from "vitest"
import { formatVkey } from "../../../protocol/log/note.ts"
import {
  formatWitnessPolicy,
  isQuorate,
  parseWitnessPolicy,
} from "../../../protocol/log/witness-policy.ts"
import { logSigners, refused, signer } from "./keys.ts"

const vkey = (s: ReturnType<typeof signer>) => formatVkey(s.name, s.algorithm, s.publicKey)
const log = vkey(logSigners[0])
const keys = new Map(
  ["X1", "X2", "X3", "Y1", "Y2", "Y3"].map((name) => [name, vkey(signer(name, 0x04))]),
)
const x1 = keys.get("X1")
const x2 = keys.get("X2")

/** The example of the specification, spaced as a person would. */
const example = `# two organisations
log ${log} https://log.example/
\t
witness X1 ${x1}  https://x1.example/
witness\tX2 ${x2}
witness X3 ${keys.get("X3")}
  # the first two of them
group X-witnesses 2 X1 X2 X3

witness Y1 ${keys.get("Y1")}
witness Y2 ${keys.get("Y2")}
witness Y3 ${keys.get("Y3")}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`

describe("witness policy", () => {
  const policy = parseWitnessPolicy(example)

  test("the specification's example is read", () => {
    expect(policy.logs.map(({ url }) => url)).toEqual(["https://log.example/"])
    expect(policy.witnesses.map(({ name }) => name)).toEqual([...keys.keys()])
    expect(policy.groups).toEqual([
      { name: "X-witnesses", threshold: 2, members: ["X1", "X2", "X3"] },
      { name: "Y-witnesses", threshold: 1, members: ["Y1", "Y2", "Y3"] },
      { name: "X-and-Y", threshold: 2, members: ["X-witnesses", "Y-witnesses"] },
    ])
    expect(policy.quorum).toBe("X-and-Y")
  })

  test("format keeps all of it, and is read back the same", () => {
    expect(parseWitnessPolicy(formatWitnessPolicy(policy))).toEqual(policy)
  })

  test("a quorum is reached with enough of each group", () => {
    for (const [names, enough] of [
      ["X1 X2 Y1", true],
      ["X1 X3 Y3", true],
      ["X1 Y1 Y2 Y3", false],
      ["X1 X2 X3", false],
      ["X-witnesses Y-witnesses X-and-Y", false],
      ["", false],
    ] as const)
      expect(isQuorate(policy, new Set(names.split(" ")))).toBe(enough)
    const none = parseWitnessPolicy("quorum none\n")
    expect(isQuorate(none, new Set())).toBe(true)
    const single = parseWitnessPolicy(`witness X1 ${x1}\nquorum X1`)
    expect(isQuorate(single, new Set(["X1"]))).toBe(true)
    expect(isQuorate(single, new Set(["X2"]))).toBe(false)
  })

  const one = `witness X1 ${x1}\n`
  const two = `${one}witness X2 ${x2}\n`
  test.each([
    ["no quorum", one],
    ["two quorum lines", `${one}quorum X1\nquorum X1\n`],
    ["a quorum defined later", `quorum X1\n${one}`],
    ["a quorum of nobody", `${one}quorum\n`],
    ["a quorum of two names", `${two}quorum X1 X2\n`],
    ["an unknown keyword", `${one}witnesses X1\nquorum X1\n`],
    ["one key under two names", `${one}witness X2 ${x1}\nquorum X1\n`],
    ["one name for two keys", `${one}witness X1 ${x2}\nquorum X1\n`],
    ["a log twice", `log ${log}\nlog ${log}\nquorum none\n`],
    ["a log with three items", `log ${log} url more\nquorum none\n`],
    ["a log without key", "log\nquorum none\n"],
    ["a witness without key", "witness X1\nquorum none\n"],
    ["a witness with four items", `witness X1 ${x1} url more\nquorum X1\n`],
    ["a witness named none", `witness none ${x1}\nquorum none\n`],
    ["a group named none", `${one}group none any X1\nquorum none\n`],
    ["none as a member", `${one}group g any X1 none\nquorum g\n`],
    ["a member in two groups", `${one}group a any X1\ngroup b any X1\nquorum b\n`],
    ["a member twice in a group", `${one}group g 2 X1 X1\nquorum g\n`],
    ["a group within itself", `${one}group g any g\nquorum g\n`],
    ["a member defined later", `${one}group g any X1 X2\nwitness X2 ${x2}\nquorum g\n`],
    ["a group without members", `${one}group g any\nquorum g\n`],
    ["a group named as a witness", `${one}group X1 any X1\nquorum X1\n`],
    ["threshold 0", `${one}group g 0 X1\nquorum g\n`],
    ["threshold above the members", `${one}group g 2 X1\nquorum g\n`],
    ["threshold with a leading zero", `${one}group g 01 X1\nquorum g\n`],
    ["threshold in words", `${one}group g one X1\nquorum g\n`],
    ["a key that does not cosign", `witness X1 ${log}\nquorum X1\n`],
    ["carriage returns", `${one}quorum X1\r\n`],
    ["a NUL", `${one}quorum X1\n#\0\n`],
    ["a DEL", `${one}quorum X1\n#\x7f\n`],
    ["too many lines", `${"log x\n".repeat(300)}quorum none\n`],
  ])("%s is refused", (_name, text) => {
    expect(() => parseWitnessPolicy(text)).toThrow(refused("policy.malformed"))
  })

  test("a key that is none is refused as such", () => {
    expect(() => parseWitnessPolicy("log x\nquorum none\n")).toThrow(refused("vkey.malformed"))
  })

  test("names are opaque: letters that look alike stay apart", () => {
    const text = `witness K ${x1}\nwitness \u212a ${x2}\nquorum \u212a\n`
    const named = parseWitnessPolicy(text)
    expect(isQuorate(named, new Set(["K"]))).toBe(false)
    expect(formatWitnessPolicy(named)).toBe(text)
  })
})
