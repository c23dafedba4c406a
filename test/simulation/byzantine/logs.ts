import { logSigners } from "../../../node/keys/keys.ts"
import { entriesFrom, fromNodes, logOf } from "../../../node/store/queries/logs.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import { encodeEntries, type Frame } from "../../../protocol/exchange/frames.ts"
import { signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { rangeFrom, rangeRoot } from "../../../protocol/log/compact-range.ts"
import { leafHash, treeRoot } from "../../../protocol/log/merkle.ts"
import { headFrame, signedAnswer } from "../../support/hostile.ts"
import type { Action, Scene } from "../action.ts"
import type { Actor } from "../actor.ts"
import { drawVictim, takeOver } from "./takeover.ts"

/** A log key in bad hands: what it signs is true of no tree that anyone else has. */

type Forged = { readonly frames: readonly Frame[]; readonly size: number }

async function forgedLog(
  { actor, random }: Scene,
  held: number,
  kind: "fork" | "rollback" | "branch",
): Promise<Forged> {
  const { context } = actor
  const log = (await logOf(context.db, actor.id))!
  const entry = () => new Uint8Array([1, ...random.bytes(32)])
  const sign = (size: number, root: Uint8Array) =>
    signCheckpoint({ origin: log.origin, size, root }, logSigners(context.keys, log.origin))
  if (kind === "rollback") {
    const size = Math.max(1, Math.min(held, log.range.size) - 1)
    const root = await fromNodes(context.db, log.id, (read) => rangeRoot(rangeFrom(read, size)))
    return { frames: [{ type: "checkpoint", bytes: utf8(await sign(size, root)) }], size }
  }
  const size = Math.min(held, log.range.size)
  const before = await entriesFrom(context.db, log.id, 0, size)
  const added = [entry(), entry()]
  // A branch goes on from what the victim holds; a fork has another past.
  const past = kind === "branch" ? before : before.map((one, i) => (i < size - 1 ? one : entry()))
  const root = treeRoot([...past, ...added].map(leafHash))
  const checkpoint = await sign(size + added.length, root)
  const entries = encodeEntries({ origin: log.origin, start: size, entries: added })
  const frames: Frame[] = [
    { type: "checkpoint", bytes: utf8(checkpoint) },
    { type: "entries", bytes: entries },
  ]
  return { frames, size: size + added.length }
}

async function show(scene: Scene, victim: Actor, kind: "fork" | "rollback" | "branch") {
  const { actor, world } = scene
  takeOver(scene, victim, async (request, honest) => {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname !== "/feed" && !pathname.startsWith("/log/")) return honest(request)
    const { frames, size } = await forgedLog(scene, Number(searchParams.get("size") ?? 0), kind)
    const head = { feed: "0".repeat(32), n: 0, size }
    return signedAnswer(actor, request, { frames: [...frames, headFrame(head)], head })
  })
  world.truth.equivocators.add(actor.id)
}

const equivocating: Action = {
  name: "equivocate",
  perDay: 0.15,
  by: "server",
  run: async (scene) => {
    const victim = drawVictim(scene)
    if (victim === null) return null
    const kind = scene.random.pick(["fork", "rollback", "branch"] as const)
    await show(scene, victim, kind)
    return `${kind} to ${victim.name}`
  },
}

export const logs: readonly Action[] = [equivocating]
