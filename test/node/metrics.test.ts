import { request } from "node:http"
import { expect, onTestFinished, test } from "vitest"
import { publishRoot } from "../../node/authority/amend.ts"
import { requestEnrolment } from "../../node/authority/enrol.ts"
import { makeOfficerKey } from "../../node/authority/found.ts"
import { addPeer, blockPeer, ownCard, pushToPeer } from "../../node/authority/peers.ts"
import { propose } from "../../node/authority/propose.ts"
import { rotateKem, setContact } from "../../node/authority/renew.ts"
import { doctor } from "../../node/doctor.ts"
import { handOverNow } from "../../node/exchange/outbox.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { askWitnesses } from "../../node/log/cosign.ts"
import { metrics } from "../../node/metrics.ts"
import { requestWithdrawal } from "../../node/order/release.ts"
import { serve } from "../../node/serve.ts"
import { release, signedBy } from "../support/ceremony.ts"
import { comity } from "../support/command-line.ts"
import { acquaint, authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { rawExchange } from "../support/raw-http.ts"
import { scratch } from "../support/scratch.ts"
import { nameWitnesses } from "../support/witnessing.ts"

/** On the operator socket, as a scraper behind a proxy would. */
function scrape(socketPath: string, headers: Record<string, string> = { "comity-operator": "1" }) {
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const asked = request({ socketPath, path: "/metrics", headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part
      })
      response.on("end", () => {
        const type = response.headers["content-type"] ?? ""
        resolve({ status: response.statusCode ?? 0, type, text })
      })
    })
    asked.on("error", reject)
    asked.end()
  })
}

