import { verifyRequest } from "../../../../node/http/message-signature.ts"
import { parseRawMessage, splitTarget } from "../../../../node/http/raw-message.ts"
import { parseSignatureInput, signatureBase } from "../../../../node/http/signature-base.ts"
import { decodeHex } from "../../../../protocol/encoding.ts"
import { ProtocolError } from "../../../../protocol/errors.ts"
import { a, b, c } from "../../cast.ts"
import {
  type Cases,
  type Format,
  filled,
  type Input,
  list,
  number,
  type Run,
  text,
} from "../../format.ts"
import { created, host, keyEntry, kid, nonce, request, resigned } from "./message.ts"

const run: Run = (input) => {
  const raw = parseRawMessage(text(input, "message"))
  if (raw.kind !== "request") throw new ProtocolError("http.malformed", { detail: "a response" })
  const { method, headers, body } = raw
  const authority = headers.get("host") ?? ""
  const parts = { method, authority, ...splitTarget(raw.target), headers }
  const { from, keyid, ...rest } = verifyRequest(
    { ...parts, body },
    {
      now: number(input, "now"),
      ownId: text(input, "ownId"),
      ownAuthorities: list(input, "ownAuthorities"),
      keyOf: (member, wanted) => keyOf(input, member, wanted),
    },
  )
  const [member] = parseSignatureInput(headers.get("signature-input") ?? "")
  return {
    from,
    keyid,
    nonce: rest.nonce,
    expires: rest.expires,
    base: signatureBase(parts, member!),
  }
}

function keyOf(input: Input, member: string, keyid: string): Uint8Array | null {
  const keys = input.keys as readonly { member: string; keyid: string; publicKey: string }[]
  const found = keys.find((key) => key.member === member && key.keyid === keyid)
  return found === undefined ? null : decodeHex(found.publicKey)
}

