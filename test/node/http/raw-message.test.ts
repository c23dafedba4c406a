import { describe, expect, test } from "vitest"
import { parseRawMessage, splitTarget } from "../../../node/http/raw-message.ts"

const refused = expect.objectContaining({ code: "http.malformed" })
const lines = (...parts: string[]) => parts.join("\r\n")

describe("a raw HTTP message", () => {
  test("a request", () => {
    const text = lines("POST /a?b=c HTTP/1.1", "Host: x.example", "X-A:  1 ", "X-A: 2", "", "body")
    const message = parseRawMessage(text)
    expect(message).toMatchObject({ kind: "request", method: "POST", target: "/a?b=c" })
    expect(message.headers.get("x-a")).toBe("1, 2")
    expect(new TextDecoder().decode(message.body)).toBe("body")
  })

  test("a response", () => {
    const message = parseRawMessage(lines("HTTP/1.1 404 Not Found", "Content-Length: 0", "", ""))
    expect(message).toMatchObject({ kind: "response", status: 404 })
  })

  test("a target parts at its first question mark", () => {
    expect(splitTarget("/a?b?c")).toEqual({ path: "/a", query: "?b?c" })
    expect(splitTarget("/a")).toEqual({ path: "/a", query: "" })
  })

  test.each([
    ["bare line feeds", "GET / HTTP/1.1\nHost: x.example\n\n"],
    ["no end of the head", lines("GET / HTTP/1.1", "Host: x.example")],
    ["another version", lines("GET / HTTP/1.0", "Host: x.example", "", "")],
    ["two spaces", lines("GET  / HTTP/1.1", "Host: x.example", "", "")],
    ["absolute form", lines("GET https://x.example/ HTTP/1.1", "Host: x.example", "", "")],
    ["a fragment", lines("GET /#a HTTP/1.1", "Host: x.example", "", "")],
    ["no host", lines("GET / HTTP/1.1", "A: b", "", "")],
    ["two hosts", lines("GET / HTTP/1.1", "Host: x.example", "Host: y.example", "", "")],
    ["space before the colon", lines("GET / HTTP/1.1", "Host : x.example", "", "")],
    ["a folded line", lines("GET / HTTP/1.1", "Host: x.example", " y", "", "")],
    ["a control character", lines("GET / HTTP/1.1", "Host: x.example", "A: \u0000", "", "")],
    ["chunks", lines("GET / HTTP/1.1", "Host: x.example", "Transfer-Encoding: chunked", "", "")],
    ["another length", lines("GET / HTTP/1.1", "Host: x.example", "Content-Length: 1", "", "")],
    ["two lengths", lines("HTTP/1.1 200 ", "Content-Length: 0", "Content-Length: 0", "", "")],
    ["a thousand fields", lines("HTTP/1.1 200 ", ...Array(1000).fill("a: b"), "", "")],
    ["an endless field", lines("HTTP/1.1 200 ", `a: ${"b".repeat(40_000)}`, "", "")],
    ["nothing", ""],
  ])("%s is refused", (_name, text) => {
    expect(() => parseRawMessage(text)).toThrow(refused)
  })
})
