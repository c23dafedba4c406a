import { expect, test } from "vitest"
import { publish } from "../../../node/log/sequencer.ts"
import { editDraft, showDraft } from "../../../node/order/drafts.ts"
import { inbox } from "../../../node/reading/records.ts"
import { allowPublic } from "../../support/ceremony.ts"
import {
  acceptMission,
  agree,
  agreeMission,
  countBy,
  digestOf,
  errorsIn,
  holds,
  mayAsk,
  membersOf,
  named,
  propose,
  send,
  share,
  tell,
  write,
} from "../../support/mechanism.ts"
import { codeOf } from "../../support/refusal.ts"
import { silenceAndObjection } from "../../support/silence.ts"

const host = { roles: ["operator", "regulator"] }
const team = { kind: "team", roles: ["teamLeader"] } as const

/** The shape of the mission to Bruce B of 2015: numbers are public, contents invented. */
const mission2015 = {
  recommendation: 5,
  suggestion: 12,
  "good-practice": 10,
  "good-performance": 25,
}
const agreed = {
  title: "OSART mission 2015, silence after 90 days",
  dates: "2015-11-30/2015-12-17",
  mission: "OSART 2015, synthetic",
  scope: "all areas",
  service: "OSART",
}
const extra: { readonly [kind: string]: object } = {
  "good-practice": { basis: "SSR-2/2", replicability: "Easily.", whyBetter: "Nobody else does." },
  recommendation: { basis: "SSR-2/2", observation: "As seen.", party: "operations" },
  suggestion: { observation: "As seen." },
}

test("what a team found goes to the plant's State at once, and to others when plant and regulator agree", async () => {
  await using net = await membersOf({ xa: host, xt: team, xc: host })
  const { xa, xt, xc } = net.nodes
  await agreeMission(xa, xt, "osart")
  const agreement = await tell(xa, [xt], "osart", "tacit-agreement", agreed)
  const about = { agreement: await digestOf(xt, agreement), host: named(xa), facility: "Station B" }

  const records: string[] = []
  for (const [kind, count] of Object.entries(mission2015))
    for (let i = 0; i < count; i++) {
      const draft = await write(xt, "osart", kind, {
        ...about,
        ...extra[kind],
        areas: [String(1 + (i % 15))],
        body: "Somebody should do something about it. Synthetic, after public numbers.",
        title: `${kind} ${String(i + 1).padStart(2, "0")}`,
      })
      expect(errorsIn(draft)).toEqual([])
      records.push(draft.record)
    }
  expect(records).toHaveLength(52)
  await share(xt, records, [xa])
  expect(await holds(xa)).toHaveLength(53)

  expect(await codeOf(mayAsk(xt, records[0]!, xc))).toBe("recipient.audience")
  const orders = await propose(xt, records, [xc], { beyondDefault: true })
  expect(orders).toHaveLength(4)
  expect(await codeOf(publish(xt.context, orders[0]!))).toBe("order.unconsented")
  for (const order of orders) await agree(xa, order, xt)
  await send(xt, orders, [xc])
  const { records: held } = await inbox(xc.context)
  const ofKind = (kind: string) => held.filter((one) => one.kind === kind).length
  expect(Object.keys(mission2015).map(ofKind)).toEqual([5, 12, 10, 25])

  // The follow-up visit speaks of each finding in one of the words of this mechanism.
  const followUp = { ...about, actions: "Done.", reference: records[0]! }
  const status = (word: string) =>
    write(xt, "osart", "follow-up-status", { ...followUp, title: "Follow-up 01", status: word })
  expect(errorsIn(await status("closed"))).toEqual(["profile.violated"])

  // Of 17 recommendations and suggestions, each by its own name; contents invented.
  const statuses = { "insufficient-progress": 1, "issue-resolved": 10, "satisfactory-progress": 6 }
  const words = Object.entries(statuses).flatMap(([word, n]) => Array<string>(n).fill(word))
  const visited: string[] = []
  for (const [i, word] of words.entries()) {
    const said = { ...followUp, reference: records[i]!, status: word, title: `Follow-up ${i + 1}` }
    visited.push((await write(xt, "osart", "follow-up-status", said)).record)
  }
  expect(visited).toHaveLength(17)
  await share(xt, visited, [xa])
  expect(await countBy(xa, visited, "status")).toEqual(statuses)
  const resolved = Object.fromEntries(records.slice(0, 17).map((record) => [record, 1]))
  expect(await countBy(xa, visited, "reference")).toEqual(resolved)
  expect(await holds(xa)).toHaveLength(53 + 17)
})

test("a host that rejects a proposed reviewer by name gets a team without them, or no finding", async () => {
  await using net = await membersOf({ xa: host, xt: team })
  const { xa, xt } = net.nodes
  const { agreement } = await agreeMission(xa, xt, "osart", {
    team: "Kestrel: chemistry\nHeron: operations",
  })
  const tacit = await tell(xa, [xt], "osart", "tacit-agreement", agreed)
  const about = { agreement: await digestOf(xt, tacit), host: named(xa) }
  const report = (names: string) =>
    write(xt, "osart", "mission-report", {
      ...about,
      ...{ dates: "2015-11-30/2015-12-17", findings: "52", scope: "all", team: names },
    })
  const first = await report("Kestrel, Heron")
  expect(await codeOf(mayAsk(xt, first.record, xa))).toBe(null)

  // The next version of the agreement: until the service agrees to it, the mission is nobody's.
  const { source } = await showDraft(xa.context, agreement)
  const without = source.replace(/\n +Heron: operations/, '\nrejected: "Heron: a conflict"')
  await editDraft(xa.context, agreement, without)
  await share(xa, agreement, [xt])
  expect(await codeOf(mayAsk(xt, first.record, xa))).toBe("profile.violated")
  await acceptMission(xt, xa, agreement)
  expect(await codeOf(mayAsk(xt, first.record, xa))).toBe("profile.violated")
  const second = await report("Kestrel")
  await share(xt, second.record, [xa])
  expect(await holds(xa)).toEqual([
    "A mission-report",
    ...Array<string>(2).fill("agrees: Mission agreement"),
  ])
})

test("a report of which the host is silent for 90 days goes out, and not the finding to which it objects on the last", async () => {
  await silenceAndObjection("osart", host.roles, "1")
})

test("a report without its thorny parts is for everybody when the plant's State agrees, knowing that it is", async () => {
  await using net = await membersOf({ xa: host, xt: team, xc: host })
  const { xa, xt, xc } = net.nodes
  await agreeMission(xa, xt, "osart", { team: "Kestrel: chemistry" })
  const agreement = await tell(xa, [xt], "osart", "tacit-agreement", agreed)
  await allowPublic(xt, 1)
  const { record } = await write(xt, "osart", "mission-report", {
    ...{ agreement: await digestOf(xt, agreement), host: named(xa), title: "Report, redacted" },
    ...{ dates: "2015-11-30/2015-12-17", findings: "52", scope: "all", team: "Kestrel" },
    ...{ marking: "TLP:CLEAR", withheld: "1", body: "One pump [withheld: proprietary] was seen." },
  })
  await share(xt, record, [xa])
  const [order] = await propose(xt, record, [], { to: ["public"], beyondDefault: true })
  expect(await codeOf(publish(xt.context, order!))).toBe("order.unconsented")
  expect(await codeOf(agree(xa, order!, xt))).toBe("public.unconfirmed")
  await agree(xa, order!, xt, [record])
  await send(xt, [order!], [xc])
  expect(await holds(xc)).toEqual(["Report, redacted"])
})
