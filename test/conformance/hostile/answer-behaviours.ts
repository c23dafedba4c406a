import { gzipSync } from "node:zlib"
import { signResponse } from "../../../node/http/message-signature.ts"
import { makeNodeKeys, nodeKid, nodeSigner } from "../../../node/keys/keys.ts"
import { logOf } from "../../../node/store/queries/logs.ts"
import { framesMediaType } from "../../../protocol/exchange/frames.ts"
import {
  ForgedFeed,
  forgeOrder,
  framesBody,
  headFrame,
  logForged,
  logFrames,
  parcelOf,
  releaseGrant,
  signedAnswer,
} from "../../support/hostile.ts"
import type { Behaviour } from "./behaviour.ts"
import { expectRefusal, type Seen, type Stage } from "./stage.ts"
import type { Answer } from "./villain.ts"

/** How an answer is signed, framed and sent: what HTTP allows an adversary. */

/** Stands in for the answer to `/feed`; all else is honest. */
function answering(
  stage: Stage,
  answer: (request: Request, honest: () => Promise<Response>) => Promise<Answer>,
): Promise<Seen> {
  return stage.offer(async (request, honest) =>
    new URL(request.url).pathname === "/feed" ? answer(request, honest) : honest(),
  )
}

/** The honest answer with other fields; its signature stays as it was. */
async function withHeaders(response: Response, change: (headers: Headers) => void) {
  const headers = new Headers(response.headers)
  change(headers)
  return new Response(response.body, { status: response.status, headers })
}

