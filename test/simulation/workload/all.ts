import type { Action } from "../action.ts"
import { proving } from "./proving.ts"
import { reading } from "./reading.ts"
import { releasing } from "./release.ts"

/** Everything that members' own people do. */
export const workload: readonly Action[] = [...releasing, ...reading, ...proving]
