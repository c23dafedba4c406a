import { addPeer, ownCard, verifyPeer } from "../../../node/authority/peers.ts"
import { sync } from "../../../node/exchange/subscribe.ts"
import { peerApp } from "../../../node/http/peer-app.ts"
import { peerServer } from "../../../node/http/peer-server.ts"
import { verifyInconsistency } from "../../../protocol/inconsistency.ts"
import { wordsOf } from "../../../protocol/words.ts"
import type { Target } from "./stage.ts"
import { cardOf, know, type Member, startMember, startVillain, type Villain } from "./villain.ts"

/** A node of ours in this process, behind real sockets. */
export async function startTarget(): Promise<
  { readonly target: Target; readonly node: Member } & AsyncDisposable
> {
  const options = { state: "XT", network: "exercise:hostile", hasten: 100 }
  const node = await startMember(options, (own, host, closing) =>
    peerServer(peerApp(own, { authorities: [host], closing }), own.env.clock),
  )
  const { context } = node
  const target: Target = {
    member: context.self.id,
    url: new URL(node.url),
    read: async (villain) => {
      const [line] = (await sync(context, villain.context.self.id)).peers
      return line!
    },
    proofs: async () => {
      const rows = await context.db.selectFrom("inconsistency").select("bytes").execute()
      // Whoever is shown it needs nothing but the file.
      for (const { bytes } of rows) verifyInconsistency(new Uint8Array(bytes))
      return rows.length
    },
  }
  return { target, node, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() }
}

/** Both have added one another and compared words. */
export async function introduceTo(node: Member, state: string): Promise<Villain> {
  const villain = await startVillain({ state, network: "exercise:hostile" })
  await know(villain, await ownCard(node.context))
  const { member, name } = await addPeer(node.context, await cardOf(villain))
  await verifyPeer(node.context, name, wordsOf(member))
  return villain
}
