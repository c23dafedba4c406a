import { sha256 } from "../../protocol/crypto/hash.ts"
import { encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { type Deadline, dueOn } from "../../protocol/profiles/cycle.ts"
import { dialogue } from "../../protocol/profiles/dialogue.ts"
import type { Profile } from "../../protocol/profiles/profile.ts"
import { builtInProfiles, findProfile, findProfileById } from "../../protocol/profiles/registry.ts"
import type { ComityRecord } from "../../protocol/record/record.ts"
import { isDay } from "../../protocol/shape.ts"
import { nameOf } from "../authority/peers.ts"
import { type Context, dayOf, today } from "../context.ts"
import { NodeError } from "../errors.ts"
import { formatDraft, parseDraft } from "../order/draft.ts"
import { addDraft, type DraftView, editDraft } from "../order/drafts.ts"
import { heldRecords } from "../order/linked.ts"
import { factsWithContent } from "../store/queries/contents.ts"
import { releasing } from "../store/queries/partial.ts"
import type { Db } from "../store/schema.ts"
import { requests } from "./assistance.ts"
import { agreedMissions, fromMissions } from "./missions.ts"
import { nextStatuses } from "./next-status.ts"
import { findRecord } from "./records.ts"

/**
 * What is due when: the offsets of a profile from days that are known here. A day comes from a milestone, a
 * record of ours or of another member, or from a release of ours. docs/dialogue.md
 */
export type DeadlineView = {
  readonly deadline: string
  readonly day: string
  readonly what: string
  readonly mechanism: string
  readonly anchor: string
  /** who says when its anchor is */
  readonly from: string
  readonly title?: string
  readonly state: "ahead" | "soon" | "met" | "passed" | "overdue"
  /** overdue, and its mechanism may list who missed it */
  readonly listed?: true
  /** the last day, of what takes more than one */
  readonly until?: string
}

export type Due = Omit<DeadlineView, "deadline" | "state" | "listed"> & {
  readonly key: string
  readonly onMiss: Deadline["onMiss"]
}
type Milestone = {
  readonly mechanism: string
  readonly anchor: string
  readonly day: string
  readonly origin: string
  readonly about: string
}

const soonDays = 30
const dayMs = 86_400_000

export async function calendar(
  context: Context,
): Promise<{ readonly deadlines: readonly DeadlineView[] }> {
  const milestones = await milestonesOf(context)
  const dues = [
    ...(await fromMilestones(context, milestones)),
    ...(await fromReleases(context)),
    ...(await fromFields(context)),
    ...(await fromQuestions(context, milestones)),
    ...(await fromRequests(context)),
    ...(await fromMissions(context)),
    ...(await nextStatuses(context)),
  ]
  const met = new Set(
    (await context.db.selectFrom("met").select("deadline").execute()).map((row) => row.deadline),
  )
  const now = today(context)
  const soon = dayOf(context.env.clock.now() + soonDays * dayMs)
  const views = dues.map(({ key, onMiss, ...due }): DeadlineView => {
    const deadline = encodeHex(sha256(utf8(key)).subarray(0, 8))
    if (met.has(deadline)) return { ...due, deadline, state: "met" }
    if ((due.until ?? due.day) >= now)
      return { ...due, deadline, state: due.day <= soon ? "soon" : "ahead" }
    // What nobody is told of when it is missed is past, and no more is said.
    if (onMiss === "nothing") return { ...due, deadline, state: "passed" }
    const listed = onMiss === "list" ? ({ listed: true } as const) : {}
    return { ...due, deadline, state: "overdue", ...listed }
  })
  return { deadlines: views.toSorted((a, b) => (a.day < b.day ? -1 : 1)) }
}

/**
 * Says when an anchor of a mechanism is: a draft of ours from then on, which others learn once it is
 * released to them.
 *
 * @throws `profile.unknown`, `terms.invalid`, `record.*`
 */
export async function setMilestone(
  context: Context,
  request: {
    readonly mechanism: string
    readonly anchor: string
    readonly day: string
    readonly about?: string
  },
): Promise<DraftView> {
  const { mechanism, anchor, day } = request
  const found = findProfileById(mechanism)
  if (found === null) throw new ProtocolError("profile.unknown", { detail: mechanism })
  const anchors = anchorsOf(found.profile)
  if (!anchors.includes(anchor))
    throw new NodeError("terms.invalid", `${mechanism} counts nothing from ${anchor}.`, {
      hint: anchors.length === 0 ? "It has no deadlines." : `It counts from ${anchors.join(", ")}.`,
    })
  if (!isDay(day))
    throw new NodeError("terms.invalid", `${day} is not a day.`, { hint: "As in 2027-03-15." })
  const about = request.about === undefined ? null : await findRecord(context, request.about)
  const source = formatDraft({
    ...(about === null
      ? {}
      : { about: { id: about.id, origin: about.origin, relation: "replies" as const } }),
    areas: [],
    body: `${anchor} under ${mechanism} is on ${day}.`,
    fields: { anchor, day, mechanism },
    kind: "milestone",
    language: "en",
    marking: "TLP:AMBER",
    profile: { id: dialogue.id },
    title: `${mechanism}: ${anchor} on ${day}`,
  })
  const before = (await ownMilestones(context.db, context.self.id)).find(
    (one) =>
      one.mechanism === mechanism && one.anchor === anchor && one.about === (about?.id ?? ""),
  )
  return before === undefined ? addDraft(context, source) : editDraft(context, before.draft, source)
}

/** @throws `deadline.unknown` */
export async function meetDeadline(context: Context, wanted: string): Promise<DeadlineView> {
  const { deadlines } = await calendar(context)
  const found = deadlines.filter(({ deadline }) => deadline.startsWith(wanted))
  const [deadline] = found
  if (deadline === undefined || found.length > 1)
    throw new NodeError("deadline.unknown", `No one deadline begins with ${wanted}.`, {
      hint: "comity calendar list has them, with their ids.",
    })
  await context.db
    .insertInto("met")
    .values({ deadline: deadline.deadline, at: context.env.clock.now() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return { ...deadline, state: "met" }
}

/** The last day for questions under a record's mechanism; null where there is none, or it is not known. */
export async function lastDayFor(
  context: Context,
  act: "asked" | "answered",
  { id, questions }: Profile,
): Promise<string | null> {
  return windowEnd(await milestonesOf(context), act, id, questions)
}

function windowEnd(
  milestones: readonly Milestone[],
  act: "asked" | "answered",
  mechanism: string,
  questions: Profile["questions"],
): string | null {
  const window = questions?.window
  if (window === undefined) return null
  const days = milestones
    .filter((one) => one.mechanism === mechanism && one.anchor === window.anchor)
    .map(({ day }) => dueOn(day, { offset: window[act] }))
  // Of several meetings the last: the window of the next one is open.
  return days.toSorted().at(-1) ?? null
}

function anchorsOf({ deadlines = [], questions }: Profile): readonly string[] {
  const window = questions?.window
  const anchors = deadlines.map(({ anchor }) => anchor)
  return [...new Set(window === undefined ? anchors : [...anchors, window.anchor])].sort()
}

async function milestonesOf(context: Context): Promise<readonly Milestone[]> {
  const { db, self } = context
  const own = await ownMilestones(db, self.id)
  const rows = await db
    .selectFrom("record")
    .select(["origin", "id"])
    .distinct()
    .where("kind", "=", "milestone")
    .where("profile_id", "=", dialogue.id)
    .where("origin", "!=", self.id)
    .execute()
  const theirs = (await heldRecords(context, rows)).flatMap(milestoneOf)
  const agreed = (await agreedMissions(context)).flatMap(({ days, record }): Milestone[] => {
    const { fields, id, origin } = record
    const of = { mechanism: fields.mechanism ?? "", origin, about: id }
    return [
      { ...of, anchor: "mission-start", day: days.from },
      { ...of, anchor: "mission-end", day: days.to },
    ]
  })
  // Our own word goes before what others say of the same thing.
  const nameOfOne = ({ mechanism, anchor, about }: Milestone) => `${mechanism} ${anchor} ${about}`
  const ours = new Set(own.map(nameOfOne))
  return [...own, ...[...theirs, ...agreed].filter((one) => !ours.has(nameOfOne(one)))]
}

async function ownMilestones(db: Db, origin: string) {
  const drafts = await db
    .selectFrom("draft")
    .select(["id", "source"])
    .where("source", "like", "%kind: milestone%")
    .execute()
  return drafts.flatMap(({ id, source }) =>
    milestoneOf({ ...parseDraft(source).fields, origin }).map((one) => ({ ...one, draft: id })),
  )
}

function milestoneOf({
  about,
  fields,
  kind,
  origin,
  profile,
}: Pick<ComityRecord, "about" | "fields" | "kind" | "origin" | "profile">): readonly Milestone[] {
  const { anchor, day, mechanism } = fields
  if (kind !== "milestone" || profile.id !== dialogue.id || anchor === undefined) return []
  if (day === undefined || mechanism === undefined || !isDay(day)) return []
  return [{ mechanism, anchor, day, origin, about: about?.id ?? "" }]
}

async function fromMilestones(
  context: Context,
  milestones: readonly Milestone[],
): Promise<readonly Due[]> {
  const dues: Due[] = []
  for (const { mechanism, anchor, day, origin, about } of milestones) {
    const from = await nameOf(context, origin)
    for (const deadline of findProfileById(mechanism)?.profile.deadlines ?? []) {
      if (deadline.anchor !== anchor) continue
      const { what, onMiss } = deadline
      const due = dueOn(day, deadline)
      const key = `${mechanism} ${anchor} ${about} ${what} ${due}`
      dues.push({ key, day: due, what, mechanism, anchor, from, onMiss })
    }
  }
  return dues
}

/** What is counted from our own release of a record. */
const releaseAnchors = ["last", "shared"]

async function fromReleases(context: Context): Promise<readonly Due[]> {
  const { db, self } = context
  const counting = builtInProfiles.filter(({ profile }) =>
    profile.deadlines?.some(({ anchor }) => releaseAnchors.includes(anchor)),
  )
  const rows = await factsWithContent(db)
    .select((eb) => ["rule_profile", "record_id", "title", eb.fn.max<number>("fact.at").as("at")])
    .where("record_origin", "=", self.id)
    .where(releasing)
    .where(
      "rule_profile",
      "in",
      counting.map(({ digest }) => digest),
    )
    .groupBy(["rule_profile", "record_id"])
    .execute()
  const from = await nameOf(context, self.id)
  return rows.flatMap(({ rule_profile, record_id, title, at }) => {
    const { id: mechanism, deadlines = [] } = findProfile(rule_profile)!.profile
    return deadlines
      .filter(({ anchor }) => releaseAnchors.includes(anchor))
      .map((deadline): Due => {
        const { what, anchor, onMiss } = deadline
        const day = dueOn(dayOf(at), deadline)
        const key = `${mechanism} ${anchor} ${record_id} ${what} ${day}`
        return { key, day, what, mechanism, anchor, from, title, onMiss }
      })
  })
}

/** Records that say by when something is done. */
async function fromFields(context: Context): Promise<readonly Due[]> {
  const kinds = builtInProfiles.flatMap(({ profile }) =>
    Object.entries(profile.kinds)
      .filter(([, { relation }]) => relation !== "requests")
      .filter(([, { optional, required }]) => [...optional, ...required].includes("due"))
      .map(([kind]) => kind),
  )
  const rows = await context.db
    .selectFrom("record")
    .select(["origin", "id"])
    .distinct()
    .where("kind", "in", [...new Set(kinds)])
    .execute()
  const dues: Due[] = []
  for (const { fields, id, origin, profile, title } of await heldRecords(context, rows)) {
    const { due } = fields
    if (due === undefined || !isDay(due)) continue
    const from = await nameOf(context, origin)
    const what = { day: due, what: "Done, as was said", mechanism: profile.id, anchor: "due" }
    dues.push({ ...what, key: `${origin} ${id} ${due}`, from, title, onMiss: "notify" })
  }
  return dues
}

/** Answers to requests for assistance, ours to give or to get: nobody owes one, so none is overdue. */
async function fromRequests(context: Context): Promise<readonly Due[]> {
  const dues: Due[] = []
  for (const { donors, due, record, title } of await requests(context)) {
    if (due === undefined || !isDay(due.day)) continue
    for (const { member, name, assistance } of donors) {
      if (assistance !== null) continue
      const what = `Answer of ${name} to a request for assistance`
      const key = `${record} ${member} ${due.day}`
      const { day, mechanism } = due
      dues.push({
        key,
        day,
        what,
        mechanism,
        anchor: "due",
        from: due.from,
        title,
        onMiss: "nothing",
      })
    }
  }
  return dues
}

/** Questions put to us under a mechanism with a window, until an answer of ours links to them. */
async function fromQuestions(
  context: Context,
  milestones: readonly Milestone[],
): Promise<readonly Due[]> {
  const { db, self } = context
  const rows = await db
    .selectFrom("record")
    .select(["record.origin", "record.id"])
    .distinct()
    .where("kind", "=", "question")
    .where("origin", "!=", self.id)
    .execute()
  const dues: Due[] = []
  for (const { id, origin, profile, title } of await heldRecords(context, rows)) {
    const known = findProfile(profile.digest)?.profile
    const day =
      known === undefined ? null : windowEnd(milestones, "answered", known.id, known.questions)
    if (known === undefined || day === null) continue
    const answered = await db
      .selectFrom("link")
      .innerJoin("content", "content.rid", "link.rid")
      .select("content.id")
      .where("to_id", "=", id)
      .where("to_origin", "=", origin)
      .where("relation", "=", "answers")
      .where("content.origin", "=", self.id)
      .executeTakeFirst()
    if (answered !== undefined) continue
    const onMiss = known.questions?.answers === "required" ? "notify" : "nothing"
    const from = await nameOf(context, origin)
    const what = {
      day,
      what: "Answer",
      mechanism: known.id,
      anchor: known.questions!.window!.anchor,
    }
    dues.push({ ...what, key: `${origin} ${id} answer ${day}`, from, title, onMiss })
  }
  return dues
}
