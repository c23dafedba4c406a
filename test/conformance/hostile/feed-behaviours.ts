import { logOf } from "../../../node/store/queries/logs.ts"
import { concat, u32be, utf8 } from "../../../protocol/encoding.ts"
import { encodeFrame, framesHeader } from "../../../protocol/exchange/frames.ts"
import {
  ForgedFeed,
  forgeOrder,
  framesBody,
  headFrame,
  logForged,
  logFrames,
  parcelOf,
  releaseGrant,
  sealTo,
  signedAnswer,
} from "../../support/hostile.ts"
import type { Behaviour } from "./behaviour.ts"
import { expectRefusal, type Seen, type Stage, Unrefused } from "./stage.ts"

/** How deliveries come, and how a stream goes on or does not. */

/** A feed of honest deliveries, logged and sealed as they should be. */
async function honestFeed(stage: Stage, count: number): Promise<ForgedFeed> {
  const feed = new ForgedFeed(stage.feedId())
  for (let i = 0; i < count; i++) {
    const grant = await releaseGrant(stage.villain, await stage.frozen(), stage.target.member)
    const forged = await forgeOrder(stage.villain, [grant])
    feed.add({ ...forged, entry: await logForged(stage.villain, forged.order) })
  }
  return feed
}

/** Signed, with any bytes for a body, cut or endless or slow. */
function stream(
  stage: Stage,
  body: (
    request: Request,
    head: { feed: string; n: number; size: number },
  ) => Promise<ReadableStream<Uint8Array>>,
): Promise<Seen> {
  const { villain } = stage
  return stage.offer(async (request, honest) => {
    if (new URL(request.url).pathname !== "/feed") return honest()
    const { range } = (await logOf(villain.context.db, villain.context.self.id))!
    const head = { feed: stage.feedId(), n: 0, size: range.size }
    const signed = await signedAnswer(villain, request, { frames: [], head })
    return new Response(await body(request, head), { status: 200, headers: signed.headers })
  })
}

function whole(...parts: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
}

/** Until the reader has had enough; a bound of our own, so that a target without one ends too. */
function endless(
  first: Uint8Array,
  again: () => Uint8Array,
  maxBytes: number,
): ReadableStream<Uint8Array> {
  let sent = 0
  return new ReadableStream({
    start(controller) {
      controller.enqueue(first)
    },
    pull(controller) {
      const part = again()
      sent += part.length
      if (sent > maxBytes) controller.close()
      else controller.enqueue(part)
    },
  })
}

const mebibyte = 1024 * 1024

