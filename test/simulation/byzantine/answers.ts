import { utf8 } from "../../../protocol/encoding.ts"
import { framesMediaType } from "../../../protocol/exchange/frames.ts"
import { signedAnswer } from "../../support/hostile.ts"
import type { Action, Scene } from "../action.ts"
import type { Actor } from "../actor.ts"
import { drawVictim, takeOver } from "./takeover.ts"

/** Answers that are none. */

type Bad = (scene: Scene, request: Request, honest: Response) => Promise<Response> | Response

const answers: Readonly<Record<string, Bad>> = {
  unsigned: () => new Response("ok"),
  "a redirect": () =>
    new Response(null, { status: 302, headers: { location: "https://xa.example" } }),
  "an error": () => new Response("no", { status: 500 }),
  "another content type": (_scene, _request, honest) => {
    const headers = new Headers(honest.headers)
    headers.set("content-type", "text/html")
    return new Response(honest.body, { status: honest.status, headers })
  },
  "a signature of another answer": (_scene, _request, honest) => {
    const headers = new Headers(honest.headers)
    const signature = headers.get("signature") ?? ""
    headers.set(
      "signature",
      signature.replace(/[A-Z]/, (letter) => (letter === "A" ? "B" : "A")),
    )
    return new Response(honest.body, { status: honest.status, headers })
  },
  "an answer from the future": async ({ actor }, request) => {
    const clock = { ...actor.env.clock, now: () => actor.env.clock.now() + 3_600_000 }
    const env = { ...actor.env, clock }
    const ahead = { context: { ...actor.context, env } }
    return signedAnswer(ahead, request, { status: 200, body: new Uint8Array(0) })
  },
  "a problem that is none": ({ actor }, request) =>
    signedAnswer(actor, request, {
      status: 403,
      body: utf8(`{"type":"urn:comity:error:${"a".repeat(3000)}.b"}`),
      type: "application/problem+json",
    }),
  "frames that are none": ({ actor, random }, request) =>
    signedAnswer(actor, request, { status: 200, body: random.bytes(300), type: "text/plain" }),
  "a frame that is too large": async (_scene, _request, honest) => {
    if (honest.headers.get("content-type") !== framesMediaType) return honest
    const bytes = new Uint8Array([...utf8("comity/frames\0"), 1, 4, 255, 255, 255, 255, 0])
    return new Response(bytes, { status: 200, headers: honest.headers })
  },
}

async function answer(scene: Scene, victim: Actor, name: string): Promise<void> {
  takeOver(scene, victim, async (request, honest) =>
    answers[name]!(scene, request, await honest(request)),
  )
}

const answering: Action = {
  name: "answer-badly",
  perDay: 0.4,
  by: "server",
  run: async (scene) => {
    const victim = drawVictim(scene)
    if (victim === null) return null
    const name = scene.random.pick(Object.keys(answers))
    await answer(scene, victim, name)
    return `${name}, to ${victim.name}`
  },
}

export const badAnswers: readonly Action[] = [answering]
