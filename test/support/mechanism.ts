import { stringify } from "yaml"
import { type Decision, signDecision } from "../../node/authority/decision.ts"
import { dayOf } from "../../node/context.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { makeConsent } from "../../node/order/consent.ts"
import { addDraft, editDraft } from "../../node/order/drafts.ts"
import { exportOrder } from "../../node/order/orders.ts"
import { type ReleaseRequest, requestRelease } from "../../node/order/release.ts"
import { type Saying, say } from "../../node/order/say.ts"
import { calendar, setMilestone } from "../../node/reading/calendar.ts"
import { inbox, type RecordView, show } from "../../node/reading/records.ts"
import type { Root } from "../../protocol/member/root.ts"
import { officerKey } from "./hostile.ts"
import {
  authorise,
  authoriseAndPublish,
  network,
  type TestNetwork,
  type TestNode,
} from "./network.ts"

/** Members of a mechanism as whole nodes: each with one officer in every role, everybody acquainted. */
export async function membersOf<const Name extends string>(
  members: {
    readonly [name in Name]: { readonly kind?: Root["kind"]; readonly roles: readonly string[] }
  },
  options: Parameters<typeof network>[1] = {},
): Promise<TestNetwork & { readonly nodes: { readonly [name in Name]: TestNode } }> {
  const founding = Object.fromEntries(
    Object.entries<(typeof members)[Name]>(members).map(([name, { kind = "state", roles }]) => [
      name,
      {
        kind,
        approvals: 1,
        ceiling: "TLP:RED" as const,
        officers: roles.map((role, i) => ({
          person: `p${i + 1}`,
          organisation: role,
          roles: [role],
        })),
      },
    ]),
  )
  const net = await network(Object.keys(members), { ...options, founding })
  return net as TestNetwork & { readonly nodes: { readonly [name in Name]: TestNode } }
}

export type Written = {
  readonly title?: string
  readonly body?: string
  readonly areas?: readonly string[]
  readonly language?: string
  readonly marking?: string
  readonly stage?: string
  readonly [field: string]: string | readonly string[] | undefined
}

/** A draft of this kind, as its author writes it; the findings are the caller's to judge. */
export function write(node: TestNode, profile: string, kind: string, written: Written = {}) {
  return addDraft(node.context, sourceOf(profile, kind, written))
}

/** The next version of a record, written anew. */
export function rewrite(
  node: TestNode,
  record: string,
  profile: string,
  kind: string,
  written: Written = {},
) {
  return editDraft(node.context, record, sourceOf(profile, kind, written))
}

function sourceOf(profile: string, kind: string, written: Written): string {
  const { body = "What is done, and how.", title = `A ${kind}`, ...rest } = written
  const matter = { title, profile, kind, ...rest }
  return `---\n${stringify(matter)}---\n${body}\n`
}

/** The order for these records is requested, signed by every officer, published, and fetched. */
export async function share(
  from: TestNode,
  records: string | readonly string[],
  to: readonly TestNode[],
  request: Partial<ReleaseRequest> = {},
): Promise<readonly string[]> {
  const { orders } = await requestRelease(from.context, {
    records: typeof records === "string" ? [records] : records,
    to: to.map(({ name }) => name),
    ...request,
  })
  await authoriseAndPublish(from, orders)
  for (const node of to) await sync(node.context, from.name)
  return orders
}

/** Written and shared at once. */
export async function tell(
  from: TestNode,
  to: readonly TestNode[],
  profile: string,
  kind: string,
  written: Written = {},
  request: Partial<ReleaseRequest> = {},
): Promise<string> {
  const { record } = await write(from, profile, kind, written)
  await share(from, record, to, request)
  return record
}

/** What a member holds of others, by title. */
export async function holds(node: TestNode): Promise<readonly string[]> {
  const { records } = await inbox(node.context)
  return records
    .filter(({ withdrawn }: RecordView) => !withdrawn)
    .map(({ title }) => title)
    .toSorted()
}

/** What its calendar has for it, in one line each. */
export async function dues({ context }: TestNode): Promise<readonly string[]> {
  const { deadlines } = await calendar(context)
  return deadlines.map(({ day, until, what, title, state }) =>
    [day, until, what, title, state].filter((text) => text !== undefined).join(" "),
  )
}

/** One member tells when the anchor of a mechanism's deadlines is. */
export async function tellDay(
  from: TestNode,
  to: readonly TestNode[],
  mechanism: string,
  anchor: string,
  day: string,
): Promise<void> {
  const { record } = await setMilestone(from.context, { mechanism, anchor, day })
  await share(from, record, to)
}

