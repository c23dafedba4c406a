import { decodeShape, hex, list, literal, object, text } from "../../protocol/shape.ts"
import type { Files } from "../env.ts"
import { NodeError } from "../errors.ts"
import { openKeyFileContent, sealKeyFileContent, type Unlocking } from "./keystore.ts"

/**
 * The members that an officer knows by name, kept on the officer's machine and sealed there: whoever runs
 * the node may call a stranger by a friend's name, and is not believed. PROTOCOL.md §5
 */

const file = "officers/pins"
const shape = object({
  pins: list(object({ member: hex(32), name: text({ min: 1, max: 64 }) }), { max: 4096 }),
  type: literal("comity/pins/v1"),
})

/** Member id → name. */
export type Pins = ReadonlyMap<string, string>

export function hasPins(files: Files): boolean {
  return files.read(file) !== null
}

/** @throws `key.unavailable` when they were sealed with another passphrase, or changed by another hand */
export async function readPins(files: Files, unlocking: Unlocking): Promise<Pins> {
  const bytes = files.read(file)
  if (bytes === null) return new Map()
  const { pins } = decodeShape(shape, await openKeyFileContent(bytes, unlocking), "key.malformed")
  return new Map(pins.map(({ member, name }) => [member, name]))
}

/** @throws `peer.exists` for a second member of that name */
export async function addPin(
  files: Files,
  unlocking: Unlocking,
  pin: { readonly member: string; readonly name: string },
  random: (bytes: number) => Uint8Array,
): Promise<Pins> {
  const pins = new Map(await readPins(files, unlocking))
  for (const [member, name] of pins)
    if (name === pin.name && member !== pin.member)
      throw new NodeError("peer.exists", `Another member is pinned as ${name} here.`)
  pins.set(pin.member, pin.name)
  await write(files, unlocking, pins, random)
  return pins
}

/** @throws `peer.unknown` */
export async function removePin(
  files: Files,
  unlocking: Unlocking,
  name: string,
  random: (bytes: number) => Uint8Array,
): Promise<Pins> {
  const pins = new Map(await readPins(files, unlocking))
  const found = [...pins].find(([, known]) => known === name)
  if (found === undefined) throw new NodeError("peer.unknown", `Nobody is pinned as ${name} here.`)
  pins.delete(found[0])
  await write(files, unlocking, pins, random)
  return pins
}

async function write(
  files: Files,
  unlocking: Unlocking,
  pins: Pins,
  random: (bytes: number) => Uint8Array,
): Promise<void> {
  const content = {
    pins: [...pins].map(([member, name]) => ({ member, name })),
    type: "comity/pins/v1",
  }
  files.write(file, await sealKeyFileContent(content, unlocking, random))
}
