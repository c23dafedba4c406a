import { sha256 } from "../../../../protocol/crypto/hash.ts"
import { pad, paddedSize, unpad } from "../../../../protocol/crypto/padding.ts"
import { concat, encodeHex, u32be, u64be } from "../../../../protocol/encoding.ts"
import {
  bytes,
  type Cases,
  type Format,
  type Input,
  insist,
  number,
  plaintext,
  type Run,
} from "../../format.ts"

const run: Run = (input) => {
  if (input.head !== undefined) {
    const parts = [
      bytes(input, "head"),
      new Uint8Array(number(input, "zeros")),
      bytes(input, "tail"),
    ]
    return { plaintext: encodeHex(unpad(concat(...parts))) }
  }
  if (input.size !== undefined) return { paddedSize: paddedSize(input.size as number) }
  const padded = pad(plaintext(input))
  insist(encodeHex(unpad(padded)) === encodeHex(plaintext(input)), "sealed.padding")
  return { paddedSize: padded.length, digest: encodeHex(sha256(padded)) }
}

function cases(): Cases {
  const made = (length: number) => ({ length })
  const size = (length: number): Input => ({ size: length })
  /** `total` bytes that begin with these; one that is not zero at a place of its own. */
  const padded = (head: Uint8Array, total: number, at = total): Input => ({
    head: encodeHex(head),
    zeros: Math.min(at, total) - head.length,
    tail: at < total ? encodeHex(concat(Uint8Array.of(1), new Uint8Array(total - at - 1))) : "",
  })
  const code = "sealed.padding"
  return {
    about:
      "u64be length ‖ bytes ‖ zeros, to a size that tells little: of a plaintext given by its length the i-th byte is i mod 251; `size` asks for the padded size of so many bytes alone; head, so many zeros and tail are read back",
    valid: [
      ["nothing", made(0)],
      ["one byte", made(1)],
      ["the last that fits 4 KiB", made(4088)],
      ["the first that needs 8 KiB", made(4089)],
      ["read back: one byte", { head: `${encodeHex(u64be(1))}78`, zeros: 4087, tail: "" }],
      ...[8184, 8185, 16_376, 32_760, 65_528, 131_064, 262_136, 262_137].map(
        (length) => [`${length} bytes`, size(length)] as const,
      ),
      ["the last of the first size under Padmé", size(270_328)],
      ["one byte more", size(270_329)],
      ["one MiB", size(1_048_576)],
      ["one MiB less the length field", size(1_048_568)],
      ["the largest attachment", size(268_435_456)],
    ],
    hostile: [
      ["no bytes", { head: "", zeros: 0, tail: "" }, code],
      ["less than 4 KiB", padded(u64be(0), 4095), code],
      ["half the least size", padded(u64be(0), 2048), code],
      ["one byte more than 4 KiB", padded(u64be(0), 4097), code],
      ["more than the least size", padded(u64be(4088), 8192), code],
      ["a size that no length has", padded(u64be(4089), 6144), code],
      ["a length beyond the end", padded(u64be(4089), 4096), code],
      ["a length beyond 2³²", padded(concat(u32be(1), u32be(1)), 4096), code],
      ["a length beyond 2⁵³", padded(concat(u32be(0xffffffff), u32be(0xffffffff)), 4096), code],
      ["a length in little-endian", padded(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 4096), code],
      [
        "the first byte of padding",
        { head: `${encodeHex(u64be(1))}0001`, zeros: 4086, tail: "" },
        code,
      ],
      ["a byte towards the end of the padding", padded(u64be(1), 4096, 4000), code],
      ["the last byte of padding", padded(u64be(1), 4096, 4095), code],
      [
        "4 KiB of 0x80 and zeros (ISO 7816-4)",
        padded(Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0), 4096),
        code,
      ],
    ],
  }
}

export const padding: Format = { run, cases }
