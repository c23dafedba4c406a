import { decodeBase64url } from "./encoding.ts"
import { logVerifierKeys, parseCheckpoint } from "./log/checkpoint.ts"
import {
  type CountedWitness,
  countWitnesses,
  type Witness,
  witnessKeys,
} from "./log/cosignature.ts"
import { formatNote, keyMark, parseNote } from "./log/note.ts"
import type { WitnessPolicy } from "./log/witness-policy.ts"
import { logKeyOf, type Member, type Root } from "./member/root.ts"
import { versionInForce } from "./standing.ts"

/**
 * Whether the witnesses that a member names have seen what its log says: judged under one version of
 * its root document. docs/spec/log.md, PROTOCOL.md §7
 */

/** What a signed checkpoint has of the cosignatures that its origin asks for. */
export type Witnessing = {
  /** the version that it was judged under */
  readonly root: Root
  /** that version came after the one in force at the entry */
  readonly isLater: boolean
  /** those that count, in the order of the root document */
  readonly witnesses: readonly CountedWitness[]
  /** also where the version asks for no witnesses */
  readonly isQuorate: boolean
  /** seconds: when so many as the quorum needs had signed; null without a quorum */
  readonly time: number | null
}

/** The witnesses that a root document names, with their keys as bytes. */
export function witnessesOf(root: Root): readonly Witness[] {
  return root.witnesses.map(({ name, ed25519, mldsa44 }) => ({
    name,
    ed25519: decodeBase64url(ed25519),
    mldsa44: decodeBase64url(mldsa44),
  }))
}

/**
 * The versions under which a quorum for the entry at `index` may be met: the one in force there, then
 * upwards the later ones of the epoch that name witnesses and are entries of the same signed tree, so
 * that one checkpoint proves them all. Empty when none is in force.
 *
 * @param rootIndexes place of each version in the log of its epoch, version 1 first
 */
export function versionsFor(
  origin: Member,
  epoch: number,
  rootIndexes: readonly (number | null)[],
  { index, size }: { readonly index: number; readonly size: number },
): readonly Root[] {
  const first = versionInForce(origin, epoch, rootIndexes, index)
  return origin.documents
    .map(({ payload }) => payload)
    .filter((root) => {
      if (root.version === first) return true
      const at = rootIndexes[root.version - 1] ?? size
      return (
        first > 0 && root.version > first && root.epoch === epoch && root.quorum > 0 && at < size
      )
    })
}

/**
 * Judged under the first of `versions`; where its quorum is missing, under the first later one whose
 * quorum is met. A version in force that asks for no witnesses is met by every checkpoint.
 *
 * @param versions as versionsFor gives them; not empty
 * @throws `note.malformed`, `checkpoint.malformed`
 */
export function judgeQuorum(note: string, versions: readonly Root[]): Witnessing {
  const [first, ...later] = versions
  if (first === undefined) throw new RangeError("no root version in force")
  const judged = judgeUnder(note, first)
  let tried = first
  for (const root of judged.isQuorate ? [] : later) {
    if (asksForTheSame(root, tried)) continue
    tried = root
    const other = judgeUnder(note, root)
    if (other.isQuorate) return { ...other, isLater: true }
  }
  return judged
}

function judgeUnder(note: string, root: Root): Witnessing {
  const { quorum } = root
  const witnesses = quorum === 0 ? [] : countWitnesses(note, witnessesOf(root))
  const times = witnesses.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
  const time = times[quorum - 1] ?? null
  return { root, isLater: false, witnesses, isQuorate: witnesses.length >= quorum, time }
}

/** Whether two versions ask for the same witnesses, so that one judgement serves both. */
export function asksForTheSame(a: Root, b: Root): boolean {
  return a.quorum === b.quorum && JSON.stringify(a.witnesses) === JSON.stringify(b.witnesses)
}

/**
 * For a step of a verdict, and for its ground.
 *
 * @param nameOf how the reader calls a witness; otherwise it is the name of its key
 */
export function describeWitnessing(
  { root, isLater, witnesses, isQuorate, time }: Witnessing,
  nameOf: (witness: string) => string = (witness) => witness,
): string {
  const { name, quorum, version } = root
  if (quorum === 0) return `unwitnessed: ${name} names no witnesses`
  if (!isQuorate || time === null)
    return `pending: ${witnesses.length} of the ${quorum} cosignatures that ${name} asks for`
  const names = witnesses.map((witness) => nameOf(witness.name)).join(", ")
  const under = isLater ? ` under its later root version ${version}` : ""
  return `witnessed by ${names}, as named by ${name}${under}, at ${timeOf(time)}`
}

const lastSecond = Date.parse("9999-12-31T23:59:59Z") / 1000

/** A witness may claim any second: one beyond the calendar is shown as the number it is. */
function timeOf(seconds: number): string {
  if (seconds > lastSecond) return `second ${seconds}`
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z")
}

/**
 * The note with the lines of its log, and those of the witnesses that count under any of `roots`,
 * which are of one epoch. @throws `note.malformed`, `checkpoint.malformed`
 */
export function keepLines(note: string, roots: readonly [Root, ...Root[]]): string {
  const { text, signatures } = parseNote(note)
  const { origin } = parseCheckpoint(text)
  const kept = new Set(logVerifierKeys({ origin, logKey: logKeyOf(roots[0]) }).map(keyMark))
  for (const witnesses of roots.map(witnessesOf)) {
    const counted = new Set(countWitnesses(note, witnesses).map(({ name }) => name))
    for (const witness of witnesses)
      if (counted.has(witness.name)) for (const key of witnessKeys(witness)) kept.add(keyMark(key))
  }
  return formatNote(
    text,
    signatures.filter((line) => kept.has(keyMark(line))),
  )
}

/**
 * What the member asks for, as anybody's tools read it. Each witness is a group of its two keys, since
 * it counts only with both; of the log's own two, tools ask for one. C2SP tlog-policy
 */
export function policyOf(root: Root, origin: string): WitnessPolicy {
  // A key's name has no plus: no name of ours is one of theirs.
  const named = witnessesOf(root).map((witness) => ({
    name: witness.name === "none" ? "none+" : witness.name,
    keys: witnessKeys(witness).map((key) => ({
      name: `${witness.name}+${key.algorithm === 0x04 ? "ed25519" : "mldsa44"}`,
      key,
    })),
  }))
  const both = named.map(({ name, keys }) => ({
    name,
    threshold: 2,
    members: keys.map((key) => key.name),
  }))
  const enough = { name: "quorum+", threshold: root.quorum, members: both.map(({ name }) => name) }
  return {
    logs: logVerifierKeys({ origin, logKey: logKeyOf(root) }).map((key) => ({ key })),
    witnesses: named.flatMap(({ keys }) => keys),
    groups: root.quorum === 0 ? [] : [...both, enough],
    quorum: root.quorum === 0 ? "none" : enough.name,
  }
}