export const feedBehaviours: readonly Behaviour[] = [
  {
    name: "a stream that ends inside a frame",
    kind: "feed",
    codes: ["frames.malformed"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 1)
      const parcels = await parcelOf(stage.villain, stage.target.member, feed.sent[0]!)
      const seen = await stream(stage, async (request) => {
        const frames = [...(await logFrames(stage.villain, request)), ...parcels]
        return whole(framesBody(frames).slice(0, -100))
      })
      return expectRefusal(seen, "frames.malformed")
    },
  },
  {
    name: "a stream without its head",
    kind: "feed",
    codes: ["frames.malformed"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 1)
      const seen = await stage.offerFeed(feed, (frames) =>
        frames.filter(({ type }) => type === "checkpoint" || type === "entries"),
      )
      return expectRefusal(seen, "frames.malformed")
    },
  },
  {
    name: "a head that promises more than ever comes",
    kind: "feed",
    codes: ["delivery.gap"],
    run: async (stage) => {
      const { villain } = stage
      const { range } = (await logOf(villain.context.db, villain.context.self.id))!
      const head = { feed: stage.feedId(), n: 1_000_000, size: range.size }
      const seen = await stage.offer(async (request, honest) =>
        new URL(request.url).pathname === "/feed"
          ? signedAnswer(villain, request, {
              frames: [...(await logFrames(villain, request)), headFrame(head)],
              head,
            })
          : honest(),
      )
      return expectRefusal(seen, "delivery.gap")
    },
  },
  {
    name: "a delivery is left out",
    kind: "feed",
    codes: ["delivery.gap"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 2)
      const seen = await stage.offerFeed(feed, (frames) => {
        const first = frames.findIndex(({ type }) => type === "parcel")
        return frames.toSpliced(first, 2)
      })
      return expectRefusal(seen, "delivery.gap")
    },
  },
  {
    name: "a delivery that does not follow the one before",
    kind: "feed",
    codes: ["delivery.fork"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 1)
      await takenOnce(await stage.offerFeed(feed))
      const other = await honestFeed(stage, 2)
      const broken = Object.assign(new ForgedFeed(feed.feed), {
        sent: [feed.sent[0]!, renamed(other, feed.feed, 1)],
      })
      return expectRefusal(await stage.offerFeed(broken), "delivery.fork")
    },
  },
  {
    name: "another delivery under a number that was read",
    kind: "feed",
    codes: ["delivery.fork"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 1)
      await takenOnce(await stage.offerFeed(feed))
      const other = await honestFeed(stage, 1)
      const second = Object.assign(new ForgedFeed(feed.feed), {
        sent: [renamed(other, feed.feed, 0)],
      })
      const seen = await stage.offer(async (request, honest) => {
        if (new URL(request.url).pathname !== "/feed") return honest()
        const frames = [...(await logFrames(stage.villain, request))]
        frames.push(...(await parcelOf(stage.villain, stage.target.member, second.sent[0]!)))
        const { range } = (await logOf(stage.villain.context.db, stage.villain.context.self.id))!
        const head = { feed: feed.feed, n: 1, size: range.size }
        return signedAnswer(stage.villain, request, { frames: [...frames, headFrame(head)], head })
      })
      return expectRefusal(seen, "delivery.fork")
    },
  },
  {
    name: "a delivery that was read, again and again",
    kind: "feed",
    codes: ["no effect"],
    run: async (stage) => {
      const feed = await honestFeed(stage, 1)
      await takenOnce(await stage.offerFeed(feed))
      const seen = await stage.offer(async (request, honest) => {
        if (new URL(request.url).pathname !== "/feed") return honest()
        const frames = [...(await logFrames(stage.villain, request))]
        for (let i = 0; i < 20; i++)
          frames.push(...(await parcelOf(stage.villain, stage.target.member, feed.sent[0]!)))
        const { range } = (await logOf(stage.villain.context.db, stage.villain.context.self.id))!
        const head = { feed: feed.feed, n: 1, size: range.size }
        return signedAnswer(stage.villain, request, { frames: [...frames, headFrame(head)], head })
      })
      if (seen.receipts.length > 0) throw new Unrefused("what was read has an effect again")
      return "no effect"
    },
  },
  {
    name: "a frame of an unknown type",
    kind: "feed",
    codes: ["frames.malformed"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () =>
          whole(framesHeader(), Uint8Array.of(99), u32be(4), utf8("what")),
        ),
        "frames.malformed",
      ),
  },
  {
    name: "a frame that is not for feeds",
    kind: "feed",
    codes: ["feature.unsupported"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => whole(framesHeader(), encodeFrame("receipts", utf8("{}")))),
        "feature.unsupported",
      ),
  },
  {
    name: "frames after the head",
    kind: "feed",
    codes: ["frames.malformed"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async (_request, head) => {
          const frame = headFrame(head)
          return whole(framesBody([frame, frame]))
        }),
        "frames.malformed",
      ),
  },
  {
    name: "a frame larger than any may be",
    kind: "feed",
    codes: ["frames.too-large"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => whole(framesHeader(), Uint8Array.of(4), u32be(0x7fffffff))),
        "frames.too-large",
      ),
  },
  {
    name: "the same checkpoint without end",
    kind: "feed",
    codes: ["frames.too-large"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => {
          const { checkpoint } = (await logOf(
            stage.villain.context.db,
            stage.villain.context.self.id,
          ))!
          const frame = encodeFrame("checkpoint", utf8(checkpoint!))
          return endless(framesHeader(), () => frame, 64 * mebibyte)
        }),
        "frames.too-large",
      ),
  },
  {
    name: "entries without end",
    kind: "feed",
    codes: ["frames.too-large"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => {
          const { checkpoint, origin } = (await logOf(
            stage.villain.context.db,
            stage.villain.context.self.id,
          ))!
          const name = utf8(origin)
          const entries = new Uint8Array(33 * 4096).fill(1)
          const body = concat(Uint8Array.of(name.length), name, new Uint8Array(8), entries)
          const frame = encodeFrame("entries", body)
          const first = concat(framesHeader(), encodeFrame("checkpoint", utf8(checkpoint!)))
          return endless(first, () => frame, 512 * mebibyte)
        }),
        "frames.too-large",
      ),
  },
  {
    name: "documents without end",
    kind: "feed",
    codes: ["frames.too-large"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => {
          const { checkpoint } = (await logOf(
            stage.villain.context.db,
            stage.villain.context.self.id,
          ))!
          const document = stage.villain.context.self.documents[0]!.bytes
          const frame = encodeFrame("root", document)
          const first = concat(framesHeader(), encodeFrame("checkpoint", utf8(checkpoint!)))
          return endless(first, () => frame, 128 * mebibyte)
        }),
        "frames.too-large",
      ),
  },
  {
    name: "parcels for somebody else without end",
    kind: "feed",
    codes: ["parcel.unopenable"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () => {
          const frame = (): Uint8Array => {
            const parcel = stage.villain.env.random(1 + 1120 + 24 + 4096 + 16)
            parcel[0] = 1
            return encodeFrame("parcel", parcel)
          }
          return endless(framesHeader(), frame, 64 * mebibyte)
        }),
        "parcel.unopenable",
      ),
  },
  {
    name: "sealed objects that belong to nothing",
    kind: "feed",
    codes: ["frames.malformed"],
    run: async (stage) =>
      expectRefusal(
        await stream(stage, async () =>
          whole(framesHeader(), encodeFrame("sealed", new Uint8Array(100))),
        ),
        "frames.malformed",
      ),
  },
  {
    name: "a parcel from another sender",
    kind: "feed",
    codes: ["parcel.unopenable"],
    run: async (stage) => {
      const sender = "ab".repeat(32)
      const parcel = await sealTo(stage.villain, stage.target.member, utf8("{}"), sender)
      return expectRefusal(
        await stream(stage, async () => whole(framesBody([parcel]))),
        "parcel.unopenable",
      )
    },
  },
  ...["no JSON", '{"type":"comity/parcel/v1","type":"comity/parcel/v1"}', '{ "delivery": {} }'].map(
    (text): Behaviour => ({
      name: `a parcel that holds ${text.startsWith("{") ? (text.includes(" ") ? "loose JSON" : "a key twice") : text}`,
      kind: "feed",
      codes: ["json.malformed", "json.noncanonical"],
      run: async (stage) => {
        const parcel = await sealTo(stage.villain, stage.target.member, utf8(text))
        return expectRefusal(
          await stream(stage, async () => whole(framesBody([parcel]))),
          "json.malformed",
          "json.noncanonical",
        )
      },
    }),
  ),
  {
    name: "a parcel nested without end",
    kind: "feed",
    codes: ["json.profile"],
    run: async (stage) => {
      const text = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
      const parcel = await sealTo(stage.villain, stage.target.member, utf8(text))
      return expectRefusal(
        await stream(stage, async () => whole(framesBody([parcel]))),
        "json.profile",
      )
    },
  },
  {
    name: "a parcel with the key __proto__",
    kind: "feed",
    codes: ["json.profile"],
    run: async (stage) => {
      const parcel = await sealTo(
        stage.villain,
        stage.target.member,
        utf8('{"__proto__":{"polluted":true},"type":"comity/parcel/v1"}'),
      )
      return expectRefusal(
        await stream(stage, async () => whole(framesBody([parcel]))),
        "json.profile",
      )
    },
  },
]

/** The first time it is an honest delivery, and is taken. */
async function takenOnce(seen: Seen): Promise<void> {
  if (!seen.receipts.some(({ state }) => state === "delivered"))
    throw new Unrefused(`an honest delivery is not taken: ${JSON.stringify(seen.reading)}`)
}

/** Delivery `n` of a feed as if it were of another. */
function renamed(feed: ForgedFeed, name: string, n: number) {
  const sent = feed.sent[n]!
  const text = new TextDecoder().decode(sent.bytes)
  return { ...sent, bytes: utf8(text.replace(feed.feed, name)) }
}
