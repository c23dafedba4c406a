import type { Terms } from "../protocol/release/grant.ts"

/** In words; of a list that is not here only the beginning of its digest. */
export function onwardWords(onward: Terms["onward"]): string {
  return typeof onward === "string" ? onward : `inside group version ${onward.inside.slice(0, 12)}`
}
