import { readFileSync, writeFileSync } from "node:fs"
import { afterAll, expect, test } from "vitest"
import { authorise, Homes, practice } from "../../support/home.ts"

const homes = new Homes()
afterAll(() => homes.remove())

test("a peer is named as witness, cosigns over HTTP, and the file says so to whoever asks", async () => {
  const [xa, xb] = [await homes.found("XA"), await homes.found("XB")]
  const exitOf = async (...args: string[]) => (await xa.run(args)).exit
  await xa.json("peer", "add", homes.path("xb.card"))

  // Not before it is verified; not without a word on who signs, or a confirmation.
  expect((await xa.error("witness", "add", "xb", "--sign", "--yes")).code).toBe("peer.unverified")
  await xa.json("peer", "verify", "xb", "--words", xb.words)
  await xb.json("peer", "add", homes.path("xa.card"))
  await xb.json("peer", "verify", "xa", "--words", xa.words)
  expect(await exitOf("witness", "add", "xb")).toBe(2)
  expect((await xa.error("witness", "add", "xb", "--sign")).code).toBe("usage.unconfirmed")
  expect(await exitOf("witness", "add", "xb", "--quorum", "2", "--sign", "--yes")).toBe(2)

  const proposal = homes.path("next.root")
  const written = await xa.run(["witness", "add", "xb", "-o", proposal])
  expect(written.stderr).toContain("quorum: 0 → 1")
  expect(JSON.parse(readFileSync(proposal, "utf8"))).toMatchObject({
    type: "comity/root-proposal/v1",
    payload: { version: 2, quorum: 1 },
  })
  expect(await xa.json("witness", "list")).toMatchObject({ witnesses: [], quorum: 0 })
  const added = await xa.run(["witness", "add", "xb", "--sign", "--yes"])
  expect(added.stdout).toContain("Root version 2 is in force.")
  expect(await exitOf("witness", "add", "xb", "--sign", "--yes")).toBe(2)

  writeFileSync(homes.path("draft.md"), practice)
  const { record } = await xa.json("draft", "add", homes.path("draft.md"))
  const { order } = await xa.json("release", "request", record, "--to", "xb")
  const { index, size } = await authorise(xa, order)
  expect(await xa.json("log", "head")).toMatchObject({ cosignedBy: [], size })
  const verdict = async () => (await xa.json("search", "inventory")).records[0].verdict
  expect(await verdict()).toBe("pending")
  await xa.run(["evidence", record, "-o", homes.path("early.evidence")])

  const serving = await xb.serve()
  await xa.json("sync")
  await serving.stop()
  const listed = await xa.json("witness", "list")
  expect(listed).toMatchObject({ quorum: 1, witnesses: [{ name: "xb", size }] })
  const { key } = listed.witnesses[0]
  expect(await xa.json("log", "head")).toMatchObject({ cosignedBy: [key] })
  expect(await verdict()).toBe("verified")
  const proof = await xa.run(["log", "proof", record, "--json"])
  const shown = JSON.parse(proof.stdout)
  expect(shown).toMatchObject({ index, record, order })
  expect(shown.proof).toContain(`index ${index}\n`)
  expect(shown.witnessing).toMatch(/^witnessed by xb, as named by Authority XA, at /)
  const { entry } = shown
  expect(await xa.json("log", "proof", String(index))).toMatchObject({ index, entry })
  expect(await xa.json("log", "proof", "--from", "1")).toMatchObject({ from: 1, size })

  await xa.run(["evidence", record, "-o", homes.path("practice.evidence")])
  const verify = (file: string, ...args: string[]) =>
    xa.run(["verify", homes.path(file), "--pin", xa.member, ...args])
  expect((await verify("early.evidence")).stdout).toContain("PENDING")
  expect((await verify("early.evidence", "--require-witnesses")).exit).toBe(4)
  const witnessed = await verify("practice.evidence", "--require-witnesses")
  expect(witnessed.exit).toBe(0)
  expect(witnessed.stdout).toContain(`witnessed by ${key}, as named by Authority XA, at `)

  const policyOf = async (home: typeof xa, ...args: string[]) =>
    (await home.run(["log", "policy", ...args])).stdout
  writeFileSync(homes.path("own.policy"), await policyOf(xa))
  const checked = await xa.run(["log", "policy", "--check", homes.path("own.policy")])
  expect(checked.stdout).toContain(`group ${key}: 2 of ${key}+ed25519, ${key}+mldsa44`)
  const byPolicy = await verify("practice.evidence", "--policy", homes.path("own.policy"))
  expect(byPolicy.stdout).toContain(`witnessed by ${key} that you pinned yourself`)
  expect((await verify("early.evidence", "--policy", homes.path("own.policy"))).exit).toBe(4)
  // Witnesses that did not cosign, or another log: the reader may ask for more than the origin does.
  const none = (await policyOf(xa)).replace(/^quorum .*$/m, "quorum none")
  writeFileSync(homes.path("none.policy"), none)
  expect((await verify("early.evidence", "--policy", homes.path("none.policy"))).exit).toBe(0)
  writeFileSync(homes.path("other.policy"), await policyOf(xa, "xb"))
  expect((await verify("practice.evidence", "--policy", homes.path("other.policy"))).exit).toBe(4)
  writeFileSync(homes.path("bad.policy"), "quorum nobody\n")
  expect((await verify("practice.evidence", "--policy", homes.path("bad.policy"))).exit).toBe(2)

  expect(await xa.json("witness", "stop-after", "96")).toEqual({ stopAfterHours: 96 })
  expect(await xa.json("witness", "list")).toMatchObject({ stopAfterHours: 96 })
  expect(await exitOf("witness", "stop-after", "soon")).toBe(2)
  expect(await xa.json("witness", "stop-after", "never")).toEqual({ stopAfterHours: null })
  const removed = await xa.run(["witness", "remove", "xb", "--sign", "--yes", "--json"])
  expect(JSON.parse(removed.stdout)).toMatchObject({ version: 3 })
  expect(await exitOf("witness", "remove", "xb", "--sign", "--yes")).toBe(5)
})
