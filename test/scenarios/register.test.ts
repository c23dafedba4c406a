import { expect, test } from "vitest"
import { makeOfficerKey, type OfficerKey } from "../../node/authority/found.ts"
import {
  addEntry,
  giveShares,
  listEntries,
  openEntries,
  readRequest,
  registerLog,
  requestOpening,
  resealEntries,
} from "../../node/authority/register.ts"
import { amend } from "../support/ceremony.ts"
import { officerKey } from "../support/hostile.ts"
import { network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

const day = "2026-11-23"
const entry = {
  from: "2026-11-01",
  instrument: "Order 12 of 2026",
  name: "Name of the person",
  post: "Head of section",
}
const officers = ["p1", "p2", "p3"].map((person) => ({ person, roles: ["operator"] }))

async function registered() {
  const net = await network(["xa", "xb"], { officers })
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  await addEntry(xa.context, "p3", entry)
  return { net, xa, xb, [Symbol.asyncDispose]: () => net.close() }
}

async function shares(node: TestNode, keys: readonly OfficerKey[], reason = "audit") {
  const request = readRequest(await requestOpening(node.context, "p3", reason))
  return Promise.all(keys.map((key) => giveShares(request, key, day)))
}

test("any two officers open an entry, and that they did, and why, is on record", async () => {
  await using at = await registered()
  const { context } = at.xa
  for (const [a, b] of [
    ["p1", "p2"],
    ["p2", "p3"],
  ] as const) {
    const given = await shares(at.xa, [officerKey(at.xa, a), officerKey(at.xa, b)])
    const [opened] = await openEntries(context, "p3", "audit", given)
    expect(opened).toMatchObject({ person: "p3", ...entry })
  }
  const log = await registerLog(context)
  expect(log.map(({ act, person, officers: by, reason }) => [act, person, by, reason])).toEqual([
    ["add", "p3", "", ""],
    ["open", "p3", "p1 p2", "audit"],
    ["open", "p3", "p2 p3", "audit"],
  ])
})

test("one officer opens nothing: not with the same share twice, nor with a second key", async () => {
  await using at = await registered()
  const { xa } = at
  const p1 = officerKey(xa, "p1")
  const [mine] = await shares(xa, [p1])
  const open = (statements: readonly Uint8Array[]) =>
    codeOf(openEntries(xa.context, "p3", "audit", statements))
  expect(await open([mine!])).toBe("register.officers")
  expect(await open([mine!, mine!])).toBe("register.officers")

  const second = makeOfficerKey(xa.env, { person: "p1", organisation: "A", roles: ["operator"] })
  await amend(xa, { enrol: [second] })
  await addEntry(xa.context, "p3", { ...entry, post: "Another post" })
  const [a] = await shares(xa, [p1])
  const [b] = await shares(xa, [second])
  expect(await open([a!, b!])).toBe("register.officers")
  expect((await registerLog(xa.context)).map(({ act }) => act)).toEqual(["add", "add"])
})

test("nobody but officers of today opens it, and nobody for another reason than was agreed", async () => {
  await using at = await registered()
  const { xa, xb } = at
  const stranger = makeOfficerKey(xa.env, { person: "p2", organisation: "A", roles: ["operator"] })
  expect(await codeOf(shares(xa, [stranger]))).toBe("register.officers")
  expect(await codeOf(shares(xa, [officerKey(xb, "p1")]))).toBe("register.officers")
  const given = await shares(xa, [officerKey(xa, "p1"), officerKey(xa, "p2")])
  expect(await codeOf(openEntries(xa.context, "p3", "curiosity", given))).toBe("register.officers")
  expect(await codeOf(openEntries(xa.context, "p1", "audit", given))).toBe("register.officers")
  await amend(xa, { dismiss: ["p2"] })
  expect(await codeOf(openEntries(xa.context, "p3", "audit", given))).toBe("signed.unknown-key")
})

test("the node alone, with all it stores, does not know the name", async () => {
  await using at = await registered()
  const { db } = at.xa.context
  const rows = [
    await db.selectFrom("register_entry").selectAll().execute(),
    await db.selectFrom("register_share").selectAll().execute(),
    await registerLog(at.xa.context),
  ]
  const stored = JSON.stringify(rows, (_, value) =>
    value instanceof Uint8Array || value?.type === "Buffer"
      ? Buffer.from(value.data ?? value).toString("latin1")
      : value,
  )
  for (const secret of [entry.name, entry.post, entry.instrument])
    expect(stored).not.toContain(secret)
})

test("it is handed over: sealed again to the officers of today, and closed to those who left", async () => {
  await using at = await registered()
  const { xa } = at
  const heirs = ["p4", "p5"].map((person) =>
    makeOfficerKey(xa.env, { person, organisation: "A", roles: ["operator"] }),
  )
  await amend(xa, { enrol: heirs, dismiss: ["p3"] })
  expect((await listEntries(xa.context))[0]?.holders).toEqual(["p1", "p2"])
  const given = await shares(xa, [officerKey(xa, "p1"), officerKey(xa, "p2")])
  await resealEntries(xa.context, await openEntries(xa.context, "p3", "audit", given))
  await amend(xa, { dismiss: ["p1", "p2"] })
  expect((await listEntries(xa.context)).map(({ holders }) => holders)).toEqual([["p4", "p5"]])
  const [opened] = await openEntries(xa.context, "p3", "audit", await shares(xa, heirs))
  expect(opened).toMatchObject(entry)
})

test("with fewer than two officers to open it again, nothing is sealed", async () => {
  await using net = await network(["xa"], { officers: officers.slice(0, 1) })
  expect(await codeOf(addEntry(net.nodes.xa!.context, "p1", entry))).toBe("register.officers")
})
