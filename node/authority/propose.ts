import { encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { kidOf, type RootKey, sortRootKeys } from "../../protocol/member/key.ts"
import type { PolicyLine } from "../../protocol/member/policy.ts"
import { type Head, nextDigest, type Root } from "../../protocol/member/root.ts"
import { findProfile, findProfileById } from "../../protocol/profiles/registry.ts"
import type { Marking } from "../../protocol/record/marking.ts"
import { type Context, ownRoot } from "../context.ts"
import { NodeError } from "../errors.ts"
import { logOf, rootAt } from "../store/queries/logs.ts"
import { officerByPerson, opened } from "../store/queries/officers.ts"
import { proposeRoot, type RootChanges } from "./amend.ts"
import { readEnrolment } from "./enrol.ts"
import type { KeySet } from "./found.ts"

/** A size of our own log, past or present. */
export type Place = number | "now"

/** What a member's people ask of the next root version, in their words: pseudonyms, indexes, profile ids. */
export type Wishes = {
  readonly name?: string
  readonly expires?: string
  readonly ceiling?: Marking
  readonly policy?: readonly PolicyLine[]
  /** requests that officers made on their own machines */
  readonly enrol?: readonly {
    readonly request: Uint8Array
    readonly from?: string
    readonly until?: string
  }[]
  readonly dismiss?: readonly string[]
  readonly adopt?: readonly string[]
  readonly drop?: readonly string[]
  /** a pseudonym, with all its keys, or a kid; from an index of our log on */
  readonly revoke?: readonly { readonly who: string; readonly from: Place }[]
  readonly renew?: readonly ("node" | "witness")[]
  /** a new log key; of the log so far this many entries stand */
  readonly survives?: Place
  /** public halves: those announced last time take over, and these may follow them */
  readonly rotate?: { readonly now: readonly RootKey[]; readonly next: KeySet }
  readonly closing?: NonNullable<Root["closing"]>
  readonly succeeds?: readonly string[]
}

/**
 * The next version as a file for the holders of root keys.
 *
 * @throws `officer.unknown`, `log.index`, `profile.unknown`, and as readEnrolment and proposeRoot
 */
export async function propose(context: Context, wishes: Wishes): Promise<Uint8Array> {
  const { self } = context
  const { name, expires, ceiling, policy, closing, succeeds } = wishes
  const enrol = (wishes.enrol ?? []).map(({ request, ...days }) => {
    const to = { member: self.id, network: self.network }
    return { ...readEnrolment(request, to), ...days }
  })
  const revoke = await revocations(context, wishes.revoke ?? [])
  const changes: RootChanges = {
    fields: {
      ...(name === undefined ? {} : { name }),
      ...(expires === undefined ? {} : { expires }),
      ...(ceiling === undefined ? {} : { ceiling }),
      ...(policy === undefined ? {} : { policy }),
      ...(closing === undefined ? {} : { closing }),
      ...(succeeds === undefined ? {} : { succeeds: [...succeeds].sort() }),
    },
    enrol,
    dismiss: [...new Set([...(wishes.dismiss ?? []), ...revoke.persons])],
    adopt: (wishes.adopt ?? []).map(profileDigest),
    drop: (wishes.drop ?? []).map(profileDigest),
    revoke: revoke.lines,
    renew: wishes.renew ?? [],
    ...(wishes.survives === undefined ? {} : { survives: await headAt(context, wishes.survives) }),
    ...(wishes.rotate === undefined ? {} : { rotate: rotation(ownRoot(context), wishes.rotate) }),
  }
  return proposeRoot(context, changes)
}

/** In the one order in which sets of root keys are announced; how many must sign, the digest tells. */
function rotation(
  { next }: Root,
  { now, next: then }: NonNullable<Wishes["rotate"]>,
): NonNullable<RootChanges["rotate"]> {
  const rootKeys = sortRootKeys(now)
  const threshold = now.findIndex((_, i) => nextDigest(rootKeys, i + 1) === next) + 1
  if (threshold === 0)
    throw new ProtocolError("root.chain", { detail: "not the root keys announced before" })
  return {
    now: { rootKeys, threshold },
    next: { rootKeys: sortRootKeys(then.rootKeys), threshold: then.threshold },
  }
}

function profileDigest(wanted: string): string {
  const found = findProfileById(wanted) ?? findProfile(wanted)
  if (found === null) throw new ProtocolError("profile.unknown", { detail: wanted })
  return found.digest
}

/** A revoked person leaves the list as well: a key on it that counts for nothing would only mislead. */
async function revocations(
  context: Context,
  wanted: NonNullable<Wishes["revoke"]>,
): Promise<{ readonly lines: Root["revoked"]; readonly persons: readonly string[] }> {
  const lines: Root["revoked"][number][] = []
  const persons: string[] = []
  const root = ownRoot(context)
  const { epoch, officers } = root
  const inUse = new Set([root.nodeKey, ...root.rootKeys].map(kidOf))
  for (const { who, from } of wanted) {
    if (inUse.has(who))
      throw new NodeError("request.malformed", "A key in use is replaced, not only revoked.", {
        hint: "comity key rotate node; for root keys comity key propose --root-key … --next-key …",
      })
    const head = await headAt(context, from)
    if (/^[0-9a-f]{64}$/.test(who)) {
      lines.push({ kid: who, from: head })
      continue
    }
    const rows = await officerByPerson(context.db, who)
    if (rows.length === 0)
      throw new NodeError("officer.unknown", `${who} is not an officer of this member.`, {
        hint: "comity officer list; another key is named by its kid: comity key list",
      })
    for (const row of rows)
      lines.push({ kid: kidOf(opened(row).key), from: { epoch, size: head.size } })
    if (rows.some(({ digest }) => officers.includes(digest))) persons.push(who)
  }
  return { lines, persons }
}

/** Our log as it was there. @throws `log.index` */
async function headAt(context: Context, place: Place): Promise<Head> {
  const log = await logOf(context.db, context.self.id)
  if (log === null) throw new NodeError("store.corrupt", "Our own log is missing.")
  const size = place === "now" ? log.range.size : place
  const root = await rootAt(context.db, log, size)
  if (root === null)
    throw new NodeError("log.index", `Our log has ${log.range.size} entries, not ${size}.`)
  return { epoch: log.epoch, root: encodeHex(root), size }
}
