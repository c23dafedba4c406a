import { ProtocolError } from "../../protocol/errors.ts"
import { newestRoot } from "../../protocol/member/root.ts"
import { dialogue } from "../../protocol/profiles/dialogue.ts"
import { partiesTo } from "../../protocol/profiles/linked.ts"
import { findKind, type Profile } from "../../protocol/profiles/profile.ts"
import { findProfile, findProfileById } from "../../protocol/profiles/registry.ts"
import type { Relation } from "../../protocol/record/link.ts"
import { compareMarking, type Marking } from "../../protocol/record/marking.ts"
import {
  type ComityRecord,
  decodeRecord,
  encodeRecord,
  recordDigest,
} from "../../protocol/record/record.ts"
import { everybody } from "../../protocol/release/grant.ts"
import { findPeer } from "../authority/peers.ts"
import { type Context, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { lastDayFor } from "../reading/calendar.ts"
import { contentOf, findRecord, liveFacts } from "../reading/records.ts"
import { memberById } from "../store/queries/members.ts"
import { type DraftFields, formatDraft } from "./draft.ts"
import { addDraft, draftById, freezeDraft, removeDraft } from "./drafts.ts"
import { type ReleaseRequest, type Requested, requestRelease } from "./release.ts"

/**
 * What is said about a record is a record that links to it, released by an order like any other: a question,
 * an answer, a notice, a status, a reservation. docs/dialogue.md
 */
export type Saying = {
  readonly relation: Relation
  /** what it is about; a question may be about none */
  readonly record?: string
  readonly text?: string
  readonly title?: string
  readonly status?: string
  /** left out: the origin of what it is about, or, of ours, whoever holds it */
  readonly to?: readonly string[]
  /** of an answer: members that are told question and answer, and not who asked */
  readonly also?: readonly string[]
  readonly profile?: string
  readonly language?: string
  readonly areas?: readonly string[]
  readonly fields?: Readonly<Record<string, string>>
}

/** The names that kinds for it have in profiles of mechanisms, and at last in `dialogue`. */
const kinds: { readonly [relation in Saying["relation"]]: readonly string[] } = {
  adopts: ["adoption-feedback", "adoption"],
  agrees: ["acceptance"],
  answers: ["clarification", "answer"],
  asks: ["clarification", "question"],
  "follows-up": ["follow-up"],
  replies: ["comment"],
  requests: ["assistance-request"],
  reserves: ["reservation"],
  responds: ["assistance-reply"],
}

/** The field that says how something stands, where that is not `status`. */
const statusFields: { readonly [relation in Relation]?: string } = {
  "follows-up": "progress",
  responds: "assistance",
}

/** @throws `record.*`, `recipient.*`, `peer.*`, `draft.errors`, `profile.*` */
export async function say(context: Context, saying: Saying): Promise<Requested> {
  await keepFinding(context, saying)
  const parent = saying.record === undefined ? null : await heldRecord(context, saying.record)
  if (parent === null && saying.relation !== "asks" && saying.relation !== "requests")
    throw new NodeError("record.unknown", "What it is about was not named.")
  if (saying.relation === "requests" && saying.to === undefined)
    throw new NodeError("recipient.none", "No donor was named.")
  const to = saying.to ?? (await addressees(context, parent))
  if (saying.relation === "asks" && parent !== null) await assertOpen(context, saying, parent)
  const request = { to, purpose: "dialogue" }
  const words = await word(context, saying, parent, to)
  // What is said against a record goes wherever the record goes.
  const onward = travels(context, saying, parent) ? ({ onward: "free" } as const) : {}
  if (saying.also === undefined || parent === null)
    return releaseDraft(context, words, { ...request, ...onward })
  const { question, ...asked } = await quote(context, saying, parent, words)
  const answered = await releaseDraft(context, words, request)
  const quoted = await releaseDraft(context, question, { ...asked, purpose: "dialogue" })
  return {
    ...answered,
    orders: [...answered.orders, ...quoted.orders],
    needs: Math.max(answered.needs, quoted.needs),
    grants: answered.grants + quoted.grants,
    preview: [...answered.preview, ...quoted.preview],
  }
}

/** @throws `question.closed` after the last day for questions, as far as that is known here */
async function assertOpen(context: Context, saying: Saying, parent: ComityRecord): Promise<void> {
  const profile = findProfile(parent.profile.digest)?.profile
  if (profile === undefined || saying.profile === dialogue.id) return
  const last = await lastDayFor(context, "asked", profile)
  if (last !== null && last < today(context))
    throw new NodeError(
      "question.closed",
      `Questions under ${profile.id} could be put until ${last}.`,
      {
        hint: "--profile dialogue asks outside the review, where nobody has to answer.",
      },
    )
}

function travels(context: Context, { relation }: Saying, parent: ComityRecord | null): boolean {
  if (relation === "reserves") return true
  const profile = parent === null ? undefined : findProfile(parent.profile.digest)?.profile
  if (relation !== "replies" || parent === null || profile === undefined) return false
  const isParty = partiesTo({ record: parent, profile }).includes(context.self.id)
  return isParty && parent.origin !== context.self.id
}

async function releaseDraft(
  context: Context,
  words: DraftFields,
  request: Omit<ReleaseRequest, "records">,
): Promise<Requested> {
  const draft = await addDraft(context, formatDraft(words))
  try {
    return await requestRelease(context, { records: [draft.record], ...request })
  } catch (cause) {
    await removeDraft(context, draft.record)
    throw cause
  }
}

/** Question and answer for others: a comment on what was asked about, that leads to nobody who asked. */
async function quote(
  context: Context,
  { also = [] }: Saying,
  question: ComityRecord,
  answer: DraftFields,
) {
  const { about } = question
  if (about === undefined)
    throw new NodeError("record.unknown", "That question is about no record that others hold.")
  const asked = await heldRecord(context, about.id)
  const words = await word(
    context,
    { relation: "replies", profile: dialogue.id, title: answer.title, language: answer.language },
    asked,
    also,
  )
  const marking =
    compareMarking(question.marking, words.marking) > 0 ? question.marking : words.marking
  const body = `${question.body.trim().replace(/^/gm, "> ")}\n\n${answer.body}`
  return { question: { ...words, body, marking }, to: also }
}

async function heldRecord(context: Context, prefix: string): Promise<ComityRecord> {
  return decodeRecord((await contentOf(context, await findRecord(context, prefix))).bytes)
}

/** A finding that never leaves is still one: help is asked for with it, and its status told. */
async function keepFinding(context: Context, { record, relation }: Saying): Promise<void> {
  if (record === undefined || !ofFindings.includes(relation)) return
  const draft = await draftById(context, record).catch(() => null)
  if (draft?.released === 0)
    await context.db.transaction().execute((trx) => freezeDraft(context, trx, draft))
}
const ofFindings: readonly Relation[] = ["follows-up", "requests"]

/** Its origin; of a record of ours, the members that hold it. */
async function addressees(
  context: Context,
  parent: ComityRecord | null,
): Promise<readonly string[]> {
  if (parent === null) throw new NodeError("recipient.none", "No recipient was named.")
  if (parent.origin !== context.self.id) return [parent.origin]
  const holders = (await liveFacts(context, parent)).map(({ recipient }) => recipient)
  // What we add to what everybody may read is for everybody only if we say so.
  return [...new Set(holders)].filter((one) => one !== everybody).sort()
}

async function word(
  context: Context,
  saying: Saying,
  parent: ComityRecord | null,
  to: readonly string[],
): Promise<DraftFields> {
  const { digest, profile, kind } = formOf(saying, parent)
  const rule = findKind(profile, kind)
  const text = saying.text?.trim() ?? ""
  const status =
    saying.status === undefined
      ? {}
      : { [statusFields[saying.relation] ?? "status"]: saying.status }
  const known = {
    ...(await addressee(context, rule?.required.includes("toState") === true ? to[0] : undefined)),
    ...(parent === null ? {} : { ...parent.fields, reference: parent.id }),
    ...(rule?.required.includes("donors") === true ? { donors: await idsOf(context, to) } : {}),
  }
  const copied = (rule?.required ?? []).flatMap((name) =>
    Object.hasOwn(known, name) ? [[name, known[name as keyof typeof known]!] as const] : [],
  )
  const areas = saying.areas ?? (parent === null ? [] : parent.areas)
  return {
    ...(parent === null ? {} : { about: linkTo(saying.relation, parent) }),
    areas: [...new Set(areas)].sort(),
    body: text === "" ? titleOf(saying, parent) : text,
    fields: { ...Object.fromEntries(copied), ...saying.fields, ...status },
    kind,
    language: saying.language ?? parent?.language ?? "en",
    marking: narrowest(rule?.marking.default ?? "TLP:AMBER", parent, rule?.marking.allowed),
    profile: { digest, id: profile.id },
    title: saying.title ?? titleOf(saying, parent),
  }
}

/** The mechanism's own kind where it has one for this, else the one of `dialogue`. */
function formOf(saying: Saying, parent: ComityRecord | null) {
  const names = kinds[saying.relation]
  const wanted = saying.profile ?? parent?.profile.id ?? dialogue.id
  const found = findProfileById(wanted)
  if (found === null) throw new ProtocolError("profile.unknown", { detail: wanted })
  const kind = names.find((name) => fits(found.profile, name, parent))
  if (kind !== undefined) return { ...found, kind }
  if (saying.profile !== undefined)
    throw new ProtocolError("profile.violated", {
      detail: `${wanted} has no kind of record that ${saying.relation} such a one`,
    })
  return { ...findProfileById(dialogue.id)!, kind: names.at(-1)! }
}

function fits(profile: Profile, kind: string, parent: ComityRecord | null): boolean {
  if (!Object.hasOwn(profile.kinds, kind)) return false
  const { parents } = profile.kinds[kind]!
  return parents === undefined || (parent !== null && parents.includes(parent.kind))
}

/** Members as a record names them. */
async function idsOf(context: Context, names: readonly string[]): Promise<string> {
  const ids = new Set<string>()
  for (const name of names) ids.add((await findPeer(context, name)).member)
  return [...ids].toSorted().join(" ")
}

async function addressee(context: Context, name: string | undefined) {
  if (name === undefined) return {}
  const { member } = await findPeer(context, name)
  const known = await memberById(context.db, member)
  return known === null ? {} : { toState: newestRoot(known).payload.state }
}

function linkTo(relation: Relation, record: ComityRecord) {
  const { id, origin, version } = record
  return { digest: recordDigest(encodeRecord(record)), id, origin, relation, version }
}

function titleOf({ relation, text, status }: Saying, parent: ComityRecord | null): string {
  const [first = ""] = (text ?? "").trim().split(/\n|(?<=[.?!])\s/)
  const said = first.replace(/\s+/g, " ").trim()
  if (said !== "") return said.length <= 120 ? said : `${said.slice(0, 117)}…`
  return `${status ?? relation}: ${parent?.title ?? ""}`.slice(0, 300).trim()
}

function narrowest(
  byDefault: Marking,
  parent: ComityRecord | null,
  allowed: readonly string[] = [],
): Marking {
  if (parent === null || compareMarking(parent.marking, byDefault) <= 0) return byDefault
  return allowed.includes(parent.marking) ? parent.marking : byDefault
}
