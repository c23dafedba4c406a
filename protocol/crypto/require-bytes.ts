/**
 * A mistake of ours, never of a peer: libsodium's wrapper silently takes a string for bytes, and
 * libraries differ in what they do with a key of the wrong length.
 *
 * @throws TypeError, RangeError
 */
export function requireBytes(name: string, value: Uint8Array, length?: number): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} is not a Uint8Array`)
  if (length !== undefined && value.length !== length)
    throw new RangeError(`${name} has ${value.length} bytes, not ${length}`)
}
