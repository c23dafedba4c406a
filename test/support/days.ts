import { renewKeys } from "../../node/authority/renew.ts"
import { sync } from "../../node/exchange/subscribe.ts"
import type { TestNetwork } from "./network.ts"

/** Whoever is there, twice: what the first reading brings about is read as well. */
export async function everybodyReads(net: TestNetwork): Promise<void> {
  const there = Object.values(net.nodes).filter(({ host }) => !net.down.has(host))
  for (const node of [...there, ...there]) await sync(node.context)
}

/** The days go by, and every node has fresh keys then. */
export async function pass(net: TestNetwork, days: number): Promise<void> {
  net.clock.now += days * 86_400_000
  for (const node of Object.values(net.nodes))
    if (!net.down.has(node.host)) await renewKeys(node.context)
  await everybodyReads(net)
}
