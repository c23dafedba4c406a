import { addDraft, freezeDraft } from "../../../node/order/drafts.ts"
import { requestRelease } from "../../../node/order/release.ts"
import { logOf } from "../../../node/store/queries/logs.ts"
import { memberById } from "../../../node/store/queries/members.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import { decodeFrames, type Frame, framesMediaType } from "../../../protocol/exchange/frames.ts"
import { type ReceiptItem, verifyReceipts } from "../../../protocol/exchange/receipt.ts"
import { newestRoot } from "../../../protocol/member/root.ts"
import {
  type ForgedFeed,
  framesBody,
  headFrame,
  logFrames,
  parcelOf,
  practiceText,
  signedAnswer,
} from "../../support/hostile.ts"
import { authoriseAndPublish } from "../../support/network.ts"
import { type Sending, sendAs } from "./asking.ts"
import type { Host, Villain } from "./villain.ts"

/** How the node that is tried is reached, and told to read; it can be any implementation. */
export type Target = {
  readonly member: string
  readonly url: URL
  /**
   * Has it read this villain's feed once.
   *
   * @returns what it says of that, or null where it cannot be asked
   */
  read(villain: Villain): Promise<Reading | null>
  /** how many proofs of inconsistency it keeps; absent where it cannot be asked */
  proofs?(): Promise<number>
}

/** A line of `comity sync --json`. */
export type Reading = {
  readonly received: number
  readonly refused: number
  readonly failed: number
  readonly code?: string
}

/** What came of one misdeed, as far as it shows. */
export type Seen = {
  readonly reading: Reading | null
  readonly receipts: readonly ReceiptItem[]
  /** where it stood, each time that it asked */
  readonly asked: readonly URLSearchParams[]
}

export class Unrefused extends Error {
  override readonly name = "Unrefused"
}

/** One villain before the target, with what behaviours are made of. */
export class Stage {
  readonly villain: Villain
  readonly target: Target
  /** pause between the bytes of what comes slowly */
  readonly trickleMs: number

  constructor(villain: Villain, target: Target, options: { readonly trickleMs?: number } = {}) {
    this.villain = villain
    this.target = target
    this.trickleMs = options.trickleMs ?? 1000
  }

  /** Has the target read while `host` answers in the villain's name. Receipts are taken and kept. */
  async offer(host: Host): Promise<Seen> {
    const { villain, target } = this
    const receipts: ReceiptItem[] = []
    const asked: URLSearchParams[] = []
    villain.mask = async (request, honest) => {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname === "/feed") asked.push(searchParams)
      if (pathname !== "/frames") return host(request, honest)
      const { payload: root } = newestRoot((await memberById(villain.context.db, target.member))!)
      const expected = { from: target.member, to: villain.context.self.id, root }
      for (const { type, bytes } of await decodeFrames(new Uint8Array(await request.arrayBuffer())))
        if (type === "receipts") receipts.push(...verifyReceipts(bytes, expected).payload.items)
      return signedAnswer(villain, request, { status: 200, body: new Uint8Array(0) })
    }
    try {
      const reading = await target.read(villain)
      return { reading, receipts, asked }
    } finally {
      villain.mask = null
    }
  }

  /** The true log and this feed beside it; `edit` changes the frames before they go out. */
  offerFeed(
    feed: ForgedFeed,
    edit: (frames: readonly Frame[]) => readonly Frame[] = (frames) => frames,
  ): Promise<Seen> {
    const { villain, target } = this
    return this.offer(async (request, honest) => {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname !== "/feed") return honest()
      const isSame = searchParams.get("feed") === feed.feed
      const after = isSame ? Number(searchParams.get("after")) : 0
      const frames = [...(await logFrames(villain, request))]
      for (const sent of feed.sent.slice(after))
        frames.push(...(await parcelOf(villain, target.member, sent)))
      const { range } = (await logOf(villain.context.db, villain.context.self.id))!
      const head = { feed: feed.feed, n: feed.sent.length, size: range.size }
      return signedAnswer(villain, request, { frames: edit([...frames, headFrame(head)]), head })
    })
  }

  /** The frames of an honest answer, changed on their way out; the answer's own signature stays good. */
  tamper(
    edit: (frames: readonly Frame[]) => readonly Frame[] | Promise<readonly Frame[]>,
  ): Promise<Seen> {
    return this.offer(async (_request, honest) => {
      const response = await honest()
      if (response.headers.get("content-type") !== framesMediaType) return response
      const frames = await decodeFrames(new Uint8Array(await response.arrayBuffer()))
      const body = framesBody(await edit(frames)) as Uint8Array<ArrayBuffer>
      return new Response(body, { status: response.status, headers: response.headers })
    })
  }

  /** A record of the villain's own that nobody was given yet. @returns its id */
  async frozen(text = practiceText("A practice")): Promise<string> {
    const { context } = this.villain
    const { record } = await addDraft(context, text)
    const draft = await context.db
      .selectFrom("draft")
      .selectAll()
      .where("id", "=", record)
      .executeTakeFirstOrThrow()
    await context.db.transaction().execute((trx) => freezeDraft(context, trx, draft))
    return record
  }

  /** Released in good order. @returns the record and its order */
  async release(text = practiceText("An honest practice")) {
    const { context } = this.villain
    const { record } = await addDraft(context, text)
    const { order, orders } = await requestRelease(context, {
      records: [record],
      to: [this.target.member],
    })
    await authoriseAndPublish(this.villain, orders)
    return { record, order }
  }

  send(sending: Sending): Promise<Response> {
    return sendAs(this.villain, this.target, sending)
  }

  feedId(): string {
    return encodeHex(this.villain.env.random(16))
  }
}

/** That it was refused with this code, wherever the target says so, and that nothing was taken. */
export function expectRefusal(seen: Seen, ...codes: readonly string[]): string {
  const { reading, receipts, asked } = seen
  if (asked.length === 0) throw new Unrefused("the target did not ask")
  const taken = receipts.find(({ state }) => state === "delivered")
  if (taken !== undefined) throw new Unrefused(`it took ${taken.leaf}`)
  if (reading !== null && reading.received > 0) throw new Unrefused("it received something")
  const said = [reading?.code, ...receipts.map(({ code }) => code)].filter(
    (code) => code !== undefined,
  )
  const found = said.find((code) => codes.includes(code))
  if (found !== undefined) return found
  if (said.length === 0 && reading === null) return "unsaid"
  throw new Unrefused(`it says ${said.join(", ") || "nothing"}, not ${codes.join(" or ")}`)
}
