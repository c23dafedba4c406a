/** How far a test goes: a taste at every change, more in the gate; the whole is `npm run faults`. */
export function scaled(quick: number, gate: number): number {
  return process.env.CI === undefined ? quick : gate
}

export const isGate = process.env.CI !== undefined
