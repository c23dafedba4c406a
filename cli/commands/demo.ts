import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Command } from "commander"
import type { OfficerKey } from "../../node/authority/found.ts"
import type { Context } from "../../node/context.ts"
import type { Env } from "../../node/env.ts"
import type { Serving } from "../../node/serve.ts"
import type { CliContext } from "../context.ts"
import { type Output, styled } from "../output.ts"

export function registerDemo(program: Command, context: CliContext): void {
  program
    .command("demo")
    .description("three exercise members exchange real public practices on this machine")
    .option("--exit", "end after the story, instead of staying up")
    .addHelpText("after", "\nExample:\n  $ comity demo --exit\n")
    .action((options: { readonly exit?: boolean }, command: Command) =>
      demo(context, options.exit === true, command),
    )
}

type Actor = {
  readonly name: string
  readonly env: Env & { close(): void }
  readonly node: Context
  readonly officers: readonly OfficerKey[]
  readonly serving: Serving
  close(): Promise<void>
}

const states = ["XA", "XB", "XC"] as const

/** Tells the story step by step, each with the time it took. */
class Story {
  readonly #output: Output
  readonly #clock: { monotonic(): number }
  readonly #steps: { readonly step: string; readonly ms: number }[] = []
  readonly #start: number

  constructor(output: Output, clock: { monotonic(): number }) {
    this.#output = output
    this.#clock = clock
    this.#start = clock.monotonic()
  }

  async tell<T>(step: string, work: () => Promise<T>, say: (result: T) => readonly string[]) {
    const began = this.#clock.monotonic()
    const result = await work()
    const ms = Math.round(this.#clock.monotonic() - began)
    this.#steps.push({ step, ms })
    this.#output.line(
      styled("green", "✔ "),
      styled("bold", step),
      styled("dim", `  ${String(ms)} ms`),
    )
    for (const line of say(result)) this.#output.line(`    ${line}`)
    return result
  }

  end(): void {
    const ms = Math.round(this.#clock.monotonic() - this.#start)
    this.#output.document({ steps: this.#steps, ms })
    this.#output.line("")
    this.#output.line(
      `The whole story took ${String(ms)} ms. Every signature, proof, ciphertext and byte in it was real.`,
    )
  }
}

