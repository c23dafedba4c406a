import { concat, utf8 } from "../../../protocol/encoding.ts"
import {
  encodeFrame,
  type Frame,
  formatHead,
  framesHeader,
  parseHead,
} from "../../../protocol/exchange/frames.ts"
import { headFrame } from "../../support/hostile.ts"
import type { Action, Scene } from "../action.ts"
import type { Random } from "../random.ts"
import { drawVictim, edited, takeOver } from "./takeover.ts"

/** A server that changes what its own node would have said. Nothing that is signed can be changed with it. */

type Edit = (frames: readonly Frame[], random: Random) => readonly Frame[]

const isParcel = ({ type }: Frame) => type === "parcel"

function head(frames: readonly Frame[], change: (n: number) => number): readonly Frame[] {
  return frames.map((frame) => {
    if (frame.type !== "head") return frame
    const told = parseHead(new TextDecoder().decode(frame.bytes))
    return { type: "head", bytes: utf8(formatHead({ ...told, n: change(told.n) })) }
  })
}

function withoutOne(frames: readonly Frame[], at: number): readonly Frame[] {
  return frames.filter((_, place) => place !== at)
}

const edits: Readonly<Record<string, Edit>> = {
  "leave out the last delivery": (frames) => withoutOne(frames, frames.findLastIndex(isParcel)),
  "leave out the first delivery": (frames) => withoutOne(frames, frames.findIndex(isParcel)),
  "leave out all deliveries and say so": (frames) =>
    head(
      frames.filter(({ type }) => type !== "parcel" && type !== "sealed"),
      () => 0,
    ),
  "turn the deliveries round": (frames) => {
    const parcels = frames.filter(isParcel).toReversed()
    return frames.map((frame) => (isParcel(frame) ? parcels.shift()! : frame))
  },
  "send every delivery twice": (frames) =>
    frames.flatMap((frame) => (isParcel(frame) ? [frame, frame] : [frame])),
  "promise more than there is": (frames) => head(frames, (n) => n + 3),
  "swap the sealed objects": (frames) => {
    const sealed = frames.filter(({ type }) => type === "sealed").toReversed()
    return frames.map((frame) => (frame.type === "sealed" ? sealed.shift()! : frame))
  },
  "leave out the sealed objects": (frames) => frames.filter(({ type }) => type !== "sealed"),
  "leave out the entries": (frames) => frames.filter(({ type }) => type !== "entries"),
  "leave out the checkpoint": (frames) => frames.filter(({ type }) => type !== "checkpoint"),
  "change an entry": (frames, random) =>
    frames.map((frame) => {
      if (frame.type !== "entries") return frame
      const bytes = frame.bytes.slice()
      bytes[bytes.length - 1 - random.below(30)]! ^= 1
      return { ...frame, bytes }
    }),
  "put receipts into the feed": (frames) => [{ type: "receipts", bytes: utf8("{}") }, ...frames],
  "name a key twice": (frames) => [
    { type: "evidence", bytes: utf8('{"type":"a","type":"b"}') },
    ...frames,
  ],
  "send noise for a parcel": (frames, random) =>
    frames.map((frame) => (isParcel(frame) ? { ...frame, bytes: random.bytes(5000) } : frame)),
}

const editing: Action = {
  name: "change-frames",
  perDay: 0.8,
  by: "server",
  run: async (scene) => {
    const { random } = scene
    const victim = drawVictim(scene)
    if (victim === null) return null
    const name = random.pick(Object.keys(edits))
    takeOver(scene, victim, async (request, honest) =>
      edited(await honest(request), (frames) => edits[name]!(frames, random)),
    )
    return `${name}, to ${victim.name}`
  },
}

/** A body that never ends: heads only, at a pace that keeps the line open. */
const endless: Action = {
  name: "never-end",
  perDay: 0.1,
  by: "server",
  run: async (scene) => {
    const victim = drawVictim(scene)
    if (victim === null) return null
    const pieces = scene.random.between(5, 60)
    takeOver(scene, victim, async (request, honest) => {
      const response = await honest(request)
      if (!request.url.includes("/feed") || response.status !== 200) return response
      await response.body?.cancel()
      return new Response(drip(scene, pieces), response)
    })
    return `to ${victim.name}, ${pieces} times`
  },
}

function drip({ world }: Scene, pieces: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { bytes } = headFrame({ feed: "0".repeat(32), n: 0, size: 2 })
  const beat = encodeFrame("head", bytes)
  let sent = 0
  return new ReadableStream(
    {
      pull: async (controller) => {
        const piece = sent === 0 ? concat(framesHeader(), beat) : beat
        await new Promise<void>((resolve) => {
          world.scheduler.after(sent === 0 ? 0 : 45_000, "drip", resolve)
        })
        controller.enqueue(piece as Uint8Array<ArrayBuffer>)
        if (++sent > pieces) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}

export const feeds: readonly Action[] = [editing, endless]
