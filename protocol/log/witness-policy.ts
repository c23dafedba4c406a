import { encodeHex } from "../encoding.ts"
import { ProtocolError } from "../errors.ts"
import { limits } from "../limits.ts"
import { formatVkey, parseVkey, type VerifierKey } from "./note.ts"

export type PolicyLog = { readonly key: VerifierKey; readonly url?: string }
export type PolicyWitness = {
  readonly name: string
  readonly key: VerifierKey
  readonly url?: string
}
/** Witnesses a checkpoint when at least `threshold` of its members do. */
export type PolicyGroup = {
  readonly name: string
  readonly threshold: number
  readonly members: readonly string[]
}

/** Which logs are known, which witnesses, and which sets of these are enough. C2SP tlog-policy */
export type WitnessPolicy = {
  readonly logs: readonly PolicyLog[]
  readonly witnesses: readonly PolicyWitness[]
  /** each after the groups it names */
  readonly groups: readonly PolicyGroup[]
  /** a witness, a group, or `none` */
  readonly quorum: string
}

/** Items of no line can hold white space; comments and spacing are not kept. C2SP tlog-policy */
export function formatWitnessPolicy(policy: WitnessPolicy): string {
  const vkey = ({ name, algorithm, publicKey }: VerifierKey) =>
    formatVkey(name, algorithm, publicKey)
  const lines = [
    ...policy.logs.map(({ key, url }) => ["log", vkey(key), url]),
    ...policy.witnesses.map(({ name, key, url }) => ["witness", name, vkey(key), url]),
    ...policy.groups.map(({ name, threshold, members }) => ["group", name, threshold, ...members]),
    ["quorum", policy.quorum],
  ]
  return lines.map((line) => `${line.filter((item) => item !== undefined).join(" ")}\n`).join("")
}

/**
 * The file with its names resolved and each used once. C2SP tlog-policy, Policy file syntax
 *
 * @throws `policy.malformed`, and those of `parseVkey`
 */
export function parseWitnessPolicy(text: string): WitnessPolicy {
  if (text.length > limits.noteBytes || !/^[\t\n\x20-\x7e\x80-\u{10ffff}]*$/u.test(text))
    throw malformed("characters")
  const lines = text
    .split("\n")
    .map((line) => line.split(/[\t ]+/).filter((item) => item !== ""))
    .filter(([keyword]) => keyword !== undefined && !keyword.startsWith("#"))
  if (lines.length > limits.policyLines) throw malformed("too many lines")
  const draft = new PolicyDraft()
  for (const [keyword, ...items] of lines) draft.add(keyword ?? "", items)
  return draft.finish()
}

/** The names met so far: a line can only use those of lines before it, so no group is circular. */
class PolicyDraft {
  readonly #logs: PolicyLog[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #groups: PolicyGroup[] = []
  readonly #logKeys = new Set<string>()
  readonly #witnessKeys = new Set<string>()
  readonly #defined = new Set<string>()
  readonly #members = new Set<string>()
  #quorum: string | undefined

  add(keyword: string, items: readonly string[]): void {
    if (keyword === "log") this.#addLog(items)
    else if (keyword === "witness") this.#addWitness(items)
    else if (keyword === "group") this.#addGroup(items)
    else if (keyword === "quorum") this.#addQuorum(items)
    else throw malformed("keyword")
  }

  finish(): WitnessPolicy {
    if (this.#quorum === undefined) throw malformed("no quorum")
    return {
      logs: this.#logs,
      witnesses: this.#witnesses,
      groups: this.#groups,
      quorum: this.#quorum,
    }
  }

  #addLog([vkey, url, ...rest]: readonly string[]): void {
    if (vkey === undefined || rest.length > 0) throw malformed("log")
    const key = parseVkey(vkey)
    addOnce(this.#logKeys, encodeHex(key.publicKey))
    this.#logs.push({ key, ...(url !== undefined && { url }) })
  }

  #addWitness([name, vkey, url, ...rest]: readonly string[]): void {
    if (name === undefined || vkey === undefined || rest.length > 0) throw malformed("witness")
    const key = parseVkey(vkey)
    // 0x01 signs any text: a signature under it is no statement of a witness.
    if (key.algorithm === 0x01) throw malformed("witness key")
    addOnce(this.#witnessKeys, encodeHex(key.publicKey))
    this.#define(name)
    this.#witnesses.push({ name, key, ...(url !== undefined && { url }) })
  }

  #addGroup([name, count, ...members]: readonly string[]): void {
    if (name === undefined || count === undefined || members.length === 0) throw malformed("group")
    const threshold = thresholdOf(count, members.length)
    for (const member of members) {
      if (!this.#defined.has(member)) throw malformed("member unknown")
      // A witness in two groups would have two votes.
      addOnce(this.#members, member)
    }
    this.#define(name)
    this.#groups.push({ name, threshold, members })
  }

  #addQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0 || this.#quorum !== undefined)
      throw malformed("quorum")
    if (name !== "none" && !this.#defined.has(name)) throw malformed("quorum unknown")
    this.#quorum = name
  }

  #define(name: string): void {
    if (name === "none") throw malformed("name")
    addOnce(this.#defined, name)
  }
}

function thresholdOf(text: string, members: number): number {
  if (text === "any") return 1
  if (text === "all") return members
  const threshold = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0
  if (threshold < 1 || threshold > members) throw malformed("threshold")
  return threshold
}

function addOnce(set: Set<string>, name: string): void {
  if (set.has(name)) throw malformed("twice")
  set.add(name)
}

function malformed(detail: string): ProtocolError {
  return new ProtocolError("policy.malformed", { detail })
}

/** Whether these witnesses, by their names in the policy, are enough. C2SP tlog-policy, Defining the quorum */
export function isQuorate(policy: WitnessPolicy, cosigned: ReadonlySet<string>): boolean {
  return policy.quorum === "none" || hasWitnessed(policy, cosigned, policy.quorum)
}

/** Members of the quorum's group that have witnessed; the quorum itself where it is no group. */
export function quorumMembers(
  policy: WitnessPolicy,
  cosigned: ReadonlySet<string>,
): readonly string[] {
  const group = policy.groups.find(({ name }) => name === policy.quorum)
  const members = group?.members ?? [policy.quorum]
  return members.filter((name) => hasWitnessed(policy, cosigned, name))
}

function hasWitnessed(
  policy: WitnessPolicy,
  cosigned: ReadonlySet<string>,
  wanted: string,
): boolean {
  const groups = new Map(policy.groups.map((group) => [group.name, group]))
  const witnessed = (name: string): boolean => {
    const group = groups.get(name)
    if (group === undefined) return cosigned.has(name)
    return group.members.filter(witnessed).length >= group.threshold
  }
  return witnessed(wanted)
}
