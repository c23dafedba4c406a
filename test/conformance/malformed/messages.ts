import { utf8 } from "../../../protocol/encoding.ts"
import { type Draw, mutateBytes, mutateLines } from "../../fuzz/mutate.ts"

/** What is no HTTP request, nearly one, or one that nobody should answer. */

const crlf = (...lines: readonly string[]) => `${lines.join("\r\n")}\r\n\r\n`

/** Each has confused some server or proxy. `HOST` becomes the target's. */
const known: readonly string[] = [
  "\r\n\r\n",
  "\n",
  "GET /",
  "GET / HTTP/0.9\r\n\r\n",
  "GET / HTTP/1.1\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "SSH-2.0-x\r\n",
  crlf("GET / HTTP/1.1", "Host: HOST", "Host: other"),
  crlf("GET / HTTP/2.1", "Host: HOST"),
  crlf("GET / HTTP/1.1 ", "Host: HOST"),
  crlf("GET  / HTTP/1.1", "Host: HOST"),
  crlf(" GET / HTTP/1.1", "Host: HOST"),
  crlf("G\x00T / HTTP/1.1", "Host: HOST"),
  crlf("get / HTTP/1.1", "Host: HOST"),
  crlf("CONNECT HOST HTTP/1.1", "Host: HOST"),
  crlf("TRACE / HTTP/1.1", "Host: HOST"),
  crlf("OPTIONS * HTTP/1.1", "Host: HOST"),
  crlf("GET http://HOST/feed HTTP/1.1", "Host: HOST"),
  crlf("GET //HOST/feed HTTP/1.1", "Host: HOST"),
  crlf("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", "Host: HOST"),
  crlf("GET /root/-1 HTTP/1.1", "Host: HOST"),
  crlf("GET /root/1e3 HTTP/1.1", "Host: HOST"),
  crlf("GET /root/99999999999999999999 HTTP/1.1", "Host: HOST"),
  crlf("GET /sealed/%00 HTTP/1.1", "Host: HOST"),
  crlf("GET /log/%ff%fe HTTP/1.1", "Host: HOST"),
  crlf("GET /feed?%%% HTTP/1.1", "Host: HOST"),
  crlf(`GET /${"a".repeat(20_000)} HTTP/1.1`, "Host: HOST"),
  crlf("GET /#fragment HTTP/1.1", "Host: HOST"),
  crlf("GET /\x7f\xff HTTP/1.1", "Host: HOST"),
  crlf("GET / HTTP/1.1", "Host : HOST"),
  crlf("GET / HTTP/1.1", "Host: HOST", " folded: yes"),
  crlf("GET / HTTP/1.1", "Host: HOST", ": no name"),
  crlf("GET / HTTP/1.1", "Host: HOST", "no colon"),
  crlf("GET / HTTP/1.1", "Host: HOST", "a\x00b: c"),
  crlf("GET / HTTP/1.1", "Host: HOST", "a: b\x00c"),
  crlf("GET / HTTP/1.1", "Host: HOST", "a: b\rc"),
  crlf("GET / HTTP/1.1", "Host: HOST", `x: ${"y".repeat(20_000)}`),
  crlf("GET / HTTP/1.1", "Host: HOST", ...Array<string>(3000).fill("x: y")),
  "GET / HTTP/1.1\nHost: HOST\n\n",
  "GET / HTTP/1.1\rHost: HOST\r\r",
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: 5", "Content-Length: 6"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: -1"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: +5"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: 5, 5"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: 0x5"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: 99999999999999999999"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Content-Length: 5", "Transfer-Encoding: chunked"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked, identity"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: xchunked"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding\t: chunked"),
  `${crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked")}zz\r\n\r\n`,
  `${crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked")}ffffffffffffffff\r\n`,
  `${crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked")}-1\r\n\r\n`,
  `${crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked")}1;x="\r\na\r\n0\r\n\r\n`,
  `${crlf("POST /frames HTTP/1.1", "Host: HOST", "Transfer-Encoding: chunked")}0\r\nHost: x\r\n\r\n`,
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Expect: 100-continue", "Content-Length: 5"),
  crlf("POST /frames HTTP/1.1", "Host: HOST", "Expect: the unexpected", "Content-Length: 5"),
  crlf("GET /feed HTTP/1.1", "Host: HOST", "Connection: Upgrade", "Upgrade: websocket"),
  crlf("GET /feed HTTP/1.1", "Host: HOST", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
  crlf("GET / HTTP/1.1", "Host: "),
  crlf("GET / HTTP/1.1", "Host: HOST:99999"),
  crlf("GET / HTTP/1.1", "Host: [::1"),
  crlf("GET / HTTP/1.1", "Host: a b"),
  crlf("GET / HTTP/1.1", "Host: HOST/"),
  crlf("GET / HTTP/1.1", "Host: user@HOST"),
  crlf("GET /feed HTTP/1.1", "Host: HOST", "Range: bytes=0-18446744073709551615"),
  crlf("GET /feed HTTP/1.1", "Host: HOST", "Accept-Encoding: gzip;q=nan, *;q=-1"),
  crlf("GET /feed HTTP/1.1", "Host: HOST", "Cookie: __proto__=1"),
]

/** The next malformed request: a known one, or a good one that something has happened to. */
export function malformed(host: string, good: readonly Uint8Array[], draw: Draw): Uint8Array {
  const text = known[draw(known.length)]!.replaceAll("HOST", host)
  const bytes = new Uint8Array(Buffer.from(text, "latin1"))
  if (draw(4) === 0) return bytes
  const pool = [...good, bytes, utf8(crlf("GET /.well-known/comity HTTP/1.1", `Host: ${host}`))]
  const seed = draw(3) === 0 ? bytes : good[draw(good.length)]!
  return draw(2) === 0 ? mutateLines(seed, pool, draw) : mutateBytes(seed, pool, draw)
}