async function demo(context: CliContext, exits: boolean, command: Command): Promise<void> {
  const output = context.output(command)
  const interrupted = context.interrupted()
  const { realClock } = await import("../../node/real-env.ts")
  const directory = await mkdtemp(join(tmpdir(), "comity-demo-"))
  const actors: Actor[] = []
  try {
    const story = new Story(output, realClock)
    output.line(
      "Three invented authorities of network exercise:demo, each with its own node, database, log and officers.",
    )
    for (const state of states)
      await story.tell(
        `Authority ${state} is founded`,
        async () => {
          const actor = await startActor(directory, state)
          actors.push(actor)
          return actor
        },
        ({ node, serving }) => [
          `member ${node.self.id.slice(0, 16)}…, two officers, root keys Ed25519 + ML-DSA-65`,
          `serving peers at ${serving.url}`,
        ],
      )
    await tellStory(story, directory, actors)
    story.end()
    if (exits) return
    output.line("")
    for (const { name, serving } of actors) output.line(`${name} stays up at ${serving.url}`)
    output.line("Look around from another terminal, here:")
    output.line(`    export COMITY_KEY_FILE=${join(directory, "key")}`)
    for (const { name } of actors)
      output.line(`    npx comity --home ${join(directory, name)} inbox`)
    output.line("Interrupt to end; nothing is kept.")
    if (!interrupted.aborted)
      await new Promise<void>((resolve) =>
        interrupted.addEventListener("abort", () => resolve(), { once: true }),
      )
  } finally {
    for (const actor of actors) await actor.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function startActor(directory: string, state: (typeof states)[number]): Promise<Actor> {
  const [
    { realEnv, realRandom },
    { initHome, openHome, readOfficerKey },
    { serve },
    { closeNode },
  ] = await Promise.all([
    import("../../node/real-env.ts"),
    import("../../node/home.ts"),
    import("../../node/serve.ts"),
    import("../../node/node.ts"),
  ])
  const { acquireLease } = await import("../../node/log/lease.ts")
  const name = state.toLowerCase()
  const home = join(directory, name)
  const key = await demoKey(directory, realRandom)
  const port = await freePort()
  const lease = acquireLease(home)
  const founding = {
    network: "exercise:demo",
    state,
    name: `Authority ${state}`,
    kind: "state",
    officers: [
      { person: "p1", roles: ["competentAuthority"] },
      { person: "p2", roles: ["informationSecurity"] },
    ],
    rootKeys: 1,
    rootThreshold: 1,
    url: `http://127.0.0.1:${port}`,
  } as const
  const env = realEnv({ home, allowPrivate: true })
  await initHome(env, { founding, unlocking: key, cipher: "aegis" })
  const node = await openHome(env, key)
  const serving = await serve(node, { home, host: "127.0.0.1", port })
  const officers = await Promise.all(
    founding.officers.map(({ person }) => readOfficerKey(env.files, person, key)),
  )
  const close = async () => {
    await serving.close()
    await closeNode(node)
    env.close()
    lease.release()
  }
  return { name, env, node, officers, serving, close }
}

/** One raw key for the three homes, so that they can be looked at while the demo stays up. */
async function demoKey(
  directory: string,
  random: (bytes: number) => Uint8Array,
): Promise<Uint8Array> {
  const path = join(directory, "key")
  try {
    await writeFile(path, Buffer.from(random(32)).toString("hex"), { flag: "wx", mode: 0o600 })
  } catch {
    // The first member has made it.
  }
  return new Uint8Array(Buffer.from(await readFile(path, "utf8"), "hex"))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}

/** Two officers look at each order on their own, sign it, and it is published. */
async function release(
  { node, officers, env }: Actor,
  orders: readonly string[],
): Promise<readonly number[]> {
  const [{ addSignature, exportOrder }, { reviewExport, signReview }, { publish }] =
    await Promise.all([
      import("../../node/order/orders.ts"),
      import("../../node/authority/officer.ts"),
      import("../../node/log/sequencer.ts"),
    ])
  const day = new Date(env.clock.now()).toISOString().slice(0, 10)
  const indexes: number[] = []
  for (const order of orders) {
    for (const officer of officers) {
      const review = reviewExport(await exportOrder(node, order), new Map(), null)
      await addSignature(node, order, await signReview(review, officer, day))
    }
    const published = await publish(node, order)
    if ("index" in published) indexes.push(published.index)
  }
  return indexes
}

const practicesDirectory = fileURLToPath(new URL("../../demo/practices/", import.meta.url))

/** Each authority's practices, by state. */
async function readPractices(): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = (await readdir(practicesDirectory)).filter((name) => name.endsWith(".md")).sort()
  const found = new Map<string, string[]>()
  for (const name of names) {
    const of = found.get(name.slice(0, 2)) ?? []
    of.push(await readFile(join(practicesDirectory, name), "utf8"))
    found.set(name.slice(0, 2), of)
  }
  return found
}

async function tellStory(story: Story, directory: string, actors: readonly Actor[]): Promise<void> {
  const [xa, xb, xc] = actors as readonly [Actor, Actor, Actor]
  const { addDraft } = await import("../../node/order/drafts.ts")
  const { addPeer, ownCard, verifyPeer } = await import("../../node/authority/peers.ts")
  const { requestRelease, requestWithdrawal } = await import("../../node/order/release.ts")
  const { sync } = await import("../../node/exchange/subscribe.ts")
  const { inbox, search, show } = await import("../../node/reading/records.ts")
  const { why } = await import("../../node/exchange/why.ts")
  const { receiptsOf } = await import("../../node/exchange/receipts.ts")
  const { exportEvidence } = await import("../../node/log/evidence.ts")
  const { parsePin, verifyEvidence } = await import("../../protocol/evidence.ts")
  const { wordsOf } = await import("../../protocol/words.ts")

  await story.tell(
    "They add one another by card, and compare 12 words",
    async () => {
      for (const a of actors)
        for (const b of actors)
          if (a !== b) {
            await addPeer(a.node, await ownCard(b.node))
            await verifyPeer(a.node, b.name, wordsOf(b.node.self.id))
          }
    },
    () => actors.map(({ name, node }) => `${name}: ${wordsOf(node.self.id)}`),
  )

  const practices = await readPractices()
  const drafts = await story.tell(
    "Authors write their practices, as public review reports tell them",
    async () => {
      const written = new Map<string, string[]>()
      for (const { name, node } of actors) {
        const ids: string[] = []
        for (const source of practices.get(name) ?? [])
          ids.push((await addDraft(node, source)).record)
        written.set(name, ids)
      }
      return written
    },
    (written) => [...written].map(([name, ids]) => `${name}: ${ids.length} drafts`),
  )

  const of = (actor: Actor) => drafts.get(actor.name) ?? []
  const [secret = "", shared = ""] = of(xa)
  await story.tell(
    "Officers release them, two for each order, each to the members it names and to nobody else",
    async () => {
      const orders = async (actor: Actor, records: readonly string[], to: readonly string[]) =>
        release(actor, (await requestRelease(actor.node, { records, to })).orders)
      const [, ...others] = of(xa)
      return [
        ...(await orders(xa, [secret], ["xb"])),
        ...(await orders(xa, others, ["xb", "xc"])),
        ...(await orders(xb, of(xb), ["xa", "xc"])),
        ...(await orders(xc, of(xc), ["xa", "xb"])),
      ]
    },
    (indexes) => [`${indexes.length} orders logged, signed and queued`],
  )

  await story.tell(
    "Each fetches what it was given, and verifies every step",
    async () => {
      for (const { node } of actors) await sync(node)
      return Promise.all(actors.map(async ({ name, node }) => ({ name, ...(await inbox(node)) })))
    },
    (boxes) =>
      boxes.map(
        ({ name, records }) => `${name} holds ${records.length} records of others, all verified`,
      ),
  )

  await story.tell(
    "XC, which was not chosen for one of them, has nothing of it, not even by its digest",
    async () => {
      const { askPeer } = await import("../../node/http/peer-client.ts")
      const { findPeer } = await import("../../node/authority/peers.ts")
      const sealed = await xa.node.db
        .selectFrom("record")
        .select("sealed_digest")
        .where("id", "=", secret)
        .executeTakeFirstOrThrow()
      const peer = await findPeer(xc.node, "xa")
      const path = `/sealed/${sealed.sealed_digest}`
      const refusal = await askPeer(xc.node, peer, { method: "GET", path }).then(
        () => "served",
        (cause: Error) => cause.message,
      )
      if (refusal === "served") throw new Error("a member that was not chosen was served")
      return { refusal, reason: await why(xa.node, secret, "xc") }
    },
    ({ refusal, reason }) => [`asked by its digest: ${refusal}`, `why, at xa: ${reason.detail}`],
  )

  await story.tell(
    "XB searches, in the languages of the records",
    async () => {
      const found: string[] = []
      for (const query of ["exercise", "formation du personnel", "الرقابية", "运行经验"]) {
        const { records } = await search(xb.node, query)
        found.push(
          `${query}: ${records.length}${records[0] === undefined ? "" : `, first “${records[0].title}”`}`,
        )
      }
      return found
    },
    (found) => found,
  )

  await story.tell(
    "XB looks at one with its provenance",
    () => show(xb.node, secret),
    ({ content, provenance }) => [
      `“${(content as { title: string }).title}”`,
      ...provenance.map(({ ok, step, text }) => `${ok ? "✔" : "✘"} ${step} ${text}`),
    ],
  )

  const file = join(directory, "practice.evidence")
  await story.tell(
    "XB writes one evidence file; anyone who knows XA's 12 words verifies it, without a node",
    async () => {
      const { file: bytes } = await exportEvidence(xb.node, secret)
      await writeFile(file, bytes)
      const read = new Uint8Array(await readFile(file))
      const pins = [parsePin(wordsOf(xa.node.self.id))]
      const good = verifyEvidence(read, pins)
      const flipped = read.slice()
      flipped[Math.floor(read.length / 2)]! ^= 1
      const bad = verifyEvidence(flipped, pins)
      if (good.verdict !== "verified" || bad.verdict !== "failed")
        throw new Error("the evidence does not tell the truth")
      return { good, bad, size: read.length }
    },
    ({ good, bad, size }) => [
      `${size} bytes: ${good.verdict.toUpperCase()}`,
      ...good.ground,
      `with one bit flipped: ${bad.verdict.toUpperCase()} (${bad.code ?? ""})`,
    ],
  )

  await story.tell(
    "XA takes one back; both holders destroy it and say so",
    async () => {
      const { orders } = await requestWithdrawal(xa.node, {
        record: shared,
        reason: "superseded by a later review",
      })
      await release(xa, orders)
      await sync(xb.node, "xa")
      await sync(xc.node, "xa")
      const { receipts } = await receiptsOf(xa.node, shared)
      const left = (await inbox(xb.node)).records.filter(({ withdrawn }) => withdrawn)
      const purged = receipts.filter(({ state }) => state === "purged")
      if (purged.length !== 2 || left.length !== 1) throw new Error("the withdrawal was not heeded")
      return purged
    },
    (purged) => purged.map(({ peer, day }) => `${peer} stated on ${day}: purged`),
  )
}
