import { createPublicKey, verify } from "node:crypto"
import { readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { httpOps } from "../../cli/conform/http.ts"
import { peerUrl } from "../../node/http/peer-url.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { describeVectors, vectorPath } from "../support/vectors.ts"

type Json = Record<string, unknown>

describeVectors("RFC 9421 Appendix B.2", () => {
  type Case = {
    title: string
    message: "request" | "response"
    signature_base: string
    headers: string[]
  }
  const b2 = read("rfc9421/b2.json") as unknown as {
    request: string
    response: string
    cases: Case[]
    pem: Record<string, string[]>
  }

  function inputOf({ message, headers }: Case) {
    const [head = "", body = ""] = b2[message].split("\n\n")
    const label = /^Signature-Input: ([^=]+)=/.exec(headers[0] ?? "")?.[1] ?? ""
    const text = [...head.split("\n"), ...headers, "", body].join("\r\n")
    return { message: text, label }
  }

  test.each(b2.cases.map((c) => [c.title, c] as const))("%s", (_title, vector) => {
    const input = inputOf(vector)
    // The only component of the appendix that the profile has no use for.
    if (vector.signature_base.includes("@query-param"))
      expect(() => httpOps["httpsig.base"](input)).toThrow(ProtocolError)
    else expect(httpOps["httpsig.base"](input)).toBe(vector.signature_base)
  })

  test("the base of B.2.6 is the one that its signature is over", () => {
    const vector = b2.cases.find((c) => c.title.includes("ed25519"))
    expect.assert(vector !== undefined)
    const key = createPublicKey(b2.pem["PUBLIC KEY"]?.[2] ?? "")
    const encoded = /:(.*):/.exec(vector.headers[1]?.slice("Signature:".length) ?? "")?.[1] ?? ""
    const base = httpOps["httpsig.base"](inputOf(vector)) as string
    expect(verify(null, utf8(base), key, Buffer.from(encoded, "base64"))).toBe(true)
  })
})

describeVectors("structured fields", () => {
  test("a Signature-Input that no parser of RFC 9651 accepts is refused here too", () => {
    const cases = ["dictionary", "param-dict", "key-generated", "string-generated"].flatMap(
      (name) => read(`structured-fields/${name}.json`) as unknown as Array<Json>,
    )
    const mustFail = cases.filter((c) => c.must_fail === true)
    expect(mustFail.length).toBeGreaterThan(50)
    for (const { raw } of mustFail) {
      const value = (raw as string[]).join(", ")
      for (const field of [value, `comity=(${value})`]) {
        const message = `GET / HTTP/1.1\r\nHost: a.example\r\nSignature-Input: ${field}\r\n\r\n`
        expect(() => httpOps["httpsig.base"]({ message, label: "comity" })).toThrow(ProtocolError)
      }
    }
  })
})

describeVectors("WPT URLs", () => {
  test.each(["url-idn/urltestdata.json", "url-idn/ada_extra_urltestdata.json"])(
    "%s: each is refused with a code or normalised to what the URL Standard says",
    (file) => {
      let accepted = 0
      for (const item of read(file) as unknown as Array<string | Json>) {
        // Some fail by their base, which a peer's URL does not have.
        if (typeof item === "string" || (item.failure && item.base)) continue
        const answer = attempt(String(item.input))
        if (answer === null) continue
        accepted++
        expect(item.failure).not.toBe(true)
        const href = String(item.href)
        expect(answer).toBe(href.replace(/\.(?=[:/])(?<=^https:\/\/[^/]*)/, ""))
      }
      expect(accepted).toBeGreaterThan(0)
    },
  )

  test("IDNA: a name is refused or comes out as its A-label form", () => {
    for (const file of ["url-idn/toascii.json", "url-idn/IdnaTestV2.json"])
      for (const item of read(file) as unknown as Array<string | Json>) {
        if (typeof item === "string") continue
        const answer = attempt(`https://${String(item.input)}/`)
        if (answer === null) continue
        const expected = String(item.output).replace(/\.$/, "")
        expect(new URL(answer).hostname).toBe(expected)
      }
  })
})

function attempt(text: string): string | null {
  try {
    return peerUrl(text, { allowPrivate: false })
  } catch (error) {
    expect(error).toMatchObject({ code: "url.refused" })
    return null
  }
}

function read(path: string): unknown {
  return JSON.parse(readFileSync(vectorPath(path), "utf8"))
}
