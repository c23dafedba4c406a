import { makeObjection } from "../../node/order/objection.ts"
import { tell, type Written } from "./mechanism.ts"
import { authoriseAndPublish, type TestNode } from "./network.ts"

/** What a silence procedure takes: an agreement to it, and a word against it. */

export function agreeToSilence(
  host: TestNode,
  service: TestNode,
  profile: string,
  more: Written = {},
): Promise<string> {
  const name = typeof more.mission === "string" ? more.mission : "the mission"
  return tell(host, [service], profile, "tacit-agreement", {
    title: `${name}, silence after 90 days`,
    dates: "2026-11-30/2026-12-17",
    mission: name,
    scope: "all areas",
    service: profile,
    ...more,
  })
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