/** How many of these records say what in a field, as `node` holds them. */
export async function countBy(
  node: TestNode,
  records: readonly string[],
  field: string,
): Promise<{ readonly [text: string]: number }> {
  const counts: { [text: string]: number } = {}
  for (const record of records) {
    const { content } = await show(node.context, record)
    const { fields } = content as { readonly fields: { readonly [name: string]: string } }
    const said = fields[field] ?? "nothing"
    counts[said] = (counts[said] ?? 0) + 1
  }
  return counts
}

/** Errors in a draft, by rule. */
export function errorsIn({
  findings,
}: {
  readonly findings: readonly { readonly rule: string; readonly severity: string }[]
}): readonly string[] {
  return findings.filter(({ severity }) => severity === "error").map(({ rule }) => rule)
}

/** Whether a release may be asked for at all: its order is made and rolled back. */
export function mayAsk(
  from: TestNode,
  record: string,
  to: TestNode,
  request: Partial<ReleaseRequest> = {},
) {
  return requestRelease(from.context, {
    records: [record],
    to: [to.name],
    dryRun: true,
    ...request,
  })
}

/** The ids of these members as a record names them. */
export function named(...nodes: readonly TestNode[]): string {
  return nodes
    .map(({ context }) => context.self.id)
    .toSorted()
    .join(" ")
}

/** A release is asked for and signed by its own officers; others have yet to agree. */
export async function propose(
  from: TestNode,
  record: string | readonly string[],
  to: readonly TestNode[],
  request: Partial<ReleaseRequest> = {},
): Promise<readonly string[]> {
  const { orders } = await requestRelease(from.context, {
    records: typeof record === "string" ? [record] : record,
    to: to.map(({ name }) => name),
    ...request,
  })
  // Whoever proposes it to everybody means it.
  const named = typeof record === "string" ? [record] : record
  const confirmed = request.to?.includes("public") === true ? named : []
  for (const order of orders) await authorise(from, order, confirmed)
  return orders
}

/**
 * The officers of `by` look at the order that was exported to them and consent; its member hears of it.
 *
 * @param confirmed ids of records that they say again are for everybody
 */
export async function agree(
  by: TestNode,
  order: string,
  of: TestNode,
  confirmed: readonly string[] = [],
): Promise<string> {
  const exported = await exportOrder(of.context, order)
  const { order: consent } = await makeConsent(by.context, exported)
  await authoriseAndPublish(by, [consent], confirmed)
  await sync(of.context, by.name)
  return consent
}

/** One's own record, for everybody: the policy has a line for it, and these follow. */
export async function makePublic(
  from: TestNode,
  record: string,
  followers: readonly TestNode[],
): Promise<void> {
  const orders = await propose(from, record, [], { to: ["public"], beyondDefault: true })
  await send(from, orders, followers)
}

export async function send(from: TestNode, orders: readonly string[], to: readonly TestNode[]) {
  for (const order of orders) await publish(from.context, order)
  for (const node of to) await sync(node.context, from.name)
}

/** The digest of a record of ours, as others name it. */
export async function digestOf(node: TestNode, record: string): Promise<string> {
  const row = await node.context.db
    .selectFrom("record")
    .select("digest")
    .where("id", "=", record)
    .executeTakeFirstOrThrow()
  return row.digest
}

/** What this officer decides for their own member, signed on their own machine. */
export function decided(node: TestNode, person: string, decision: Decision): Promise<Uint8Array> {
  const { id: member, network: name } = node.context.self
  const to = { member, network: name, day: dayOf(node.env.clock.now()) }
  return signDecision(officerKey(node, person), to, decision)
}

/** What host and service agree on before a mission of this mechanism; each holds it, and that the other agrees. */
export async function agreeMission(
  host: TestNode,
  service: TestNode,
  mechanism: string,
  more: Written = {},
): Promise<{ readonly agreement: string; readonly acceptance: string }> {
  const agreement = await tell(host, [service], "dialogue", "mission-agreement", {
    title: "Mission agreement",
    access: "no vital areas",
    confidentiality: "with host and team",
    dates: "2027-03-01/2027-03-12",
    host: named(host),
    mechanism,
    mission: "synthetic",
    modules: "all",
    service: named(service),
    team: "R1: transport\nR2: culture",
    ...more,
  })
  return { agreement, acceptance: await acceptMission(service, host, agreement) }
}

/** What one member says about a record, in the hands of those it goes to. */
export async function speak(
  from: TestNode,
  saying: Saying,
  to: readonly TestNode[],
): Promise<string> {
  const { orders, preview } = await say(from.context, saying)
  await authoriseAndPublish(from, orders)
  for (const node of to) await sync(node.context, from.name)
  return preview[0]!.record
}

export function acceptMission(by: TestNode, of: TestNode, agreement: string): Promise<string> {
  return speak(by, { relation: "agrees", record: agreement }, [of])
}
