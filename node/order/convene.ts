import { type Group, groupFields } from "../../protocol/record/group.ts"
import { findPeer, nameOf } from "../authority/peers.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { formatDraft } from "./draft.ts"
import { addDraft, editDraft } from "./drafts.ts"
import { findGroup, type Groups, type GroupVersion, groupsKnown } from "./groups.ts"
import { type Requested, requestRelease, requestWithdrawal } from "./release.ts"

/**
 * Forming a group: every version, acceptance and departure is a record that officers release like any
 * other; what is made here are the orders for them to sign.
 */

export type GroupView = {
  /** as it is named in commands */
  readonly group: string
  readonly convener: string
  readonly record: string
  readonly version: number
  readonly digest: string
  readonly purpose: string
  readonly members: readonly string[]
  /** whom the version lists, and who has left by closing */
  readonly closed: readonly string[]
  readonly listed: boolean
  readonly accepted: boolean
  /** who issues the next version, where that is another than who issued this one */
  readonly passedTo?: string
  /** where we convene: who has accepted and is not listed yet, and who has left and still is */
  readonly waiting?: readonly string[]
  readonly left?: readonly string[]
}

export async function listGroups(context: Context): Promise<readonly GroupView[]> {
  const groups = await groupsKnown(context)
  return Promise.all(groups.heads.map((one) => viewOf(context, groups, one)))
}

export async function showGroup(context: Context, wanted: string): Promise<GroupView> {
  return viewOf(context, await groupsKnown(context), await findGroup(context, wanted))
}

async function viewOf(context: Context, groups: Groups, head: GroupVersion): Promise<GroupView> {
  const { group, origin, id, version, digest, record } = head
  const present = groups.present(group)
  const names = (members: readonly string[]) =>
    Promise.all(members.map((member) => nameOf(context, member)))
  const self = context.self.id
  const spoken = groups.spokenOf(head)
  const waiting = spoken.filter(
    (one) => groups.wordOf(one, head) === "accepted" && !isIn(group, one),
  )
  const left = spoken.filter((one) => groups.wordOf(one, head) === "left" && isIn(group, one))
  return {
    group: `@${group.name}`,
    convener: await nameOf(context, origin),
    record: id,
    version,
    digest,
    purpose: record.body,
    members: await names(present.members),
    closed: await names(group.members.filter((member) => !isIn(present, member))),
    listed: isIn(present, self),
    accepted: origin === self || groups.wordOf(self, head) === "accepted",
    ...(group.convener === origin ? {} : { passedTo: await nameOf(context, group.convener) }),
    ...(group.convener === self ? { waiting: await names(waiting), left: await names(left) } : {}),
  }
}

function isIn({ members }: Group, member: string): boolean {
  return members.includes(member)
}

/** The first version, which lists nobody but us, for those who are invited. @throws as requestRelease */
export async function createGroup(
  context: Context,
  wanted: { readonly name: string; readonly purpose: string; readonly invite: readonly string[] },
): Promise<Requested> {
  const { name, purpose, invite } = wanted
  const self = context.self.id
  const known = (await groupsKnown(context)).heads
  if (known.some(({ group, origin }) => origin === self && group.name === name))
    throw new NodeError("group.ambiguous", `We convene a group ${name} already.`)
  const group = { name, members: [self], convener: self, previous: null }
  const { record } = await addDraft(context, textOf(group, purpose))
  return requestRelease(context, { records: [record], to: invite })
}

function textOf(group: Group, purpose: string): string {
  return textOfRecord("group", `Group ${group.name}`, purpose, groupFields(group))
}

function textOfRecord(
  kind: string,
  title: string,
  body: string,
  fields: { readonly [name: string]: string },
): string {
  const common = { areas: [], language: "en", marking: "TLP:AMBER" } as const
  return formatDraft({ ...common, kind, title, body, fields, profile: { id: "liaison" } })
}

/** The version in force, as it is, to others: they may accept. @throws `group.*`, as requestRelease */
export async function inviteToGroup(
  context: Context,
  wanted: string,
  peers: readonly string[],
): Promise<Requested> {
  const head = await oursToChange(context, wanted)
  const group = await presentIn(context, head)
  const records = [await draftAs(context, head, group)]
  // Where somebody has closed, it is the next version, which goes to all.
  const listed = group === head.group ? [] : othersIn(context, group)
  return requestRelease(context, { records, to: [...peers, ...listed] })
}

/**
 * Our acceptance, to the convener; or, where convening has passed to us, our first version.
 *
 * @throws `group.*`, as requestRelease
 */
export async function acceptGroup(context: Context, wanted: string): Promise<Requested> {
  const head = await findGroup(context, wanted)
  if (head.group.convener === context.self.id && head.origin !== context.self.id)
    return release(context, head, await presentIn(context, head))
  return state(context, head, "group-acceptance", "We accept to be listed in this group.")
}

/** Our departure, to the convener, who will list us no more. @throws `group.*`, as requestRelease */
export async function leaveGroup(context: Context, wanted: string): Promise<Requested> {
  const head = await findGroup(context, wanted)
  return state(context, head, "group-departure", "We leave this group.")
}

