import { encodeHex } from "../../../protocol/encoding.ts"
import { parseWords, wordsOf } from "../../../protocol/words.ts"
import { a } from "../cast.ts"
import { type Cases, type Format, type Run, text } from "../format.ts"

const run: Run = (input) =>
  input.member === undefined
    ? { bits: encodeHex(parseWords(text(input, "words"))) }
    : { words: wordsOf(text(input, "member")) }

function cases(): Cases {
  const twelve = wordsOf(a.id)
  return {
    about: "12 BIP-39 words of the first 128 bits of a member id, and back",
    valid: [
      ["zeros", { member: "00".repeat(32) }],
      ["ones", { member: "ff".repeat(32) }],
      ["member A", { member: a.id }],
      ["the second half does not matter", { member: a.id.slice(0, 32) + "00".repeat(16) }],
      ["read back", { words: twelve }],
      ["read back, as people type", { words: `  ${twelve.toUpperCase().replaceAll(" ", "\n ")} ` }],
    ],
    hostile: [
      ["eleven words", { words: twelve.split(" ").slice(1).join(" ") }, "words.malformed"],
      ["two exchanged", { words: twelve.replace(/^(\S+) (\S+)/, "$2 $1") }, "words.malformed"],
      ["no such word", { words: twelve.replace(/^\S+/, "sovereign") }, "words.malformed"],
      ["no words", { words: "" }, "words.malformed"],
      ["thirteen words", { words: `${twelve} abandon` }, "words.malformed"],
      ["twelve times the first of the list", { words: "abandon ".repeat(12) }, "words.malformed"],
      ["another last word", { words: twelve.replace(/\S+$/, "zoo") }, "words.malformed"],
      [
        "the first four letters of each",
        { words: twelve.replace(/\S+/g, (w) => w.slice(0, 4)) },
        "words.malformed",
      ],
      [
        "words of the French list",
        {
          words:
            "abaisser abandon abdiquer abeille abolir aborder aboutir aboyer abrasif abreuver abriter abroger",
        },
        "words.malformed",
      ],
      ["24 words", { words: `${"abandon ".repeat(23)}art` }, "words.malformed"],
      ["half an id", { member: a.id.slice(0, 32) }, "encoding.malformed"],
      ["an id and a half", { member: a.id + a.id.slice(32) }, "encoding.malformed"],
      ["no hex", { member: `g${a.id.slice(1)}` }, "encoding.malformed"],
      ["no id", { member: "" }, "encoding.malformed"],
      ["an id in capitals", { member: a.id.toUpperCase() }, "encoding.malformed"],
    ],
  }
}

export const words: Format = { run, cases }
