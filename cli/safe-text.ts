import { hasBidiControls, hasControls } from "../protocol/record/plain-text.ts"

/**
 * Text from peers on a terminal: escape sequences would act, direction controls would make a line read
 * as another. They are shown, not applied, so that a reader sees that something was there.
 */

const breaks = /[\t\n\r\u2028\u2029]+/g
const unsafe = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const unsafeInJson = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** One line, whatever is in it: a line break in a title must not begin a line of its own. */
export function safeLine(text: string): string {
  return safeBlock(text.replace(breaks, " "))
}

/** Several lines, with tabs. */
export function safeBlock(text: string): string {
  const value = text.replace(/\r\n/g, "\n").toWellFormed()
  if (!hasControls(value) && !hasBidiControls(value)) return value
  return value.replace(unsafe, (character) => `<U+${hex4(character)}>`)
}

/** JSON that is the same value and can be shown on a terminal. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(unsafeInJson, (character) => `\\u${hex4(character)}`)
}

function hex4(character: string): string {
  return character.charCodeAt(0).toString(16).padStart(4, "0").toUpperCase()
}
