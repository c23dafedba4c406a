import type { Action } from "../action.ts"

/** Everything that adversaries do. */
export const byzantine: readonly Action[] = []
