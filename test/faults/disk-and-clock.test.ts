import { expect, test } from "vitest"
import { scratch } from "../support/scratch.ts"
import { faketimeLibrary, wrongClocks } from "./clock.ts"
import { isGate } from "./scale.ts"
import { canMount, smallDisk } from "./small-disk.ts"

test.skipIf(!isGate || !canMount())(
  "a full disk: it is read, it says why it writes nothing, it goes on when there is room (in the gate; needs a name space)",
  { timeout: 60_000 },
  async () => {
    expect(await smallDisk(scratch(), { mebibytes: 8 })).toEqual({ refused: 4, published: 4 })
  },
)

test.skipIf(!isGate || faketimeLibrary() === null)(
  "a wrong clock takes nothing that it should not, and stops nobody for good (in the gate; needs faketime)",
  { timeout: 120_000 },
  async () => {
    const reports = await wrongClocks(scratch())
    expect(reports).toHaveLength(6)
  },
)
