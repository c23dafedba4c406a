import { follow, type Synced, sync } from "../../../node/exchange/subscribe.ts"
import { search } from "../../../node/reading/records.ts"
import type { Action, Scene } from "../action.ts"
import { canary } from "./texts.ts"

/** What a member does to hear of the others, and to find what it has. */

/** Codes that say nothing of the other member: the way to it failed, or one of the two clocks. */
const ofTheWay = new Set(["peer.unreachable", "peer.refused", "http.signature", "http.malformed"])

/** What a node says of its own disk, to whoever asks and to its own people. */
const ofItself = new Set(["store.full", "store.failed", "signer.stopped"])

export function tellSynced(scene: Scene, lines: readonly Synced[]): string {
  return lines.map((line) => `${line.name} ${tellLine(scene, line)}`).join(", ")
}

function tellLine({ world, actor }: Scene, line: Synced): string {
  const { received, already, refused, failed, code, name } = line
  const peer = world.actors.find((one) => one.name === name)
  // Seeds are in no backup: what was sealed before the peer heard of the new key opens no more.
  const isOwnLoss = code === "parcel.unopenable" && world.wasRestored(actor)
  const isSaid =
    ofItself.has(code ?? "") && [actor, peer].some((one) => one && world.faulty.has(one))
  const isExcused = code === undefined || ofTheWay.has(code) || isOwnLoss || isSaid
  // What a stolen key signed is served, as the feed has it, and refused by whoever knows.
  const isRefusing = refused > 0 && !(peer !== undefined && world.hasRevoked(peer.id))
  if ((isRefusing || !isExcused) && peer?.isHonest && actor.isHonest && !world.isTampered(peer))
    world.violate(
      "S10 an honest member is not blamed",
      `${actor.name} of ${name}: ${refused} refused, ${code ?? "no code"}`,
    )
  return [received, already, refused, failed].join("/") + (code === undefined ? "" : ` ${code}`)
}

const syncing: Action = {
  name: "sync",
  perDay: 1.5,
  run: async (scene) => {
    const { world, actor, random } = scene
    const peer = random.pick(world.actors.filter((one) => one !== actor))
    return tellSynced(scene, (await sync(actor.context, peer.name)).peers)
  },
}

const syncingAll: Action = {
  name: "sync-all",
  perDay: 0.15,
  run: async (scene) => {
    const { context } = scene.actor
    // Asked twice at once, as by a timer and an impatient person.
    const [first] = await Promise.all([sync(context), sync(context)])
    return tellSynced(scene, first.peers)
  },
}

const following: Action = {
  name: "follow",
  perDay: 0.12,
  run: async (scene) => {
    const { world, actor, random } = scene
    const peer = random.pick(world.actors.filter((one) => one !== actor))
    const until = new AbortController()
    const minutes = random.between(1, 15)
    world.scheduler.after(minutes * 60_000, "stop following", () => until.abort())
    actor.life?.whenOver(() => until.abort())
    const told: string[] = []
    for await (const line of follow(actor.context, peer.name, until.signal))
      if (told.push(tellLine(scene, line)) > 200) break
    return `${peer.name} for ${minutes} min: ${told.join(", ")}`
  },
}

/** Everything that is found is held; what is gone is not found. */
const searching: Action = {
  name: "search",
  perDay: 0.1,
  run: async ({ world, actor, random }) => {
    const marks = [...world.truth.marks.values()].flat()
    if (marks.length === 0) return null
    const mark = random.pick(marks)
    const { records } = await search(actor.context, random.chance(0.5) ? mark : `${canary}*`)
    const held = new Set(actor.books.held().map(({ id, version }) => `${id} ${version}`))
    for (const { record, version, title } of records)
      if (!held.has(`${record} ${version}`) || title === "")
        world.violate("S8 what was withdrawn is not found", `${record} at ${actor.name}`)
    return `${records.length} found`
  },
}

export const reading: readonly Action[] = [syncing, syncingAll, following, searching]
