import { makeObjection } from "../../node/order/objection.ts"
import type { ReleaseRequest } from "../../node/order/release.ts"
import { everybodyReads } from "./days.ts"
import { agreeMission, digestOf, membersOf, tell } from "./mechanism.ts"
import { authoriseAndPublish, type TestNode } from "./network.ts"
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
