import { refine, type Shape, text } from "../shape.ts"

// Escape sequences, NUL and their like would act on a terminal instead of being read.
const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f]/
const lineBreaks = /[\t\n\u2028\u2029]/
// The Bidi_Control characters of Unicode: invisible, and able to make a line read as another.
const bidiControls = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

/** Whether a control character other than line feed and tab is in it. docs/spec/record.md */
export function hasControls(value: string): boolean {
  return controls.test(value)
}

/** Whether a character in it changes the direction of text unseen (Unicode UAX #9). */
export function hasBidiControls(value: string): boolean {
  return bidiControls.test(value)
}

/** Text of several lines: no control characters but line feed and tab. docs/spec/record.md */
export function textBlock(options: { min?: number; max: number }): Shape<string> {
  return refine(text(options), (value) => !hasControls(value))
}

/** Text of one line that reads as it is stored: no controls of any kind. docs/spec/record.md */
export function textLine(options: { min?: number; max: number }): Shape<string> {
  return refine(textBlock(options), isLine)
}

function isLine(value: string): boolean {
  return !lineBreaks.test(value) && !bidiControls.test(value) && value.trim() === value
}
