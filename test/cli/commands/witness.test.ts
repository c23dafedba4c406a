import { randomBytes } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { diskFiles } from "../../../node/files.ts"
import { openHome, readConfig } from "../../../node/home.ts"
import { closeNode } from "../../../node/node.ts"
import { realEnv } from "../../../node/real-env.ts"
import { serve } from "../../../node/serve.ts"
import { unlock } from "../../../node/unlock.ts"
import { comity } from "../../support/command-line.ts"
import { practiceText } from "../../support/hostile.ts"
import { scratch } from "../../support/scratch.ts"

/** Two homes on the disk, the commands as a person types them, and real HTTP between them. */
async function homes() {
  const folder = scratch()
  const keyFile = join(folder, "key")
  writeFileSync(keyFile, randomBytes(32), { mode: 0o600 })
  const environment = { COMITY_KEY_FILE: keyFile }
  const at = (name: string) => join(folder, name)
  const run = async (name: string, ...args: readonly string[]) => {
    const ran = await comity([...args, "--home", at(name)], { environment })
    expect(ran.stderr + ran.stdout, args.join(" ")).not.toContain("internal.unexpected")
    return ran
  }
  const json = async (name: string, ...args: readonly string[]) => {
    const ran = await run(name, ...args, "--json")
    expect(ran.stderr, args.join(" ")).not.toContain('"error"')
    return JSON.parse(ran.stdout)
  }
  for (const [name, state] of [
    ["xa", "XA"],
    ["xb", "XB"],
  ] as const) {
    const url = "http://127.0.0.1:9"
    await run(name, "init", "--state", state, "--name", `Authority ${state}`, "--url", url)
    await run(name, "id", "show", "--card", at(`${name}.card`))
  }
  return { at, run, json, environment }
}

/** Serves the home as `comity serve` does, on a port of its own. */
async function served(home: string, environment: Record<string, string>) {
  const { cipher } = readConfig(diskFiles(home))
  const env = realEnv({ home, cipher, allowPrivate: true })
  const { unlocking } = await unlock({ environment, prompt: undefined })
  const node = await openHome(env, unlocking)
  const serving = await serve(node, { home, host: "127.0.0.1", port: 0 })
  return {
    url: serving.url,
    [Symbol.asyncDispose]: async () => {
      await serving.close()
      await closeNode(node)
      env.close()
    },
  }
}

