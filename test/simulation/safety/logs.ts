import {
  appendLeaves,
  type CompactRange,
  emptyRange,
  rangeRoot,
} from "../../../protocol/log/compact-range.ts"
import { leafHash } from "../../../protocol/log/merkle.ts"
import type { Actor } from "../actor.ts"
import { piecesOf } from "./frames.ts"
import { hex, type MakeInvariant } from "./invariant.ts"

type LogRow = { readonly member: string; readonly size: number; readonly range: Uint8Array }
/** A log as one member holds it, computed from its entries and from nothing else. */
type Seen = { range: CompactRange; readonly roots: string[] }

const history = "S1 a log only grows"
const oneView = "S9 no second history is taken over"

/**
 * S1, S9, S11: every log that an honest member holds, its own or a mirror, is what it was and more; what it
 * signs and shows of its own is a prefix of that; and all hold the same of an honest member.
 */
export const logsOnlyGrow: MakeInvariant = (world) => {
  const seen = new Map<string, Seen>()
  const shown = new Map<string, number>()

  const place = (holder: Actor, member: string) => `${holder.name} ${member}`

  function look(actor: Actor): void {
    for (const row of actor.disk.read("SELECT member, size, range FROM log") as LogRow[])
      follow(actor, row)
    const file = actor.disk.shelf.get("high-water")
    if (file === undefined) return
    const { size, root } = JSON.parse(new TextDecoder().decode(file)) as {
      size: number
      root: string
    }
    const own = seen.get(place(actor, actor.id))
    // Between the commit and the write of the file it is behind; ahead it never is.
    if (own?.roots[size] !== root)
      world.violate("S11 the high-water mark is of this log", `${actor.name} at ${size}`)
  }

  function follow(actor: Actor, { member, size, range }: LogRow): void {
    const isOwn = member === actor.id
    const key = place(actor, member)
    let before = seen.get(key) ?? { range: emptyRange, roots: [hex(rangeRoot(emptyRange))] }
    if (size < before.range.size) {
      if (isOwn || !actor.isRestored)
        return world.violate(
          isOwn ? history : oneView,
          `${actor.name} holds ${size} entries of ${nameOf(member)} and held ${before.range.size}`,
        )
      before = { range: emptyRange, roots: [hex(rangeRoot(emptyRange))] }
    }
    const rows = actor.disk.read(
      "SELECT entry FROM log_entry WHERE member = ? AND idx >= ? ORDER BY idx",
      member,
      before.range.size,
    ) as { entry: Uint8Array }[]
    for (const { entry } of rows) {
      before.range = appendLeaves(before.range, [leafHash(new Uint8Array(entry))])
      before.roots.push(hex(rangeRoot(before.range)))
    }
    seen.set(key, before)
    const root = before.roots.at(-1)
    const stored = actor.disk.read("SELECT checkpoint FROM log WHERE member = ?", member)
    const checkpoint = (stored[0] as { checkpoint: string | null }).checkpoint
    const isSigned = checkpoint === null || rootIn(checkpoint) === `${size} ${root}`
    if (before.range.size !== size || !isSigned || !isRangeOf(range, before.range))
      return world.violate(
        isOwn ? history : oneView,
        `${actor.name} holds of ${nameOf(member)} what its entries do not make up`,
      )
    const origin = world.byId(member)
    if (isOwn || !origin?.isHonest) return
    const theirs = seen.get(place(origin, member))
    if (theirs !== undefined && theirs.roots.length > size && theirs.roots[size] !== root)
      world.violate(oneView, `${actor.name} and ${origin.name} differ at ${size}`)
  }

  function nameOf(member: string): string {
    return world.byId(member)?.name ?? member
  }

  /** What went out, judged when the disk behind it has been looked at. */
  const pending: { readonly from: string; readonly checkpoint: string }[] = []

  return {
    look: (actor) => {
      look(actor)
      for (const { from, checkpoint } of pending.splice(0)) {
        const sender = world.actors.find(({ name }) => name === from)!
        const roots = seen.get(place(sender, sender.id))?.roots
        const [size = "", root] = rootIn(checkpoint).split(" ")
        if (roots !== undefined && roots[Number(size)] !== root)
          world.violate(history, `${from} showed another tree of ${size} entries`)
      }
    },
    heard: ({ from, answer, bytes }) => {
      const sender = world.actors.find(({ name }) => name === from)
      if (!sender?.isHonest || answer === undefined || answer.isHead) return
      for (const { type, content } of piecesOf(bytes))
        if (type === "checkpoint") {
          const checkpoint = new TextDecoder().decode(content)
          pending.push({ from, checkpoint })
          const size = Number(rootIn(checkpoint).split(" ")[0])
          if (size < (shown.get(from) ?? 0) && !sender.isRestored)
            world.violate("S11 a log shown never goes back", `${from} showed ${size}`)
          shown.set(from, Math.max(size, shown.get(from) ?? 0))
        }
    },
  }
}

function rootIn(checkpoint: string): string {
  const [, size = "", root = ""] = checkpoint.split("\n")
  return `${size} ${Buffer.from(root, "base64").toString("hex")}`
}

function isRangeOf(stored: Uint8Array, range: CompactRange): boolean {
  return hex(stored).slice(16) === range.hashes.map(hex).join("")
}
