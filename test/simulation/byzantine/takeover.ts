import { sync } from "../../../node/exchange/subscribe.ts"
import { type Frame, framesMediaType, readFrames } from "../../../protocol/exchange/frames.ts"
import { framesBody } from "../../support/hostile.ts"
import type { Scene } from "../action.ts"
import type { Actor, Interceptor } from "../actor.ts"
import { Died } from "../life.ts"

/** How an adversary gets between its own node and one other member. */

const hourMs = 3_600_000

export function drawVictim({ world, random }: Scene): Actor | null {
  const honest = world.honest.filter(({ isUp }) => isUp)
  return honest.length === 0 ? null : random.pick(honest)
}

/**
 * From now on, for some hours, `answer` stands in place of the node towards the victim, who soon asks.
 *
 * @param answer null from it: as the node would have answered
 */
export function takeOver(
  { world, actor, random }: Scene,
  victim: Actor,
  answer: (request: Request, honest: (request: Request) => Promise<Response>) => Promise<Response>,
): void {
  const interceptor: Interceptor = async (request, honest) => {
    // What the network has damaged is answered as any node would.
    const isTheirs =
      request.headers.get("comity-from") === victim.id && /:.{86}==:$/.test(signatureOf(request))
    return isTheirs ? answer(request, honest) : honest(request)
  }
  actor.interceptor = interceptor
  world.scheduler.after(random.between(1, 30) * hourMs, "back to order", () => {
    if (actor.interceptor === interceptor) actor.interceptor = null
  })
  for (const ms of [1_000, 600_000]) world.scheduler.after(ms, "ask", () => ask(victim, actor))
}

function signatureOf(request: Request): string {
  return request.headers.get("signature") ?? ""
}

function ask(victim: Actor, peer: Actor): void {
  if (!victim.isUp) return
  void sync(victim.context, peer.name).catch((cause: unknown) => {
    if (!(cause instanceof Died) && (cause as { code?: string }).code === undefined) throw cause
  })
}

/** The node's own answer with its frames changed, up to the first head; a live one ends there. */
export async function edited(
  response: Response,
  edit: (frames: readonly Frame[]) => readonly Frame[],
): Promise<Response> {
  if (response.headers.get("content-type") !== framesMediaType) return response
  const frames: Frame[] = []
  for await (const frame of readFrames(response.body!)) {
    frames.push(frame)
    if (frame.type === "head") break
  }
  const body = framesBody(edit(frames)) as Uint8Array<ArrayBuffer>
  return new Response(body, { status: response.status, headers: response.headers })
}