/** Samples, those of the process apart: they are others each time. */
const samplesIn = (text: string) =>
  text.split("\n").filter((line) => line !== "" && !/^#|^comity_(uptime|memory)_/.test(line))

const hourMs = 3_600_000
const title = "Unannounced drills at the harbour"

async function world() {
  const net = await network(["xa", "xb", "xc", "xd"], { acquainted: false })
  onTestFinished(() => net.close())
  const { xa, xb, xc, xd } = net.nodes as Record<"xa" | "xb" | "xc" | "xd", TestNode>
  await acquaint(xa, xb)
  await acquaint(xb, xa)
  await addPeer(xa.context, await ownCard(xc.context))
  await acquaint(xa, xd)
  await blockPeer(xa.context, "xd", true)
  const home = scratch()
  const serving = await serve(xa.context, { home, host: "127.0.0.1", port: 0 })
  onTestFinished(() => serving.close())
  return { net, xa, xb, home, serving }
}

async function enrolDeputy({ env, context, founded }: TestNode, person: string, until: string) {
  const key = makeOfficerKey(env, { person, organisation: "Border guard", roles: ["operator"] })
  const { id: member, network: name } = context.self
  const request = await requestEnrolment(key, { member, network: name, day: "2026-11-23" })
  const proposal = await propose(context, { enrol: [{ request, until }] })
  await publishRoot(context, proposal, await signedBy(proposal, founded.rootPairs))
}

test("a scraper is told in figures what doctor and outbox say in words", async () => {
  const { net, xa, xb, serving } = await world()
  await enrolDeputy(xa, "p7", "2026-12-03")
  await setContact(xa.context, { mailbox: "desk@xa.example", validUntil: "2026-12-24" })
  await sync(xa.context, "xb")
  const { record } = await release(xa, title, "xb")
  const read = async () => samplesIn((await scrape(serving.socket)).text)

  expect(await read()).toEqual(
    expect.arrayContaining([
      'comity_expires_days{what="deputy",n="1"} 10',
      'comity_expires_days{what="contact",n="1"} 31',
      'comity_expires_days{what="encryption-key",n="1"} 58',
      'comity_expires_days{what="root-document",n="1"} 1095',
      "comity_signer_stopped 0",
      "comity_checkpoint_age_seconds 0",
      'comity_outbox_deliveries{state="waiting"} 1',
      'comity_outbox_deliveries{state="failing"} 0',
      'comity_outbox_peers{state="waiting"} 1',
      'comity_peers{state="verified"} 1',
      'comity_peers{state="unverified"} 1',
      'comity_peers{state="blocked"} 1',
      'comity_inconsistencies{state="waiting"} 0',
      "comity_receipts_overdue 0",
      "comity_stale_feeds 0",
    ]),
  )
  // No witness was ever named: there is no age, and 0 would be a lie.
  expect((await read()).join("\n")).not.toContain("cosignature")

  net.down.add(xb.host)
  await pushToPeer(xa.context, "xb", true)
  await handOverNow(xa.context, "xb")
  const { orders } = await requestWithdrawal(xa.context, { record, reason: "over" })
  await authoriseAndPublish(xa, orders)
  // Its recipient has a day to answer.
  expect(await read()).toContain("comity_receipts_overdue 0")
  net.clock.now += 4 * 24 * hourMs
  expect(await read()).toEqual(
    expect.arrayContaining([
      'comity_expires_days{what="deputy",n="1"} 6',
      "comity_checkpoint_age_seconds 345600",
      'comity_outbox_deliveries{state="waiting"} 2',
      'comity_outbox_deliveries{state="failing"} 2',
      'comity_outbox_peers{state="failing"} 1',
      "comity_receipts_overdue 1",
      "comity_stale_feeds 1",
    ]),
  )
})

test("of several of a kind each is told, the first to end first, and doctor goes by the last key", async () => {
  await using net = await network(["xa"])
  const { xa } = net.nodes as Record<"xa", TestNode>
  await enrolDeputy(xa, "p7", "2027-01-02")
  await enrolDeputy(xa, "p8", "2026-12-03")
  net.clock.now += 5 * 24 * hourMs
  await rotateKem(xa.context)
  net.clock.now += 50 * 24 * hourMs
  expect(samplesIn((await metrics(xa.context)).text).slice(0, 4)).toEqual([
    'comity_expires_days{what="deputy",n="1"} -45',
    'comity_expires_days{what="deputy",n="2"} -15',
    'comity_expires_days{what="encryption-key",n="1"} 3',
    'comity_expires_days{what="encryption-key",n="2"} 8',
  ])
  const { checks } = await doctor(xa.context)
  expect(checks).toContainEqual(
    expect.objectContaining({
      check: "encryption key",
      ok: true,
      text: "peers can seal to us until 2027-01-25",
    }),
  )
})

test("a cosignature is as old as the newest that any witness gave", async () => {
  await using net = await network(["xa", "xb", "xc"])
  const { xa, xb, xc } = net.nodes as Record<"xa" | "xb" | "xc", TestNode>
  await nameWitnesses(xa, { add: ["xb", "xc"] })
  for (const witness of [xb, xc]) await sync(witness.context, "xa")
  await askWitnesses(xa.context)
  net.down.add(xc.host)
  net.clock.now += hourMs
  await release(xa, title, "xb")
  await askWitnesses(xa.context)
  net.clock.now += 2 * hourMs
  expect(samplesIn((await metrics(xa.context)).text)).toContain(
    "comity_cosignature_age_seconds 7200",
  )
})

test("the text is OpenMetrics, and `comity metrics` prints the same", async () => {
  const { home, serving } = await world()
  const { status, type, text } = await scrape(serving.socket)
  expect([status, type]).toEqual([
    200,
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  ])
  expect(text).toMatch(/^# HELP comity_expires_days .*\n# EOF\n$/s)
  const seconds = /^comity_uptime_seconds ([\d.]+)$/m.exec(text)
  expect(Number(seconds?.[1])).toBeGreaterThan(0)
  const printed = await comity(["metrics", "--home", home])
  expect(printed).toMatchObject({ exit: 0, stderr: "" })
  expect(printed.stdout).toMatch(/\n# EOF\n$/)
  expect(samplesIn(printed.stdout)).toEqual(samplesIn(text))
  expect(samplesIn(text).length).toBeGreaterThan(10)
})

test("no name, title, person or id is in the text, and strangers are not told that there is one", async () => {
  const { net, xa, xb, home, serving } = await world()
  await enrolDeputy(xa, "p7", "2026-12-03")
  const { record } = await release(xa, title, "xb")
  net.down.add(xb.host)
  await pushToPeer(xa.context, "xb", true)
  await handOverNow(xa.context, "xb")
  const { text } = await scrape(serving.socket)
  expect(text).toContain('comity_outbox_peers{state="failing"} 1')

  const secrets = [title, record, "Authority", "Border guard", "example", home, xa.context.self.id]
  for (const { context, name } of Object.values(net.nodes))
    secrets.push(name, context.self.id.slice(0, 8))
  for (const secret of [...secrets, "p1", "p2", "p7"])
    expect(text.toLowerCase(), secret).not.toContain(secret.toLowerCase())
  const values = [...text.matchAll(/="([^"]*)"/g)].map(([, value]) => value!)
  expect([...new Set(values)].sort()).toEqual([
    "1",
    "blocked",
    "decided",
    "deputy",
    "encryption-key",
    "failing",
    "heap",
    "ours",
    "resident",
    "root-document",
    "unverified",
    "verified",
    "waiting",
  ])

  expect((await scrape(serving.socket, {})).status).toBe(403)
  const { host, port } = new URL(serving.url)
  const knock = (path: string, more = "") =>
    rawExchange(Number(port), [
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`,
    ])
  const nothing = await knock("/no/such/route")
  expect(nothing.text).toMatch(/^HTTP\/1.1 404 /)
  expect((await knock("/metrics")).text).toBe(nothing.text)
  expect((await knock("/metrics", "comity-operator: 1\r\n")).text).toBe(nothing.text)
})
