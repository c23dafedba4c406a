import type { Action } from "../action.ts"
import { clocks } from "./clocks.ts"
import { disks } from "./disks.ts"
import { networks } from "./networks.ts"
import { people } from "./people.ts"
import { processes } from "./processes.ts"
import { restores } from "./restores.ts"

/** Everything that befalls a member from outside. */
export const faults: readonly Action[] = [
  ...processes,
  ...disks,
  ...networks,
  ...clocks,
  ...restores,
  ...people,
]
