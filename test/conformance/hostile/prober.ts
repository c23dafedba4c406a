import { setTimeout as pause } from "node:timers/promises"
import { findPeer } from "../../../node/authority/peers.ts"
import { askPeer } from "../../../node/http/peer-client.ts"
import { cardOf, know, startVillain, type Villain } from "./villain.ts"

/**
 * An honest peer in a process of its own, which asks the target for news all the time: how long it waits is
 * what the others notice of a villain.
 */
export type Probe = { readonly n: number; readonly failed: number; readonly latencies: number[] }

type Call =
  | { readonly call: "begin"; readonly network: string }
  | { readonly call: "know"; readonly card: string; readonly url: string }
  | { readonly call: "start" }
  | { readonly call: "stop" }

let member: Villain
let running: Promise<Probe> | null = null
let isStopped = false

async function probe(): Promise<Probe> {
  const latencies: number[] = []
  let failed = 0
  const target = await findPeer(member.context, "xt")
  while (!isStopped) {
    const began = performance.now()
    try {
      const { body } = await askPeer(member.context, target, {
        method: "GET",
        path: "/feed?after=0&epoch=1&size=0",
      })
      for await (const _ of body);
    } catch {
      failed++
    }
    latencies.push(performance.now() - began)
    await pause(10)
  }
  return { n: latencies.length, failed, latencies }
}

const answers = {
  begin: async ({ network }: Call & { call: "begin" }) => {
    member = await startVillain({ state: "XP", network })
    return Buffer.from(await cardOf(member)).toString("base64")
  },
  know: async ({ card, url }: Call & { call: "know" }) => {
    await know(member, new Uint8Array(Buffer.from(card, "base64")), url)
  },
  start: async () => {
    isStopped = false
    running = probe()
  },
  stop: async () => {
    isStopped = true
    return running
  },
}

if (process.send !== undefined) {
  process.on("message", async (call: Call) => {
    process.send!((await answers[call.call](call as never)) ?? null)
  })
  process.on("disconnect", () => process.exit(0))
}
