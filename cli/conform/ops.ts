import { cryptoOps } from "./crypto.ts"
import type { Op } from "./fields.ts"
import { httpOps } from "./http.ts"
import { logOps } from "./log.ts"
import { objectOps } from "./objects.ts"
import { textOps } from "./text.ts"

/** Every operation of `comity conform`, by the name that its line gives. docs/spec/conform.md */
export const ops: ReadonlyMap<string, Op> = new Map(
  Object.entries({ ...cryptoOps, ...logOps, ...httpOps, ...textOps, ...objectOps }),
)
