import { ProtocolError } from "../../protocol/errors.ts"

const nameLength = 120
/** Most file systems end a name at 255 bytes; room is left for a number or a second ending. */
const nameBytes = 240

// Format characters: bidi controls, zero-width ones, tags; those of Persian and Indic words stay.
const unseen = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]|\u034f/gu
// Separators, streams and wildcards of any system, shells' own, and what a URL would decode.
const unsafe = /[/\\:*?"<>|%~$`]/g
const devices = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin|conout|clock)_?\s*(?:\.|$)/i

/**
 * A name under which an attachment can be saved anywhere: no path, no device, nothing hidden, at
 * most 120 characters and 240 bytes. What is unsafe is replaced. Only a name: bytes are stored under
 * their digest, and two names that become one are for the caller to number.
 *
 * @throws `name.refused` when nothing readable is left
 */
export function safeAttachmentName(name: string): string {
  const replaced = [...name.slice(0, 4096).replace(unseen, "").normalize("NFC")]
    .map((character) => (looksUnsafe(character) ? "_" : character))
    .join("")
    .replace(unsafe, "_")
    .replace(/\p{Zs}/gu, " ")
    .replace(/\.{2,}/g, ".")
  const cut = trimEnds(shorten(trimEnds(replaced)))
  if (!/[\p{L}\p{N}]/u.test(cut)) throw new ProtocolError("name.refused")
  return devices.test(cut) ? trimEnds(shorten(`file-${cut}`)) : cut
}

/** A full-width solidus or two-dot leader becomes the real one in a system that simplifies names. */
function looksUnsafe(character: string): boolean {
  const simple = character.normalize("NFKC")
  return simple !== character && /[/\\:*?"<>|%~$`.\0-\x1f]/.test(simple)
}

/** Leading dots hide a file, leading hyphens are options, trailing dots and blanks get lost. */
function trimEnds(name: string): string {
  return name.replace(/^[\s.\-_]+/, "").replace(/[\s.]+$/, "")
}

/** Cuts before the ending, so that a document stays of its kind; never inside a character. */
function shorten(name: string): string {
  if (fits(name)) return name
  const ending = /\.[A-Za-z0-9]{1,10}$/.exec(name)?.[0] ?? ""
  let stem = [...name.slice(0, name.length - ending.length)].slice(0, nameLength)
  while (!fits(stem.join("") + ending)) stem = stem.slice(0, -1)
  return stem.join("").replace(/[\s.]+$/, "") + ending
}

function fits(name: string): boolean {
  return name.length <= nameLength && Buffer.byteLength(name) <= nameBytes
}
