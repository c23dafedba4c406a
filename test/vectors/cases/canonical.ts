import { ingest } from "../../../protocol/canonical.ts"
import { encodeHex, utf8 } from "../../../protocol/encoding.ts"
import { bytes, type Cases, type Format, type Run } from "../format.ts"

const run: Run = (input) => {
  const value = ingest(bytes(input, "bytes"), (input.maxBytes as number | undefined) ?? 65536)
  return { value }
}

function cases(): Cases {
  const hex = (json: string) => encodeHex(utf8(json))
  const at = (json: string) => ({ bytes: hex(json) })
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)
  return {
    about: "bytes from outside as JSON of our profile: RFC 8785 over I-JSON, integers, NFC",
    valid: [
      ["empty object", at("{}")],
      ["every kind of value", at('{"a":null,"b":true,"c":-7,"d":"text","e":[1,2],"f":{}}')],
      ["keys in order of UTF-16 code units", at('{"\ud83d\ude00":1,"\uff61":2}')],
      ["keys that look like array indices", at('{"10":1,"9":2,"a":3}')],
      ["largest and smallest integer", at("[9007199254740991,-9007199254740991]")],
      ["the escapes of RFC 8785", at('"\\b\\t\\n\\f\\r\\"\\\\\\u0000\\u001f/\u007f\u2028"')],
      ["composed text", at('"\u00e9"')],
      ["depth 16", at(nested(16))],
      ["objects in lists to depth 16", at(`${'[{"a":'.repeat(8)}0${"}]".repeat(8)}`)],
      ["brackets in text are no depth", at(`"${"[".repeat(40)}\\"{"`)],
      ["the empty text, as value and as key", at('{"":""}')],
      ["text beyond the basic plane", at('"\ud83d\ude00"')],
      ["keys that begin with one another", at('{"a":1,"aa":2,"aaa":3}')],
      ["exactly as many bytes as allowed", { bytes: hex("[1]"), maxBytes: 3 }],
    ],
    hostile: [
      ["no bytes", at(""), "json.malformed"],
      ["two values", at("{}{}"), "json.malformed"],
      ["byte order mark", at("\ufeff{}"), "json.malformed"],
      ["overlong UTF-8", { bytes: "22c0af22" }, "json.malformed"],
      ["surrogate in UTF-8", { bytes: "22eda08022" }, "json.malformed"],
      ["cut short", at('{"a":1'), "json.malformed"],
      ["a comma at the end", at("[1,]"), "json.malformed"],
      ["a comment", at("{}//"), "json.malformed"],
      ["single quotes", at("{'a':1}"), "json.malformed"],
      ["NaN", at("NaN"), "json.malformed"],
      ["a leading zero", at("01"), "json.malformed"],
      ["a plus sign", at("+1"), "json.malformed"],
      ["hexadecimal", at("0x10"), "json.malformed"],
      ["a line feed inside a text", at('"a\nb"'), "json.malformed"],
      ["an unknown escape", at('"\\x41"'), "json.malformed"],
      ["an unfinished escape", at('"\\u004"'), "json.malformed"],
      ["UTF-16", { bytes: "7b007d00" }, "json.malformed"],
      ["an overlong NUL in a text", { bytes: "22c08022" }, "json.malformed"],
      ["beyond Unicode", { bytes: "22f490808022" }, "json.malformed"],
      ["ends inside a character", { bytes: "22e282" }, "json.malformed"],
      ["lone surrogate, escaped", at('"\\ud800"'), "json.profile"],
      ["white space", at('{"a": 1}'), "json.noncanonical"],
      ["white space in front", at(" {}"), "json.noncanonical"],
      ["tab between", at("[1,\t2]"), "json.noncanonical"],
      ["line feed at the end", at("{}\n"), "json.noncanonical"],
      ["keys out of order", at('{"b":1,"a":2}'), "json.noncanonical"],
      ["keys out of order, nested", at('{"a":[{"c":1,"b":2}],"b":0}'), "json.noncanonical"],
      ["keys in order of code points", at('{"\uff61":2,"\ud83d\ude00":1}'), "json.noncanonical"],
      ["keys in numeric order", at('{"9":2,"10":1}'), "json.noncanonical"],
      ["a key twice", at('{"a":1,"a":1}'), "json.noncanonical"],
      ["a key twice, once escaped", at('{"a":1,"\\u0061":2}'), "json.noncanonical"],
      ["needless escape", at('"\\u0041"'), "json.noncanonical"],
      ["escaped solidus", at('"\\/"'), "json.noncanonical"],
      ["escape in capitals", at('"\\u001F"'), "json.noncanonical"],
      ["minus zero", at("-0"), "json.noncanonical"],
      ["an integer with a fraction", at("1.0"), "json.noncanonical"],
      ["an integer with an exponent", at("1e2"), "json.noncanonical"],
      ["a fraction", at("1.5"), "json.profile"],
      ["2⁵³", at("9007199254740992"), "json.profile"],
      ["beyond any number", at("1e400"), "json.profile"],
      ["minus 2⁵³", at("-9007199254740992"), "json.profile"],
      ["a fraction that rounds to an integer", at("0.9999999999999999999"), "json.noncanonical"],
      ["minus zero with a fraction", at("-0.0"), "json.noncanonical"],
      ["a lone trailing surrogate in a key", at('{"\\udc00":1}'), "json.profile"],
      ["decomposed text, escaped", at('"e\\u0301"'), "json.profile"],
      ["a compatibility singleton", at('"\u212b"'), "json.profile"],
      ["decomposed text", at('"e\u0301"'), "json.profile"],
      ["decomposed key", at('{"e\u0301":1}'), "json.profile"],
      ["__proto__", at('{"__proto__":{}}'), "json.profile"],
      ["constructor, nested", at('[{"constructor":1}]'), "json.profile"],
      ["prototype", at('{"prototype":1}'), "json.profile"],
      ["__proto__, escaped", at('{"__pr\\u006fto__":{}}'), "json.profile"],
      ["depth 17", at(nested(17)), "json.profile"],
      ["depth 17 of objects", at(`${'{"a":'.repeat(17)}0${"}".repeat(17)}`), "json.profile"],
      ["ten thousand brackets", at("[".repeat(10_000)), "json.profile"],
      ["one byte more than allowed", { bytes: hex("[1]"), maxBytes: 2 }, "json.too-large"],
    ],
  }
}

export const canonical: Format = { run, cases }
