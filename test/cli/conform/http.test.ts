import { describe, expect, test } from "vitest"
import { httpOps } from "../../../cli/conform/http.ts"
import { encodeHex } from "../../../protocol/encoding.ts"
import { created, keyid, publicKey, refused, signed } from "../../support/signed-request.ts"

describe("conform over HTTP messages", () => {
  async function raw(target?: string): Promise<string> {
    const { method, authority, path, query, headers } = await signed()
    const fields = [...headers].map(([name, value]) => `${name}: ${value}`)
    const startLine = `${method} ${target ?? path + query} HTTP/1.1`
    return [startLine, `Host: ${authority}`, ...fields, "", ""].join("\r\n")
  }
  const keys = [{ keyid, publicKey: encodeHex(publicKey) }]

  test("a request of our own verifies from its bytes on the wire", async () => {
    const message = await raw()
    expect(httpOps["httpsig.verify"]({ message, keys, now: created })).toBe(true)
    expect(httpOps["httpsig.base"]({ message, label: "comity" })).toMatch(/^"@method": GET\n/)
  })

  test("and not from others, under other keys, or later", async () => {
    const message = await raw()
    const verify = httpOps["httpsig.verify"]
    expect(() => verify({ message, keys: [], now: created })).toThrow(refused("http.signature"))
    expect(() => verify({ message, keys, now: created + 301 })).toThrow(refused("http.signature"))
    const empty = { message: "", keys, now: created }
    expect(() => verify(empty)).toThrow(refused("http.malformed"))
  })

  test("a request sent to another target does not verify", async () => {
    const message = await raw("/feed?feed=0f&after=0&size=9")
    const verify = httpOps["httpsig.verify"]
    expect(() => verify({ message, keys, now: created })).toThrow(refused("http.signature"))
  })

  test("a key of small order is refused before it verifies anything", async () => {
    const weak = [{ keyid, publicKey: `01${"00".repeat(31)}` }]
    const input = { message: await raw(), keys: weak, now: created }
    expect(() => httpOps["httpsig.verify"](input)).toThrow(refused("key.weak"))
  })

  test("ill-typed fields are refused as such", () => {
    const message = "GET / HTTP/1.1"
    for (const input of [
      {},
      { message },
      { message, keys: {}, now: 1 },
      { message, keys: [1], now: 1 },
    ])
      expect(() => httpOps["httpsig.verify"](input)).toThrow(refused("op.malformed"))
    expect(() => httpOps["httpsig.base"]({ message })).toThrow(refused("op.malformed"))
    expect(() => httpOps["url.peer"]({ url: 7 })).toThrow(refused("op.malformed"))
  })

  test("a peer's URL comes back normalised", () => {
    expect(httpOps["url.peer"]({ url: "https://A.Example" })).toBe("https://a.example/")
    expect(() => httpOps["url.peer"]({ url: "https://127.1/" })).toThrow(refused("url.refused"))
  })
})