test("a peer is named as witness, cosigns over HTTP, and the file says so to whoever asks", async () => {
  const { at, run, json, environment } = await homes()
  const words = async (name: string): Promise<string> => (await json(name, "id", "show")).words
  const [wordsOfA, wordsOfB] = [await words("xa"), await words("xb")]
  await run("xb", "peer", "add", at("xa.card"))
  await run("xb", "peer", "verify", "xa", "--words", wordsOfA)
  await using xb = await served(at("xb"), environment)
  await run("xa", "peer", "add", at("xb.card"), "--url", xb.url)

  // Not before it is verified; not without a word on who signs, or a confirmation.
  expect((await run("xa", "witness", "add", "xb", "--sign", "--yes")).exit).toBe(13)
  await run("xa", "peer", "verify", "xb", "--words", wordsOfB)
  expect((await run("xa", "witness", "add", "xb")).exit).toBe(2)
  expect((await run("xa", "witness", "add", "xb", "--sign")).exit).toBe(2)
  expect((await run("xa", "witness", "add", "xb", "--quorum", "2", "--sign", "--yes")).exit).toBe(2)

  const proposal = at("next.root")
  const written = await run("xa", "witness", "add", "xb", "-o", proposal)
  expect(written.stderr).toContain("quorum: 0 → 1")
  expect(JSON.parse(readFileSync(proposal, "utf8"))).toMatchObject({
    type: "comity/root-proposal/v1",
    payload: { version: 2, quorum: 1 },
  })
  expect(await json("xa", "witness", "list")).toMatchObject({ witnesses: [], quorum: 0 })
  expect(await json("xa", "witness", "add", "xb", "--sign", "--yes")).toMatchObject({ version: 2 })
  expect((await run("xa", "witness", "add", "xb", "--sign", "--yes")).exit).toBe(2)

  writeFileSync(at("draft.md"), practiceText("Witnessed by XB"))
  const { record } = await json("xa", "draft", "add", at("draft.md"))
  const { order } = await json("xa", "release", "request", record, "--to", "xb")
  for (const person of ["p1", "p2"])
    await run("xa", "order", "sign", order, "--as", person, "--yes")
  const { index, size } = await json("xa", "publish", order)
  expect(await json("xa", "log", "head")).toMatchObject({ cosignedBy: [], size })
  expect((await json("xa", "search", "Witnessed")).records[0].verdict).toBe("pending")
  await run("xa", "evidence", record, "-o", at("early.evidence"))

  await run("xa", "sync")
  const listed = await json("xa", "witness", "list")
  expect(listed).toMatchObject({ quorum: 1, witnesses: [{ name: "xb", size }] })
  const { key } = listed.witnesses[0]
  expect(await json("xa", "log", "head")).toMatchObject({ cosignedBy: [key] })
  expect((await json("xa", "search", "Witnessed")).records[0].verdict).toBe("verified")
  const proof = await json("xa", "log", "proof", record)
  expect(proof).toMatchObject({ index, record, order })
  expect(proof.proof).toContain(`index ${index}\n`)
  expect(proof.witnessing).toMatch(/^witnessed by xb, as named by Authority XA, at /)
  expect(await json("xa", "log", "proof", String(index))).toMatchObject({
    index,
    entry: proof.entry,
  })
  expect(await json("xa", "log", "proof", "--from", "1")).toMatchObject({ from: 1, size })

  await run("xa", "evidence", record, "-o", at("practice.evidence"))
  const pin = (await json("xa", "id", "show")).member
  const verify = (file: string, ...args: readonly string[]) =>
    run("xa", "verify", at(file), "--pin", pin, ...args)
  expect((await verify("early.evidence")).stdout).toContain("PENDING")
  expect((await verify("early.evidence", "--require-witnesses")).exit).toBe(4)
  const witnessed = await verify("practice.evidence", "--require-witnesses")
  expect(witnessed.exit).toBe(0)
  expect(witnessed.stdout).toContain(`witnessed by ${key}, as named by Authority XA, at `)

  const own = (await run("xa", "log", "policy")).stdout
  writeFileSync(at("own.policy"), own)
  const checked = await run("xa", "log", "policy", "--check", at("own.policy"))
  expect(checked.stdout).toContain(`group ${key}: 2 of ${key}+ed25519, ${key}+mldsa44`)
  const byPolicy = await verify("practice.evidence", "--policy", at("own.policy"))
  expect(byPolicy.stdout).toContain(`witnessed by ${key} that you pinned yourself`)
  expect((await verify("early.evidence", "--policy", at("own.policy"))).exit).toBe(4)
  // Witnesses that did not cosign, or another log: the reader may ask for more than the origin does.
  const others = (await run("xb", "log", "policy", "xa")).stdout
  writeFileSync(at("none.policy"), others.replace(/^quorum .*$/m, "quorum none"))
  expect((await verify("early.evidence", "--policy", at("none.policy"))).exit).toBe(0)
  writeFileSync(at("other.policy"), (await run("xb", "log", "policy")).stdout)
  expect((await verify("practice.evidence", "--policy", at("other.policy"))).exit).toBe(4)
  writeFileSync(at("bad.policy"), "quorum nobody\n")
  expect((await verify("practice.evidence", "--policy", at("bad.policy"))).exit).toBe(2)

  expect(await json("xa", "witness", "stop-after", "96")).toEqual({ stopAfterHours: 96 })
  expect(await json("xa", "witness", "list")).toMatchObject({ stopAfterHours: 96 })
  expect((await run("xa", "witness", "stop-after", "soon")).exit).toBe(2)
  expect(await json("xa", "witness", "stop-after", "never")).toEqual({ stopAfterHours: null })
  expect(await json("xa", "witness", "remove", "xb", "--sign", "--yes")).toMatchObject({
    version: 3,
  })
  expect((await run("xa", "witness", "remove", "xb", "--sign", "--yes")).exit).toBe(5)
})
