import { findProfile } from "../../protocol/profiles/registry.ts"
import { type Marking, markings } from "../../protocol/record/marking.ts"
import type { Knowing } from "../../protocol/release/consent.ts"
import type { Holder } from "../../protocol/verify.ts"
import { type Context, ownRoot } from "../context.ts"

const nothing: Knowing = { members: new Map(), takenBack: new Set() }

/** This node as the judge of what arrives: its id, its ceiling, the profiles and marks it takes. */
export function ownHolder(context: Context, knowing: Knowing = nothing): Holder {
  const root = ownRoot(context)
  return {
    network: root.network,
    recipient: context.self.id,
    ceiling: root.ceiling,
    profiles: root.profiles,
    mapMarking: (marking) => mapMarking(context, marking),
    kind: root.kind,
    localMark: (marking) => localMark(context, marking),
    profile: (digest) => findProfile(digest)?.profile ?? null,
    ...knowing,
  }
}

/** Identity unless the configuration says otherwise. */
function mapMarking(context: Context, marking: Marking): Marking | null {
  const mapped = context.config.markings[marking] ?? marking
  return markings.find((one) => one === mapped) ?? null
}

/**
 * The mark of our own under which we handle a marking, as our information security has decided. Where
 * nothing is real, the marking itself will do.
 */
export function localMark(context: Context, marking: Marking): string | null {
  const decided = context.localMarks.get(marking)
  return decided ?? (context.self.network === "operational" ? null : marking)
}
