import { type FrameType, frameTypes } from "../../../protocol/exchange/frames.ts"

const names = new Map(
  Object.entries(frameTypes).map(([name, code]) => [code as number, name as FrameType]),
)

/** The frames that lie whole in one piece of an answer: an honest node sends each as one piece. */
export function piecesOf(
  bytes: Uint8Array,
): readonly { readonly type: FrameType; readonly content: Uint8Array }[] {
  const found: { type: FrameType; content: Uint8Array }[] = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const type = names.get(bytes[at]!)
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(1)
    if (type === undefined || at + 5 + length > bytes.length) break
    found.push({ type, content: bytes.subarray(at + 5, at + 5 + length) })
    at += 5 + length
  }
  return found
}