async function cases(): Promise<Cases> {
  const at = (message: string, more: Input = {}): Input => ({
    message,
    now: created + 10,
    ownId: a.id,
    ownAuthorities: [host],
    keys: [keyEntry(b)],
    ...more,
  })
  const { text: get } = await request()
  const { text: post } = await request({ method: "POST", target: "/frames", body: "frames" })
  const edited = (from: string | RegExp, to: string, of = get): Input => {
    const message = of.replace(from, to)
    if (message === of) throw new RangeError(`nothing to replace: ${from}`)
    return at(message)
  }
  const malformed = "http.malformed"
  const refused = "http.signature"
  const input = /signature-input: comity=(.*)\r\n/.exec(get)![1]!
  const expiring = (after: number) =>
    resigned(get.replace(`expires=${created + 300}`, `expires=${created + after}`), b)
  const parameter = (from: string, to: string): Input => edited(from, to)
  const signature = /signature: (comity=:.*:)\r\n/.exec(get)![1]!
  const field = (name: string) => new RegExp(`${name}: .*\r\n`).exec(get)![0]
  return {
    about:
      "a signed request as it is on the wire, and the base that was signed; `now` in Unix seconds, the keys enrolled, whom it reaches and under which names",
    valid: [
      ["with a lifetime of one second", at(await expiring(1), { now: created + 1 })],
      ["a poll", at(get)],
      ["a push with a body", at(post)],
      ["without a query", at((await request({ target: "/livez" })).text)],
      ["with an empty query", at((await request({ target: "/feed?" })).text)],
      ["with a content type", at((await request({ type: "application/json" })).text)],
      ["one minute ahead", at(get, { now: created - 60 })],
      ["at its last second", at(get, { now: created + 300 })],
      [
        "under another of our names",
        at(get.replace(`host: ${host}`, `Host: ${host}`), {
          ownAuthorities: ["other.example", host],
        }),
      ],
      ["a host in capitals", at(get.replace(`host: ${host}`, "host: XA.Example"))],
      ["fields that are not covered", at(get.replace("\r\n\r\n", "\r\naccept: */*\r\n\r\n"))],
    ],
    hostile: [
      ["a lifetime of 301 seconds", at(await expiring(301)), refused],
      ["expires when it was created", at(await expiring(0), { now: created }), refused],
      ["expires before it was created", at(await expiring(-1), { now: created - 1 }), refused],
      ["unsigned: no signature-input", edited(field("signature-input"), ""), refused],
      ["unsigned: no signature", edited(field("signature"), ""), refused],
      ["to somebody else", at(get, { ownId: c.id }), refused],
      ["to another name than ours", at(get, { ownAuthorities: ["other.example"] }), refused],
      ["expired", at(get, { now: created + 301 }), refused],
      ["more than a minute ahead", at(get, { now: created - 61 }), refused],
      ["a member that we do not know", at(get, { keys: [] }), refused],
      ["a key of another member", at(get, { keys: [keyEntry(b, c.id)] }), refused],
      ["another key than enrolled", at((await request({ by: c, from: b.id })).text), refused],
      ["in the name of another member", edited(b.id, c.id), refused],
      [
        "signed by another under the keyid",
        at((await request({ by: c, from: b.id })).text.replace(kid(c), kid(b))),
        refused,
      ],
      [
        "one bit of the signature",
        edited(
          signature,
          signature.replace(/=:./, (s) => (s.endsWith("A") ? "=:B" : "=:A")),
        ),
        refused,
      ],
      ["a signature of zeros", edited(signature, `comity=:${"A".repeat(86)}==:`), refused],
      ["another method", edited("GET ", "POST "), refused],
      ["another path", edited("GET /feed", "GET /sealed"), refused],
      ["another query", edited("size=0 ", "size=1 "), refused],
      ["a query more", edited(" HTTP/1.1", "&live HTTP/1.1"), refused],
      ["another type", edited("application/octet-stream", "application/json"), refused],
      ["another body", edited(/frames$/, "Frames", post), refused],
      ["no body where one was signed", edited(/frames$/, "", post), refused],
      ["a body where none was signed", at(`${get}x`), refused],
      [
        "the digest of another body",
        edited(/sha-256=:.*:/, `sha-256=:${"A".repeat(43)}=:`),
        refused,
      ],
      ["another nonce", parameter(nonce, "another"), refused],
      ["another creation time", parameter(`created=${created}`, `created=${created + 1}`), refused],
      ["comity-to edited", edited(`comity-to: ${a.id}`, `comity-to: ${c.id}`), refused],
      ["no comity-from", edited(field("comity-from"), ""), malformed],
      ["no comity-to", edited(field("comity-to"), ""), malformed],
      ["comity-from in capitals", edited(b.id, b.id.toUpperCase()), malformed],
      [
        "comity-from twice",
        edited(field("comity-from"), field("comity-from").repeat(2)),
        malformed,
      ],
      ["no content-type", edited(field("content-type"), ""), malformed],
      [
        "two content types",
        edited(field("content-type"), field("content-type").repeat(2)),
        malformed,
      ],
      [
        "a content type of 129 characters",
        edited("application/octet-stream", `a/${"b".repeat(127)}`),
        malformed,
      ],
      ["no content-digest", edited(field("content-digest"), ""), malformed],
      ["another label", edited(/comity=(?=\()/, "sig1="), malformed],
      ["a second signature", edited(input, `${input}, sig2=("@method")`), malformed],
      ["a component left out", edited(' "@query"', ""), malformed],
      ["a component more", edited('"comity-to")', '"comity-to" "host")'), malformed],
      [
        "components in another order",
        edited('"@method" "@authority"', '"@authority" "@method"'),
        malformed,
      ],
      ["a component twice", edited('"@method"', '"@method" "@method"'), malformed],
      ["a component with a parameter", edited('"@method"', '"@method";req'), malformed],
      ["a parameter left out", edited(/;nonce="[^"]*"/, ""), malformed],
      ["a parameter more", edited(';tag="comity-1"', ';tag="comity-1";x=1'), malformed],
      [
        "parameters in another order",
        edited(/;created=(\d+);expires=(\d+)/, ";expires=$2;created=$1"),
        malformed,
      ],
      ["another algorithm", edited('alg="ed25519"', 'alg="hmac-sha256"'), malformed],
      ["another tag", edited('tag="comity-1"', 'tag="comity-2"'), malformed],
      ["a tag in capitals", edited('tag="comity-1"', 'tag="COMITY-1"'), malformed],
      ["a time with a fraction", edited(`created=${created}`, `created=${created}.0`), malformed],
      [
        "a time with a leading zero",
        edited(`created=${created}`, `created=0${created}`),
        malformed,
      ],
      ["a time in quotes", edited(`created=${created}`, `created="${created}"`), malformed],
      ["an empty nonce", edited(nonce, ""), malformed],
      ["a nonce of 129 characters", edited(nonce, "n".repeat(129)), malformed],
      ["two spaces between components", edited('"@method" ', '"@method"  '), malformed],
      ["a space before a parameter", edited(";created", "; created"), malformed],
      [
        "a signature in base64url",
        edited(signature, signature.replace(/.==:$/, "_==:")),
        malformed,
      ],
      ["a signature without padding", edited(signature, signature.replace("==:", ":")), malformed],
      ["a signature of 63 bytes", edited(signature, `comity=:${"A".repeat(84)}:`), malformed],
      [
        "stray bits in the signature",
        edited(signature, `comity=:${"A".repeat(85)}B==:`),
        malformed,
      ],
      [
        "a signature under another label",
        edited(signature, signature.replace("comity", "sig1")),
        malformed,
      ],
      ["two signature fields", edited(field("signature"), field("signature").repeat(2)), malformed],
      ["a response", at("HTTP/1.1 200 OK\r\n\r\n"), malformed],
      ["line feeds alone", at(get.replaceAll("\r\n", "\n")), malformed],
      ["a folded field", edited("comity-to: ", "comity-to:\r\n "), malformed],
      ["a space before the colon", edited("comity-to:", "comity-to :"), malformed],
      ["no host", edited(`host: ${host}\r\n`, ""), malformed],
      ["two hosts", edited(`host: ${host}\r\n`, `host: ${host}\r\nhost: ${host}\r\n`), malformed],
      ["HTTP/1.0", edited("HTTP/1.1", "HTTP/1.0"), malformed],
      ["an absolute target", edited("GET /feed", `GET https://${host}/feed`), malformed],
      ["a fragment in the target", edited("/feed", "/feed#x"), malformed],
      ["a method in small letters", edited("GET ", "get "), malformed],
      [
        "a transfer coding",
        edited("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n"),
        malformed,
      ],
      ["another content-length", edited("\r\n\r\n", "\r\ncontent-length: 7\r\n\r\n"), malformed],
      [
        "101 fields",
        edited(
          "\r\n\r\n",
          `\r\n${Array.from({ length: 100 }, (_, i) => `x-${i}: 1`).join("\r\n")}\r\n\r\n`,
        ),
        malformed,
      ],
      [
        "a signature-input of 4,097 characters",
        edited(";created", `${`;x="${"y".repeat(250)}"`.repeat(17)};created`),
        malformed,
      ],
      ["no end of the fields", at(get.slice(0, -2)), malformed],
      ["nothing", at(""), malformed],
      ["an id that is another's", at(get.replace(b.id, filled(32, 1))), refused],
    ],
  }
}

export const httpRequest: Format = { run, cases }
