import { concat } from "../../../../protocol/encoding.ts"
import {
  formatNote,
  formatVkey,
  type NoteSigner,
  openNote,
  parseNote,
  parseVkey,
  signNote,
} from "../../../../protocol/log/note.ts"
import { flipBit, logSigners } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import {
  type Cases,
  type Format,
  type Input,
  insist,
  list,
  type Run,
  repeated,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const keys = list(input, "vkeys").map(parseVkey)
  const note = text(input, "note")
  const { text: said, verified, unverified } = openNote(note, keys)
  insist(formatNote(said, parseNote(note).signatures) === note, "note.malformed")
  return { text: said, verified: verified.map(({ name }) => name), unverified: unverified.length }
}

const smallOrder = concat(Uint8Array.of(1), new Uint8Array(31))
const plain = (name: string, of = a): NoteSigner => ({ ...logSigners(of)[0], name })
const vkeyOf = ({ name, algorithm, publicKey }: NoteSigner) =>
  formatVkey(name, algorithm, publicKey)

async function cases(): Promise<Cases> {
  const [alice, bob] = [plain("alice.example"), plain("bob.example", b)]
  const said = "One line.\nAnd another: été, 日本.\n"
  const note = await signNote(said, [alice])
  const both = await signNote(said, [alice, bob])
  const open = (text: unknown, ...signers: readonly NoteSigner[]): Input => ({
    note: text,
    vkeys: (signers.length === 0 ? [alice] : signers).map(vkeyOf),
  })
  const under = (vkey: string): Input => ({ note, vkeys: [vkey] })
  const vkey = vkeyOf(alice)
  const [name, id, key] = vkey.split("+") as [string, string, string]
  const [line] = parseNote(note).signatures
  const [, second] = parseNote(both).signatures
  const spoilt = (bit: number) =>
    formatNote(said, [{ ...line!, signature: flipBit(line!.signature, bit) }])
  const dash = "\u2014"
  const malformed = "note.malformed"
  return {
    about: "C2SP signed-note: a text and which of some keys signed it",
    valid: [
      ["one signature", open(note)],
      ["two signatures, one key given", open(both)],
      ["two signatures, both keys given", open(both, alice, bob)],
      ["keys given that did not sign", open(note, alice, bob)],
      ["one empty line", open(await signNote("\n", [alice]))],
      ["a text with an empty line", open(await signNote("a\n\nb\n", [alice]))],
      [
        "a text that looks like a signature",
        open(await signNote(`${dash} alice.example AAAAAAAAAA==\n`, [alice])),
      ],
      [
        "a name in another script",
        open(await signNote(said, [plain("агентство.example")]), plain("агентство.example")),
      ],
    ],
    hostile: [
      ["no signature", open(`${said}\n`), malformed],
      ["no empty line", open(note.replace("\n\n", "\n")), malformed],
      ["no text", open(note.slice(note.indexOf(`\n${dash}`))), malformed],
      ["nothing", open(""), malformed],
      ["no line feed at the end", open(note.slice(0, -1)), malformed],
      ["an empty line at the end", open(`${note}\n`), malformed],
      ["text behind the signatures", open(`${note}more\n`), malformed],
      ["carriage returns", open(note.replaceAll("\n", "\r\n")), malformed],
      ["a control character", open(note.replace("One", "O\u0007e")), malformed],
      ["a tab", open(note.replace("One", "O\te")), malformed],
      ["a hyphen for the dash", open(note.replace(dash, "-")), malformed],
      ["an en dash for the dash", open(note.replace(dash, "\u2013")), malformed],
      ["two spaces", open(note.replace(`${dash} `, `${dash}  `)), malformed],
      ["no name", open(note.replace("alice.example ", "")), malformed],
      ["a name with a plus", open(note.replace("alice.example", "alice+example")), malformed],
      ["base64url", open(note.replace(/(alice\.example )./, "$1_")), malformed],
      ["no padding", open(note.replace(/=+\n$/, "\n")), malformed],
      ["stray bits", open(note.replace(/.=\n$/, "B=\n")), malformed],
      ["a signature of four bytes", open(note.replace(/ \S+\n$/, " AAAAAA==\n")), malformed],
      ["a line twice", open(`${note}${note.slice(note.indexOf(dash))}`), malformed],
      [
        "131 lines",
        open(
          `${said}\n${Array.from({ length: 131 }, (_, i) => `${dash} n${i} AAAAAAAA\n`).join("")}`,
        ),
        malformed,
      ],
      [
        "one byte more than a note may have",
        { ...open(note), note: repeated("61", 1_048_577) },
        malformed,
      ],
      ["by another key alone", open(note, bob), "note.unverified"],
      ["no key given", { note, vkeys: [] }, "note.unverified"],
      [
        "one of two is bad, and its key is given",
        open(formatNote(said, [line!, { ...second!, signature: line!.signature }]), alice, bob),
        "note.unverified",
      ],
      ["one bit of the signature", open(spoilt(9)), "note.unverified"],
      ["the text edited", open(note.replace("One", "Two")), "note.unverified"],
      ["the text in another normal form", open(note.normalize("NFD")), "note.unverified"],
      ["a line feed more in the text", open(note.replace("\n\n", "\n\n\n")), "note.unverified"],
      [
        "another's signature under the name",
        open(note.replace("alice.example", "bob.example"), { ...bob }),
        "note.unverified",
      ],
      ["a key given twice", { note, vkeys: [vkey, vkey] }, "vkey.malformed"],
      ["vkey: another id", under(`${name}+00000000+${key}`), "vkey.malformed"],
      [
        "vkey: the id in capitals",
        { note: both, vkeys: [vkeyOf(bob).replace(/\+[0-9a-f]{8}\+/, (id) => id.toUpperCase())] },
        "vkey.malformed",
      ],
      ["vkey: another name", under(`bob.example+${id}+${key}`), "vkey.malformed"],
      ["vkey: no name", under(`+${id}+${key}`), "vkey.malformed"],
      ["vkey: a name with a space", under(`alice example+${id}+${key}`), "vkey.malformed"],
      ["vkey: no key", under(`${name}+${id}+`), "vkey.malformed"],
      [
        "vkey: an algorithm that nobody defined",
        under(`${name}+${id}+/${key.slice(1)}`),
        "vkey.malformed",
      ],
      ["vkey: a key of 31 bytes", under(`${name}+${id}+${key.slice(0, -4)}`), "vkey.malformed"],
      ["vkey: nothing", under(""), "vkey.malformed"],
      ["vkey: a key of small order", under(formatVkey(name, 0x01, smallOrder)), "key.weak"],
    ],
  }
}

export const note: Format = { run, cases }
