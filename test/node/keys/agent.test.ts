import { lstatSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, onTestFinished, test } from "vitest"
import { rotateKem } from "../../../node/authority/renew.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { nodeAgent, officerAgent } from "../../../node/keys/agent.ts"
import { askAgent, keysAt } from "../../../node/keys/agent-client.ts"
import type { AgentKeys } from "../../../node/keys/agent-keys.ts"
import { logSigners, nodeSigner, publicLogKey, publicSigningKey } from "../../../node/keys/keys.ts"
import { advanceLog, commitEntries } from "../../../node/log/append.ts"
import { memoryFiles } from "../../../node/memory-env.ts"
import { serveSocket } from "../../../node/serve.ts"
import { logOf } from "../../../node/store/queries/logs.ts"
import { ed25519PublicKey, mlDsaPublicKey, verifyStrict } from "../../../protocol/crypto/sign.ts"
import { encodeHex, utf8 } from "../../../protocol/encoding.ts"
import {
  formatCheckpoint,
  signCheckpoint,
  verifyCheckpoint,
} from "../../../protocol/log/checkpoint.ts"
import { dummyEntry } from "../../../protocol/log/entry.ts"
import { release } from "../../support/ceremony.ts"
import { comity } from "../../support/command-line.ts"
import { network, type TestNode } from "../../support/network.ts"
import { codeOf } from "../../support/refusal.ts"
import { scratch } from "../../support/scratch.ts"

const origin = "comity/training/aa/1"
const seed = (n: number) => new Uint8Array(32).fill(n)
const keys: AgentKeys = { origin, node: seed(1), log: { ed25519: seed(2), mldsa44: seed(3) } }
const logKey = {
  ed25519: ed25519PublicKey(keys.log.ed25519),
  mldsa44: mlDsaPublicKey(44, keys.log.mldsa44),
}

async function agent(of: AgentKeys = keys, files = memoryFiles()) {
  const socket = join(scratch(), "agent.sock")
  const serving = await serveSocket(socket, nodeAgent(of, files))
  onTestFinished(() => serving.close())
  const publics = { nodeKey: publicSigningKey(of.node), logKey: publicLogKey(of.log) }
  return { socket, files, serving, away: keysAt(socket, publics) }
}

type Away = Awaited<ReturnType<typeof agent>>["away"]

function checkpointBy(away: Away, size: number, root = seed(size), of = origin) {
  const nodeKeys = { ...away, witness: keys.log, salt: seed(0), database: seed(0) }
  return signCheckpoint({ origin: of, size, root }, logSigners(nodeKeys, of))
}

test("a checkpoint is signed with both keys, and again, and the next above it", async () => {
  const { away } = await agent()
  for (const size of [4, 4, 5, 900]) {
    const note = await checkpointBy(away, size)
    expect(verifyCheckpoint(note, { origin, logKey }).checkpoint.size).toBe(size)
  }
})

test("no second history: not below the last, nor another root at its size, restarts included", async () => {
  const { away, files } = await agent()
  await checkpointBy(away, 7)
  for (const [size, root] of [
    [6, seed(6)],
    [7, seed(8)],
    [0, seed(0)],
  ] as const)
    expect(await codeOf(checkpointBy(away, size, root))).toBe("agent.refused")
  const restarted = await agent(keys, memoryFiles(files.snapshot()))
  expect(await codeOf(checkpointBy(restarted.away, 6))).toBe("agent.refused")
  expect(await codeOf(checkpointBy(restarted.away, 8))).toBeNull()
})

test("the log key signs checkpoints of its own log and nothing else", async () => {
  const { away } = await agent()
  const other = "comity/training/bb/1"
  expect(await codeOf(checkpointBy(away, 3, seed(3), other))).toBe("agent.refused")
  const { log } = away
  if (!("sign" in log)) throw new TypeError("not away")
  const foreign = utf8(formatCheckpoint({ origin: other, size: 3, root: seed(3) }))
  for (const algorithm of ["ed25519", "mldsa44"] as const)
    for (const message of [foreign, utf8("hello\n"), new Uint8Array(0), new Uint8Array(200)])
      expect(await codeOf(log.sign(algorithm, message))).toBe("agent.refused")
})