async function state(
  context: Context,
  { group, origin, digest }: GroupVersion,
  kind: "group-acceptance" | "group-departure",
  body: string,
): Promise<Requested> {
  if (origin === context.self.id)
    throw new NodeError("group.not-ours", "Whoever convenes a group is in it by that.", {
      hint: `To leave it, pass it on first: comity group pass @${group.name} PEER`,
    })
  const title = kind === "group-departure" ? `Departure from ${group.name}` : group.name
  const { record } = await addDraft(context, textOfRecord(kind, title, body, { group: digest }))
  return requestRelease(context, { records: [record], to: [group.convener] })
}

/** The next version, which lists them too. @throws `group.unaccepted`, `group.*`, as requestRelease */
export async function addToGroup(
  context: Context,
  wanted: string,
  peers: readonly string[],
): Promise<Requested> {
  const head = await oursToChange(context, wanted)
  const added: string[] = []
  for (const name of peers) added.push((await findPeer(context, name)).member)
  const present = await presentIn(context, head)
  const members = [...new Set([...present.members, ...added])].sort()
  return release(context, head, { ...present, members })
}

/**
 * The next version, without them; and what they hold of the group is taken back from them.
 *
 * @throws `group.*`, as requestRelease and requestWithdrawal
 */
export async function removeFromGroup(
  context: Context,
  wanted: string,
  peers: readonly string[],
): Promise<Requested> {
  const head = await oursToChange(context, wanted)
  const removed = new Set<string>()
  for (const name of peers) removed.add((await findPeer(context, name)).member)
  const present = await presentIn(context, head)
  const members = present.members.filter((member) => !removed.has(member))
  if (![...removed].every((member) => isIn(head.group, member)))
    throw new NodeError("group.unknown", `Not all of them are in ${wanted}.`, {
      hint: `comity group show ${wanted}`,
    })
  const reason = `no longer in the group ${head.group.name}`
  const taken = await requestWithdrawal(context, { record: head.id, reason, from: [...removed] })
  // Where nobody is left but us, there is no group any more.
  if (members.length < 2) return taken
  const next = await release(context, head, { ...present, members })
  return {
    ...next,
    orders: [...next.orders, ...taken.orders],
    grants: next.grants + taken.grants,
    preview: [...next.preview, ...taken.preview],
  }
}

/** The last version by us, which names who convenes from now on. @throws `group.*`, as requestRelease */
export async function passGroup(
  context: Context,
  wanted: string,
  peer: string,
): Promise<Requested> {
  const head = await oursToChange(context, wanted)
  const { member, name } = await findPeer(context, peer)
  const present = await presentIn(context, head)
  if (!isIn(present, member))
    throw new NodeError("group.unknown", `${name} is not in ${wanted}.`, {
      hint: "Convening passes to a member: invite and add it first.",
    })
  return release(context, head, { ...present, convener: member })
}

/** A version to all whom it lists. */
async function release(context: Context, head: GroupVersion, group: Group): Promise<Requested> {
  const record = await draftAs(context, head, group)
  return requestRelease(context, { records: [record], to: othersIn(context, group) })
}

function othersIn({ self }: Context, { members }: Group): readonly string[] {
  return members.filter((member) => member !== self.id)
}

/** The version in force as the next one begins: whoever has closed is listed no more. */
async function presentIn(context: Context, { group }: GroupVersion): Promise<Group> {
  return (await groupsKnown(context)).present(group)
}

/** @throws `group.not-ours`, `group.pending` */
async function oursToChange(context: Context, wanted: string): Promise<GroupVersion> {
  const head = await findGroup(context, wanted)
  const self = context.self.id
  if (head.group.convener !== self) {
    const name = await nameOf(context, head.group.convener)
    throw new NodeError("group.not-ours", `${wanted} is convened by ${name}.`, {
      hint: `Only its convener changes it: ask ${name}.`,
    })
  }
  const pending = await context.db
    .selectFrom("release_order")
    .innerJoin("order_grant", "order_grant.order_id", "release_order.id")
    .select("release_order.id")
    .where("release_order.state", "in", ["open", "scheduled"])
    .where("order_grant.order_origin", "=", self)
    .where("order_grant.record_id", "=", head.id)
    .executeTakeFirst()
  if (pending !== undefined)
    throw new NodeError("group.pending", `Order ${pending.id} about ${wanted} is not done yet.`, {
      hint: "Have it signed and published, or end it: comity order cancel ORDER. Then begin again.",
    })
  return head
}

/** The draft of our record of this group, so that it says exactly this; the version in force as it is. */
async function draftAs(context: Context, head: GroupVersion, group: Group): Promise<string> {
  const purpose = head.record.body
  if (head.origin !== context.self.id) {
    const first = { ...group, convener: context.self.id, previous: head.digest }
    return (await addDraft(context, textOf(first, purpose))).record
  }
  const next = group === head.group ? group : { ...group, previous: head.digest }
  await editDraft(context, head.id, textOf(next, purpose))
  return head.id
}
