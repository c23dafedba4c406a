import type { Context } from "../context.ts"
import { noteFailure } from "../errors.ts"
import { fillSlot, nextSlot } from "./sequencer.ts"

/** Fills the slots of a log with a cadence for as long as the node serves. */
export async function keepCadence(context: Context, signal: AbortSignal): Promise<void> {
  const { env, config } = context
  while (config.cadence !== null && !signal.aborted) {
    const now = env.clock.now()
    await env.clock.sleep(nextSlot(context, now) - now, signal)
    if (signal.aborted) return
    await fillSlot(context).catch(noteFailure(env.log, "log.slot-failed"))
  }
}