test("the node key signs HTTP messages, keys documents and receipts, and no order or root document", async () => {
  const { away } = await agent()
  const sign = nodeSigner({ ...away, witness: keys.log, salt: seed(0), database: seed(0) })
  const jws = (typ: string) => {
    const header = { alg: "Ed25519", kid: "00".repeat(32), network: "training", typ }
    return utf8(`${Buffer.from(JSON.stringify(header)).toString("base64url")}.e30`)
  }
  const base = utf8('"@method": GET\n"@signature-params": ();tag="comity-1"')
  for (const message of [jws("comity-keys+jws"), jws("comity-receipts+jws"), base])
    expect(verifyStrict(await sign(message), message, ed25519PublicKey(keys.node))).toBe(true)
  for (const message of [
    jws("comity-order+jws"),
    jws("comity-root+jws"),
    jws("comity-statement+jws"),
    utf8('"@method": GET\n"@signature-params": ();tag="other"'),
    utf8("anything"),
  ])
    expect(await codeOf(Promise.resolve(sign(message)))).toBe("agent.refused")
})

test("a node whose keys are with an agent serves and publishes; without its agent it signs nothing", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes as Record<"xa" | "xb", TestNode>
  const log = (await logOf(xa.context.db, xa.context.self.id))!
  const { node, log: logSeeds } = xa.founded.keys
  if ("sign" in node || "sign" in logSeeds) throw new TypeError("away")
  const { away, serving } = await agent({ origin: log.origin, node, log: logSeeds })
  xa.context.keys = { ...xa.context.keys, ...away }
  await release(xa, "Signed by the agent", "xb")
  await rotateKem(xa.context)
  expect((await sync(xb.context)).peers[0]).toMatchObject({ received: 1, failed: 0 })
  // Signed by the agent, lost by the node: it goes on above.
  await checkpointBy(away, 8, seed(8), log.origin)
  expect(await codeOf(rotateKem(xa.context))).toBe("agent.refused")
  expect(await advanceLog(xa.context, 9)).toEqual({ size: 9 })
  await rotateKem(xa.context)
  expect(await codeOf(advanceLog(xa.context, 10))).toBe("log.index")
  await serving.close()
  const entries = [dummyEntry(xa.context.keys.salt, 99)]
  expect(await codeOf(commitEntries(xa.context, entries, async () => {}))).toBe("key.unavailable")
  expect((await logOf(xa.context.db, xa.context.self.id))!.range.size).toBe(10)
})

test("an officer's agent signs what its officer agrees to, and says so when the officer does not", async () => {
  const socket = join(scratch(), "officer.sock")
  let agrees = true
  const serving = await serveSocket(
    socket,
    officerAgent(async (exported) => {
      if (!agrees) throw Object.assign(new Error("Not signed."), { code: "usage.unconfirmed" })
      return { order: encodeHex(exported), protected: "p", signature: "s", seen: 3 }
    }),
  )
  onTestFinished(() => serving.close())
  const asked = { export: Buffer.from("ab", "hex").toString("base64") }
  expect(await askAgent(socket, "/order", asked)).toMatchObject({ order: "ab", seen: 3 })
  agrees = false
  expect(await codeOf(askAgent(socket, "/order", asked))).toBe("agent.refused")
})

test("its socket is its owner's alone, and takes nobody's file for a socket of its own", async () => {
  const { socket } = await agent()
  expect(lstatSync(socket).mode & 0o777).toBe(0o600)
  const file = join(scratch(), "notes.txt")
  writeFileSync(file, "mine")
  expect(await codeOf(serveSocket(file, nodeAgent(keys, memoryFiles())))).toBe("socket.failed")
  expect(readFileSync(file, "utf8")).toBe("mine")
})

test("agent init moves the keys out of the home: without the agent the home signs nothing", async () => {
  const dir = scratch()
  const [home, raw] = [join(dir, "home"), join(dir, "raw.key")]
  writeFileSync(raw, Buffer.alloc(32, 7), { mode: 0o600 })
  const run = (...args: readonly string[]) =>
    comity([...args, "--home", home], { environment: { COMITY_KEY_FILE: raw } })
  await run("init", "--state", "XA", "--name", "Authority XA")
  const socket = join(dir, "agent.sock")
  const file = join(dir, "node.keys")
  expect(await run("agent", "init", "--out", file, "--socket", socket)).toMatchObject({ exit: 0 })
  expect(await run("key", "rotate", "kem")).toMatchObject({ exit: 11 })
  expect(await run("id", "show")).toMatchObject({ exit: 0 })
  const { openAgentKeys } = await import("../../../node/keys/agent-keys.ts")
  const { diskFiles } = await import("../../../node/files.ts")
  const opened = await openAgentKeys(readFileSync(file), new Uint8Array(32).fill(7))
  const serving = await serveSocket(socket, nodeAgent(opened, diskFiles(`${file}.state`)))
  onTestFinished(() => serving.close())
  const rotated = await run("key", "rotate", "kem")
  expect(rotated.stderr).toBe("")
  expect(rotated.exit).toBe(0)
  expect(await run("agent", "init", "--out", join(dir, "b"), "--socket", socket)).toMatchObject({
    exit: 11,
  })
})
