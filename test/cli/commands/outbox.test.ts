import { afterAll, expect, test } from "vitest"
import { Homes, practice } from "../../support/home.ts"

const homes = new Homes()
afterAll(() => homes.remove())

const officers = ["--officer", "p1:competentAuthority", "--officer", "p2:informationSecurity"]

test("publish hands over to whom we push to, and says with exit 3 what is queued after all", async () => {
  const xa = await homes.found("XA", ...officers)
  const xb = await homes.found("XB", ...officers)
  await homes.introduce(xa, xb)
  expect(await xa.json("peer", "push", "xb")).toMatchObject({ name: "xb", push: true })
  const order = async () => {
    const added = await xa.run(["draft", "add", "-", "--json"], { stdin: practice })
    const { record } = JSON.parse(added.stdout)
    const requested = await xa.json("release", "request", record, "--to", "xb")
    for (const person of ["p1", "p2"])
      await xa.json("order", "sign", requested.order, "--as", person, "--yes")
    return { record, order: requested.order }
  }
  const first = await order()
  const failed = await xa.run(["publish", first.order, "--json"])
  expect(failed.exit).toBe(3)
  expect(JSON.parse(failed.stdout)).toMatchObject({
    delivered: [],
    queued: ["xb"],
    failed: [{ peer: "xb", code: "peer.unreachable" }],
  })
  expect((await xa.json("outbox")).peers).toMatchObject([
    { peer: "xb", mode: "push", waiting: 1, failures: 1, code: "peer.unreachable" },
  ])
  expect(await xa.json("why", first.record, "--peer", "xb")).toMatchObject({
    reason: "unsent",
    code: "peer.unreachable",
  })

  const serving = await xb.serve()
  expect(await xa.json("outbox", "--send")).toMatchObject({ peers: [{ peer: "xb" }] })
  const second = await order()
  expect(await xa.json("publish", second.order)).toMatchObject({
    delivered: ["xb"],
    queued: [],
    failed: [],
  })
  expect((await xb.json("inbox")).records).toHaveLength(2)
  await serving.stop()

  await xa.json("peer", "push", "xb", "--off")
  const third = await order()
  expect(await xa.json("publish", third.order)).toMatchObject({ queued: ["xb"], failed: [] })
  expect((await xa.run(["outbox"])).stdout).toMatch(/^xb +1 +\S+ +pull/m)
})
