import { expect } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { publish } from "../../node/log/sequencer.ts"
import { makeObjection } from "../../node/order/objection.ts"
import { showOrder } from "../../node/order/orders.ts"
import type { ReleaseRequest } from "../../node/order/release.ts"
import { everybodyReads, pass } from "./days.ts"
import {
  agree,
  agreeMission,
  digestOf,
  holds,
  membersOf,
  named,
  propose,
  rewrite,
  send,
  share,
  tell,
  write,
} from "./mechanism.ts"
import { authoriseAndPublish, type TestNode } from "./network.ts"
import { codeOf } from "./refusal.ts"
import { nameWitnesses } from "./witnessing.ts"

/** What a silence procedure takes: an agreement to it, and a word against it. */

/** A host that another State watches, and its agreement to be silent for one mission of the team. */
export async function silentMission(mechanism: string, roles: readonly string[]) {
  const team = { kind: "team", roles: ["teamLeader"] } as const
  const net = await membersOf({ xa: { roles }, xt: team, xc: { roles } })
  const { xa, xt } = net.nodes
  await nameWitnesses(xa, { add: ["xc"] })
  await everybodyReads(net)
  await agreeMission(xa, xt, mechanism)
  const agreement = await agreeToSilence(xa, xt, mechanism)
  await everybodyReads(net)
  return Object.assign(net, { agreement, digest: await digestOf(xa, agreement) })
}

export function agreeToSilence(
  host: TestNode,
  service: TestNode,
  profile: string,
  mission = "Mission 2026",
  terms: Pick<ReleaseRequest, "evidence"> = {},
): Promise<string> {
  const written = {
    title: `${mission}, silence after 90 days`,
    dates: "2026-11-30/2026-12-17",
    mission,
    scope: "all areas",
    service: profile,
  }
  return tell(host, [service], profile, "tacit-agreement", written, terms)
}

/** The host's officers object to a record that it got, or to all under an agreement. */
export async function object(host: TestNode, record: string) {
  const made = await makeObjection(host.context, record, "names a person")
  await authoriseAndPublish(
    host,
    made.map(({ order }) => order),
  )
  return made
}

/** One mission under one mechanism: silence lets its report go, an objection on the last day stops a finding. */
export async function silenceAndObjection(
  mechanism: string,
  roles: readonly string[],
  area: string,
): Promise<void> {
  await using net = await silentMission(mechanism, roles)
  const { xa, xt, xc } = net.nodes
  const about = { agreement: net.digest, host: named(xa) }
  const days = { dates: "2026-11-30/2026-12-17", findings: "1", scope: "all", team: "R1" }
  const report = await write(xt, mechanism, "mission-report", { ...about, ...days })
  const observed = { ...about, areas: [area], observation: "As seen. Synthetic." }
  const finding = await write(xt, mechanism, "suggestion", observed)
  await share(xt, [report.record, finding.record], [xa])
  await sync(xt.context, "xa")
  const ask = async ({ record }: typeof report) =>
    (await propose(xt, record, [xc], { beyondDefault: true }))[0]!
  expect(await codeOf(publish(xt.context, await ask(report)))).toBe("order.unconsented")

  await pass(net, 90)
  await object(xa, finding.record)
  await pass(net, 1)
  const stopped = await ask(finding)
  expect((await showOrder(xt.context, stopped)).missing).toEqual([
    "the consent of xa, which has objected",
  ])
  expect(await codeOf(publish(xt.context, stopped))).toBe("order.unconsented")
  await send(xt, [await ask(report)], [xc])
  expect(await holds(xc)).toEqual(["A mission-report"])

  // Asked again, it may agree to another wording: then that goes out, by its consent.
  await rewrite(xt, finding.record, mechanism, "suggestion", { ...observed, title: "Reworded" })
  await share(xt, finding.record, [xa])
  const reworded = await ask(finding)
  await agree(xa, reworded, xt)
  await everybodyReads(net)
  await send(xt, [reworded], [xc])
  expect(await holds(xc)).toEqual(["A mission-report", "Reworded"])
}
