import { feedsHaveNoGaps } from "./feeds.ts"
import type { MakeInvariant } from "./invariant.ts"
import { logsOnlyGrow } from "./logs.ts"
import { logsHoldWhatWasSaid, ordersAreAuthorised } from "./orders.ts"
import { keysAreGranted } from "./parcels.ts"
import { nobodyIsBlamed, nobodyStorms, nothingPilesUp } from "./quiet.ts"
import { recordsAreGranted } from "./records.ts"
import { nothingIsLeft } from "./traces.ts"
import { nothingIsReadOnTheWay, requestsAreHonouredOnce } from "./wire.ts"

/** What must hold after every event. */
export const safety: readonly MakeInvariant[] = [
  logsOnlyGrow,
  logsHoldWhatWasSaid,
  ordersAreAuthorised,
  recordsAreGranted,
  feedsHaveNoGaps,
  nobodyIsBlamed,
  nothingPilesUp,
  nothingIsReadOnTheWay,
  requestsAreHonouredOnce,
  keysAreGranted,
  nothingIsLeft,
  nobodyStorms,
]
