import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, expect, test } from "vitest"
import { hooksOf, notify, setHooks } from "../../node/exchange/notify.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

const directory = mkdtempSync(join(tmpdir(), "comity-notify-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function release(xa: TestNode, title: string): Promise<string> {
  const { record } = await addDraft(xa.context, practiceText(title, "A canary of a body."))
  const made = await requestRelease(xa.context, { records: [record], to: ["xb"] })
  await authoriseAndPublish(xa, made.orders)
  return record
}

test("each hook is told of what came, once it can be, by ids and counts alone", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const { context } = xb
  await release(xa, "Canary from before")
  await sync(context)

  const posted: string[] = []
  let status = 307
  const server = createServer((asked, answer) => {
    let body = ""
    asked.on("data", (chunk) => (body += String(chunk)))
    asked.on("end", () => {
      posted.push(`${asked.url} ${body}`)
      answer.writeHead(status, { location: "/elsewhere" }).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const { port } = server.address() as AddressInfo
  const told = join(directory, "told; touch x")
  const script =
    "process.stdin.pipe(fs.createWriteStream(process.argv[1])); fs.writeFileSync(process.argv[1]+'.env', JSON.stringify(process.env))"
  process.env.COMITY_TEST_SECRET = "canary"
  const hooks = {
    command: [process.execPath, "-e", script, told],
    webhook: `http://127.0.0.1:${port}/news`,
    digest: directory,
  }
  expect(await setHooks(context, hooks)).toEqual(hooks)
  expect(hooksOf(context)).toEqual(hooks)
  await notify(context)
  expect(posted).toEqual([])

  const record = await release(xa, "Canary of a title")
  await sync(context)
  await notify(context)
  const notice = JSON.parse(readFileSync(told, "utf8"))
  expect(notice).toEqual({
    type: "comity/notice/v1",
    count: 1,
    records: [{ id: record, origin: xa.context.self.id, version: 1 }],
  })
  expect(readFileSync(`${told}.env`, "utf8")).not.toContain("canary")
  const messages = () => readdirSync(directory).filter((name) => name.endsWith(".eml"))
  expect(messages()).toHaveLength(1)
  const message = readFileSync(join(directory, messages()[0]!), "utf8")
  expect(message).toContain("Subject: comity: 1 from 1 members\r\n")
  expect(message).toContain(`\r\n\r\n${record} 1 ${xa.context.self.id}\r\n`)
  expect([JSON.stringify(notice), message, ...posted].join()).not.toMatch(/canary|authority/i)

  // It led elsewhere, which nobody followed; it is told again, and the others are not.
  expect(posted).toHaveLength(1)
  expect(xb.journal.join("\n")).toContain('"hook":"webhook","code":"hook.failed"')
  status = 204
  await notify(context)
  await notify(context)
  expect(posted).toHaveLength(2)
  expect(posted[1]).toBe(posted[0])
  expect(posted[0]).toContain("/news ")
  expect(messages()).toHaveLength(1)

  // What was destroyed leaves no place for the next to be overlooked in.
  const over = await requestWithdrawal(xa.context, { record, reason: "superseded" })
  await authoriseAndPublish(xa, over.orders)
  await sync(context)
  const next = await release(xa, "Canary of another title")
  await sync(context)
  await notify(context)
  expect(posted[2]).toContain(next)
  delete process.env.COMITY_TEST_SECRET
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

test("a webhook is on this machine, named by number", async () => {
  await using net = await network(["xa"])
  const { context } = net.nodes.xa!
  for (const webhook of [
    "http://localhost:1/",
    "http://127.0.0.1.example/",
    "http://10.0.0.1/",
    "http://[::2]/",
    "https://127.0.0.1/",
    "http://127.0.0.1@example.org/",
    "http://user@127.0.0.1/",
    "file:///etc/passwd",
    "no address",
  ])
    expect(await codeOf(setHooks(context, { webhook })), webhook).toBe("hook.invalid")
  expect(await codeOf(setHooks(context, { webhook: "http://[::1]:9000/x" }))).toBe(null)
  expect(await codeOf(setHooks(context, { webhook: "http://127.1:9000/x" }))).toBe(null)
})
