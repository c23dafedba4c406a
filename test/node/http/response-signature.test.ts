import * as oracle from "http-message-sig"
import { describe, expect, test } from "vitest"
import {
  signResponse,
  verifyRequest,
  verifyResponse,
} from "../../../node/http/message-signature.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import {
  checking,
  created,
  nonce,
  refused,
  serverKey,
  serverKeyid,
  serverSeed,
  signed,
  withSeed,
} from "../../support/signed-request.ts"

describe("a signed response", () => {
  async function answered(options: { body?: string | null; head?: string; status?: number } = {}) {
    const request = verifyRequest(await signed(), checking)
    const headers = new Headers()
    const body = options.body === null ? null : utf8(options.body ?? "nothing new")
    if (body === null) headers.set("content-type", "application/vnd.comity.frames")
    if (options.head !== undefined) headers.set("comity-head", options.head)
    const response = { status: options.status ?? 200, headers, body }
    const signing = { keyid: serverKeyid, sign: withSeed(serverSeed), created: created + 1 }
    await signResponse(response, { request, ...signing })
    const keyOf = (kid: string) => (kid === serverKeyid ? serverKey : null)
    return { response, checks: { request, now: created + 2, keyOf } }
  }

  test("says under which key, and what head", async () => {
    const { response, checks } = await answered({ head: "0f0f, 3, 9" })
    expect(verifyResponse(response, checks)).toEqual({
      ...{ keyid: serverKeyid, created: created + 1, head: "0f0f, 3, 9" },
    })
  })

  test("always has a head; a dash says that there is no feed", async () => {
    const { response, checks } = await answered()
    expect(response.headers.get("comity-head")).toBe("-")
    expect(verifyResponse(response, checks).head).toBeNull()
    response.headers.delete("comity-head")
    expect(() => verifyResponse(response, checks)).toThrow(refused("http.malformed"))
  })

  test("a stream of frames is signed before its first frame, without a digest", async () => {
    const { response, checks } = await answered({ body: null, head: "0f0f, 3, 9" })
    expect(response.headers.has("content-digest")).toBe(false)
    expect(verifyResponse(response, checks).head).toBe("0f0f, 3, 9")
  })

  test("does not answer another request", async () => {
    const { response, checks } = await answered()
    const other = await signed({ created: created + 1 })
    const request = { signature: other.headers.get("signature") ?? "", nonce }
    expect(() => verifyResponse(response, { ...checks, request })).toThrow(
      refused("http.signature"),
    )
    const renamed = { ...checks.request, nonce: "another" }
    expect(() => verifyResponse(response, { ...checks, request: renamed })).toThrow(
      refused("http.signature"),
    )
  })

  test("of another status, head or body is refused", async () => {
    const { response, checks } = await answered()
    expect(() => verifyResponse({ ...response, status: 404 }, checks)).toThrow(
      refused("http.signature"),
    )
    expect(() => verifyResponse({ ...response, body: utf8("new") }, checks)).toThrow(
      refused("http.signature"),
    )
    response.headers.set("comity-head", "0f0f, 3, 9")
    expect(() => verifyResponse(response, checks)).toThrow(refused("http.signature"))
  })

  test("cannot be turned into a stream, whose body nothing would cover", async () => {
    const { response, checks } = await answered()
    response.headers.set("content-type", "application/vnd.comity.frames")
    expect(() => verifyResponse({ ...response, body: null }, checks)).toThrow(
      refused("http.malformed"),
    )
  })

  test("of another implementation is accepted when it keeps to the profile", async () => {
    const { response, checks } = await answered()
    const signature = oracle.createSignatureSync(
      {
        kind: "response",
        status: 200,
        fields: [...response.headers].map(([name, value]) => ({ name, value })),
        request: {
          kind: "request",
          method: "GET",
          targetUri: "https://borduria.example/",
          fields: [{ name: "signature", value: checks.request.signature }],
        },
      },
      {
        label: "comity",
        components: [
          ...["@status", "content-type", "comity-head"],
          oracle.component("signature", { req: true, key: "comity" }),
          "content-digest",
        ],
        parameters: {
          ...{ created, expires: created + 300, nonce, keyid: serverKeyid },
          ...{ alg: "ed25519", tag: "comity-1" },
        },
        signer: { algorithm: "ed25519", sign: withSeed(serverSeed) },
      },
    )
    response.headers.set("signature", signature.signature)
    response.headers.set("signature-input", signature.signatureInput)
    expect(verifyResponse(response, checks).keyid).toBe(serverKeyid)
  })
})
