import { readHighWater } from "../../../node/log/high-water.ts"
import {
  appendLeaves,
  type CompactRange,
  emptyRange,
  rangeRoot,
} from "../../../protocol/log/compact-range.ts"
import { leafHash } from "../../../protocol/log/merkle.ts"
import type { Actor } from "../actor.ts"
import type { LogRow } from "../books.ts"
import type { World } from "../world.ts"
import { piecesOf } from "./frames.ts"
import { Broken, hex, type Invariant, type MakeInvariant } from "./invariant.ts"

const onlyGrows = "S1 a log only grows"
const oneView = "S9 no second history is taken over"

/** S1, S9, S11: own logs and mirrors alike. What went out is judged when the disk behind it has been read. */
export const logsOnlyGrow: MakeInvariant = (world) => new Logs(world)

/** A log as one member holds it, computed from its entries and from nothing else. */
class History {
  range: CompactRange = emptyRange
  /** of each size, from 0 */
  readonly roots = [hex(rangeRoot(emptyRange))]
  stored = ""

  append(entry: Uint8Array): void {
    this.range = appendLeaves(this.range, [leafHash(entry)])
    this.roots.push(hex(rangeRoot(this.range)))
  }
}

class Logs implements Invariant {
  readonly #world: World
  readonly #histories = new Map<string, History>()
  /** roots that a log had before it was lost, and must have again */
  readonly #bound = new Map<string, readonly string[]>()
  readonly #shown: { readonly sender: Actor; readonly checkpoint: string }[] = []

  constructor(world: World) {
    this.#world = world
  }

  look(actor: Actor): void {
    for (const row of actor.books.logs()) this.#follow(actor, row)
    this.#judgeMark(actor)
    for (const { sender, checkpoint } of this.#shown.splice(0)) {
      const { member, epoch, size, root } = read(checkpoint)
      const origin = this.#world.byId(member)
      if (!origin?.isHonest) continue
      const own = this.#rootOf(origin, epoch, size)
      if (own !== undefined && own !== root)
        throw new Broken(
          onlyGrows,
          `${sender.name} showed another tree of ${size} entries of ${origin.name}`,
        )
    }
  }

  forget(actor: Actor): void {
    const own = `${actor.name} ${actor.id}`
    for (const [key, history] of this.#histories)
      if (key.startsWith(own)) {
        // What others have seen of it must come back; the rest may be written anew.
        const shown = history.roots.slice(0, 1 + (this.#world.shownSize.get(actor) ?? 0))
        this.#bound.set(key, shown)
        this.#histories.delete(key)
      } else if (key.startsWith(`${actor.name} `)) this.#histories.delete(key)
  }

  heard({ from, to, answer, bytes }: Parameters<NonNullable<Invariant["heard"]>>[0]): void {
    const sender = this.#world.named(from)
    if (!sender.isHonest || answer === undefined || answer.isHead) return
    for (const { type, content } of piecesOf(bytes)) {
      if (type !== "checkpoint") continue
      const checkpoint = new TextDecoder().decode(content)
      this.#shown.push({ sender, checkpoint })
      const { member, size } = read(checkpoint)
      // What a liar alone has seen it keeps to itself, and nobody can ask for it.
      if (member === sender.id && this.#world.named(to).isHonest)
        this.#world.shownSize.set(sender, Math.max(size, this.#world.shownSize.get(sender) ?? 0))
    }
  }

  /** Of a member's own log; undefined where it is not known to be so long. */
  #rootOf(origin: Actor, epoch: number, size: number): string | undefined {
    const key = place(origin, origin.id, epoch)
    return this.#histories.get(key)?.roots[size] ?? this.#bound.get(key)?.[size]
  }

  /** Between the commit and the write of the file it is behind; ahead, or elsewhere, it never is. */
  #judgeMark(actor: Actor): void {
    const mark = readHighWater({ read: (name) => actor.disk.shelf.get(name) ?? null })
    if (mark === null) return
    const root = this.#rootOf(actor, mark.epoch, mark.size)
    // After a loss it may name what nobody has any more.
    if (root !== mark.root && !this.#world.wasRestored(actor))
      throw new Broken("S11 the high-water mark is of this log", `${actor.name} at ${mark.size}`)
  }

  #follow(actor: Actor, row: LogRow): void {
    const { id, member, epoch, size, range, checkpoint } = row
    const key = place(actor, member, epoch)
    const history = this.#histories.get(key) ?? new History()
    const stored = hex(range)
    if (history.stored === stored) return
    const rule = member === actor.id ? onlyGrows : oneView
    const name = this.#world.byId(member)?.name ?? member
    if (size < history.range.size)
      throw new Broken(
        rule,
        `${actor.name} holds ${size} entries of ${name}, and held ${history.range.size}`,
      )
    for (const entry of actor.books.entries(id, history.range.size)) history.append(entry)
    history.stored = stored
    this.#histories.set(key, history)
    const root = history.roots.at(-1)
    const bound = this.#bound.get(key)?.[size]
    if (bound !== undefined && bound !== root)
      throw new Broken(onlyGrows, `${actor.name} has another tree of ${size} than before its loss`)
    const isSigned = checkpoint !== null && read(checkpoint).root === root
    if (history.range.size !== size || !isSigned || !stored.endsWith(spelt(history.range)))
      throw new Broken(rule, `${actor.name} holds of ${name} what its entries do not make up`)
    const origin = this.#world.byId(member)
    if (origin === actor || !origin?.isHonest) return
    const theirs = this.#rootOf(origin, epoch, size)
    if (theirs !== undefined && theirs !== root)
      throw new Broken(oneView, `${actor.name} and ${name} differ at ${size}`)
  }
}

function place(holder: Actor, member: string, epoch: number): string {
  return `${holder.name} ${member} ${epoch}`
}

function read(checkpoint: string) {
  const [origin = "", size = "", root = ""] = checkpoint.split("\n")
  const [member = "", epoch = ""] = origin.split("/").slice(-2)
  const hash = Buffer.from(root, "base64").toString("hex")
  return { member, epoch: Number(epoch), size: Number(size), root: hash }
}

function spelt({ hashes }: CompactRange): string {
  return hashes.map(hex).join("")
}
