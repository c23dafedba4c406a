import { canary } from "../workload/texts.ts"
import { Broken, type MakeInvariant } from "./invariant.ts"

/** As they stand in a message, and in base64 at each of its three alignments. */
const traces = [canary, ...[0, 1, 2].map(inBase64)].map((text) => Buffer.from(text))

function inBase64(shift: number): string {
  const encoded = Buffer.from("x".repeat(shift) + canary).toString("base64")
  // Without the characters that depend on what stands before and behind.
  return encoded.slice(shift === 0 ? 0 : shift + 1, -4)
}

/** S3: no byte of a text ever lies open in a message. */
export const nothingIsReadOnTheWay: MakeInvariant = () => ({
  heard: ({ from, to, path, bytes }) => {
    if (bytes.length === 0) return
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    if (traces.some((trace) => message.includes(trace)))
      throw new Broken("S3 no plaintext is on the wire", `${from} to ${to}, ${path}`)
  },
})

/** S15: a request is honoured once, by the one it was for, however often and wherever it arrives. */
export const requestsAreHonouredOnce: MakeInvariant = (world) => {
  const honoured = new Set<string>()
  return {
    heard: ({ from, to, path, headers, answer }) => {
      if (answer === undefined || !answer.isHead || !answer.headers.has("signature")) return
      // What it could not note it has not honoured: it says that it is at fault, and no more.
      if (answer.status >= 500) return
      const sender = world.named(from)
      if (!sender.isHonest) return
      const request = headers.get("signature") ?? ""
      if (honoured.has(request) || headers.get("comity-to") !== sender.id)
        throw new Broken("S15 a request is honoured once", `${from} answers ${to} on ${path} again`)
      honoured.add(request)
    },
  }
}
