import { findProfile } from "../protocol/profiles/registry.ts"
import { type Marking, markings } from "../protocol/record/marking.ts"
import type { Knowing } from "../protocol/release/consent.ts"
import type { Holder } from "../protocol/verify.ts"
import { type Context, ownRoot } from "./context.ts"

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
    profile: (digest) => findProfile(digest)?.profile ?? null,
    ...knowing,
  }
}

/** Identity unless the configuration says otherwise. */
function mapMarking(context: Context, marking: Marking): Marking | null {
  const mapped = context.config.markings[marking] ?? marking
  return markings.find((one) => one === mapped) ?? null
}