export const answerBehaviours: readonly Behaviour[] = [
  {
    name: "an answer without a signature",
    kind: "answer",
    codes: ["peer.refused"],
    run: async (stage) => {
      const seen = await answering(stage, async (_request, honest) =>
        withHeaders(await honest(), (headers) => headers.delete("signature")),
      )
      return expectRefusal(seen, "peer.refused")
    },
  },
  {
    name: "an answer signed by another key",
    kind: "answer",
    codes: ["http.signature"],
    run: async (stage) => {
      const keys = makeNodeKeys((bytes) => stage.villain.env.random(bytes))
      const twin = { context: { ...stage.villain.context, keys } }
      const seen = await answering(stage, async (request) => {
        const head = { feed: stage.feedId(), n: 0, size: 0 }
        return signedAnswer(twin, request, { frames: [headFrame(head)], head })
      })
      return expectRefusal(seen, "http.signature")
    },
  },
  {
    name: "an answer to an earlier request",
    kind: "answer",
    codes: ["http.signature"],
    run: async (stage) => {
      let first: Response | undefined
      await answering(stage, async (_request, honest) => {
        const response = await honest()
        first = response.clone()
        return response
      })
      const seen = await answering(stage, async () => first!.clone())
      return expectRefusal(seen, "http.signature")
    },
  },
  ...(
    [
      ["from the future", 3600],
      ["from long ago", -3600],
    ] as const
  ).map(
    ([when, seconds]): Behaviour => ({
      name: `an answer ${when}`,
      kind: "answer",
      codes: ["http.signature"],
      run: async (stage) => {
        const seen = await answering(stage, async (request) => {
          const { context } = stage.villain
          const { range } = (await logOf(context.db, context.self.id))!
          const head = `${stage.feedId()}, 0, ${range.size}`
          const headers = new Headers({ "content-type": framesMediaType, "comity-head": head })
          await signResponse(
            { status: 200, headers, body: null },
            {
              request: {
                signature: request.headers.get("signature") ?? "",
                nonce:
                  /;nonce="([^"]*)"/.exec(request.headers.get("signature-input") ?? "")?.[1] ?? "",
              },
              keyid: nodeKid(context.keys),
              sign: nodeSigner(context.keys),
              created: Math.floor(context.env.clock.now() / 1000) + seconds,
            },
          )
          return new Response(framesBody([]) as Uint8Array<ArrayBuffer>, { headers })
        })
        return expectRefusal(seen, "http.signature")
      },
    }),
  ),
  {
    name: "another head than the one that was signed",
    kind: "answer",
    codes: ["http.signature"],
    run: async (stage) => {
      const seen = await answering(stage, async (_request, honest) =>
        withHeaders(await honest(), (headers) =>
          headers.set("comity-head", `${stage.feedId()}, 9, 9`),
        ),
      )
      return expectRefusal(seen, "http.signature")
    },
  },
  {
    name: "another content type",
    kind: "answer",
    codes: ["http.signature", "http.malformed"],
    run: async (stage) => {
      const seen = await answering(stage, async (_request, honest) =>
        withHeaders(await honest(), (headers) => headers.set("content-type", "text/html")),
      )
      return expectRefusal(seen, "http.signature", "http.malformed")
    },
  },
  {
    name: "a bomb of zeros under gzip",
    kind: "answer",
    codes: ["http.malformed"],
    run: async (stage) => {
      const bomb = gzipSync(new Uint8Array(256 * 1024 * 1024))
      const seen = await answering(stage, async (_request, honest) => {
        const { headers } = await honest()
        const bombed = new Headers(headers)
        bombed.set("content-encoding", "gzip")
        return new Response(bomb, { headers: bombed })
      })
      return expectRefusal(seen, "http.malformed")
    },
  },
  {
    name: "a redirection into the target's own network",
    kind: "answer",
    codes: ["peer.refused"],
    run: async (stage) => {
      const seen = await answering(
        stage,
        async () =>
          new Response(null, { status: 307, headers: { location: "http://127.0.0.1:1/feed" } }),
      )
      return expectRefusal(seen, "peer.refused")
    },
  },
  {
    name: "a signed refusal without a code",
    kind: "answer",
    codes: ["http.malformed"],
    run: async (stage) => {
      const seen = await answering(stage, (request) =>
        signedAnswer(stage.villain, request, { status: 500, body: new Uint8Array(10) }),
      )
      return expectRefusal(seen, "http.malformed")
    },
  },
  {
    name: "no HTTP at all",
    kind: "answer",
    codes: ["peer.unreachable"],
    run: async (stage) => {
      const seen = await answering(stage, async () => (response) => {
        response.socket?.end("SSH-2.0-OpenSSH_9.9\r\n\r\n")
      })
      return expectRefusal(seen, "peer.unreachable")
    },
  },
  {
    name: "headers without end",
    kind: "answer",
    codes: ["peer.unreachable"],
    run: async (stage) => {
      const seen = await answering(stage, async () => (response) => {
        response.socket?.write("HTTP/1.1 200 OK\r\n")
        const line = `x: ${"y".repeat(1000)}\r\n`
        for (let i = 0; i < 10_000 && response.socket?.writable; i++) response.socket.write(line)
      })
      return expectRefusal(seen, "peer.unreachable")
    },
  },
  {
    name: "an answer that breaks off",
    kind: "answer",
    codes: ["peer.unreachable", "frames.malformed"],
    run: async (stage) => {
      const seen = await answering(stage, async (_request, honest) => {
        const { status, headers } = await honest()
        return (response) => {
          response.writeHead(status, Object.fromEntries(headers))
          response.write("comity/fr")
          setTimeout(() => response.destroy(), 20)
        }
      })
      return expectRefusal(seen, "peer.unreachable", "frames.malformed")
    },
  },
  {
    name: "a byte now and then",
    kind: "answer",
    codes: ["peer.unreachable"],
    run: async (stage) => {
      const seen = await answering(stage, async (_request, honest) => {
        const { status, headers } = await honest()
        return (response) => {
          response.writeHead(status, Object.fromEntries(headers))
          const bytes = framesBody([{ type: "parcel", bytes: new Uint8Array(1_000_000) }])
          let at = 0
          const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), stage.trickleMs)
          response.on("close", () => clearInterval(timer))
        }
      })
      return expectRefusal(seen, "peer.unreachable")
    },
  },
  {
    name: "a sealed object without end",
    kind: "answer",
    codes: ["http.too-large", "peer.unreachable"],
    run: async (stage) => {
      const { villain, target } = stage
      const grant = await releaseGrant(villain, await stage.frozen(), target.member)
      const forged = await forgeOrder(villain, [grant])
      const feed = new ForgedFeed(stage.feedId())
      feed.add({ ...forged, entry: await logForged(villain, forged.order) })
      const seen = await stage.offer(async (request, honest) => {
        const { pathname } = new URL(request.url)
        if (pathname === "/feed") {
          const [parcel] = await parcelOf(villain, target.member, feed.sent[0]!)
          const { range } = (await logOf(villain.context.db, villain.context.self.id))!
          const head = { feed: feed.feed, n: 1, size: range.size }
          const frames = [...(await logFrames(villain, request)), parcel!, headFrame(head)]
          return signedAnswer(villain, request, { frames, head })
        }
        if (!pathname.startsWith("/sealed/")) return honest()
        const signed = await signedAnswer(villain, request, {
          status: 200,
          body: new Uint8Array(1),
        })
        return (response) => {
          response.writeHead(200, Object.fromEntries(signed.headers))
          const zeros = new Uint8Array(65_536)
          const more = () => {
            while (response.writable && response.write(zeros));
          }
          response.on("drain", more)
          more()
        }
      })
      return expectRefusal(seen, "http.too-large", "peer.unreachable")
    },
  },
]
