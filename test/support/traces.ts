/** What a secret looks like wherever it may have slipped out, and where it shows. */

export type Secret = { readonly name: string; readonly value: string | Uint8Array }

type Form = { readonly name: string; readonly bytes: Buffer; readonly ignoresCase: boolean }

function formsOf(value: string | Uint8Array): readonly Form[] {
  const bytes = Buffer.from(value as string)
  if (bytes.length < 8) throw new RangeError("too short to be found by")
  const forms: Form[] = [
    { name: "hex", bytes: Buffer.from(bytes.toString("hex")), ignoresCase: true },
    { name: "as it is", bytes, ignoresCase: typeof value === "string" },
  ]
  // Inside other bytes base64 has three ways to fall; the digits shared with neighbours are left out.
  for (const before of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(before), bytes])
    for (const coding of ["base64", "base64url"] as const) {
      const [from, to] = [Math.ceil((before * 8) / 6), Math.floor((padded.length * 8) / 6)]
      const digits = padded.toString(coding).slice(from, to)
      forms.push({ name: coding, bytes: Buffer.from(digits), ignoresCase: false })
    }
  }
  if (typeof value === "string") {
    const utf16 = Buffer.from(value, "utf16le")
    forms.push({ name: "UTF-16LE", bytes: utf16, ignoresCase: true })
    forms.push({ name: "UTF-16BE", bytes: Buffer.from(utf16).swap16(), ignoresCase: true })
    const escaped = encodeURIComponent(value)
    if (escaped !== value)
      forms.push({ name: "percent", bytes: Buffer.from(escaped), ignoresCase: true })
  }
  const reversed = Buffer.from(bytes).reverse()
  return [...forms, { name: "backwards", bytes: reversed, ignoresCase: false }]
}

/** Each form of each secret that `haystack` shows, in words: none where nothing slipped out. */
export function tracesIn(haystack: Uint8Array, secrets: readonly Secret[]): readonly string[] {
  const exact: Wanted[] = []
  const folded: Wanted[] = []
  for (const { name, value } of secrets)
    for (const form of formsOf(value)) {
      const trace = `${name}, ${form.name}`
      if (form.ignoresCase) folded.push({ trace, bytes: form.bytes.map(lowerCase) })
      else exact.push({ trace, bytes: form.bytes })
    }
  return [...found(haystack, exact), ...found(haystack.map(lowerCase), folded)]
}

type Wanted = { readonly trace: string; readonly bytes: Uint8Array }

function lowerCase(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

/** In one pass: by their first four bytes, then whole. */
function found(haystack: Uint8Array, wanted: readonly Wanted[]): ReadonlySet<string> {
  const byStart = Map.groupBy(wanted, ({ bytes }) => Buffer.from(bytes).readUInt32BE())
  const traces = new Set<string>()
  let last = 0
  for (let i = 0; i < haystack.length; i++) {
    last = ((last << 8) | haystack[i]!) >>> 0
    for (const { bytes, trace } of byStart.get(last) ?? [])
      if (i >= 3 && bytes.every((byte, at) => haystack[i - 3 + at] === byte)) traces.add(trace)
  }
  return traces
}
