import * as oracle from "http-message-sig"
import { describe, expect, test } from "vitest"
import { type IncomingRequest, verifyRequest } from "../../../node/http/message-signature.ts"
import { signEd25519, verifyStrict } from "../../../protocol/crypto/sign.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import {
  checking,
  created,
  from,
  keyid,
  nonce,
  publicKey,
  refused,
  seed,
  serverKey,
  signed,
  withSeed,
} from "../../support/signed-request.ts"

/** Signs whatever Signature-Input says, to show that the form is refused and not only the signature. */
function resign(message: IncomingRequest, base: string, signatureInput: string): IncomingRequest {
  const headers = new Headers(message.headers)
  headers.set("signature-input", signatureInput)
  const signature = Buffer.from(signEd25519(utf8(base), seed)).toString("base64")
  headers.set("signature", `comity=:${signature}:`)
  return { ...message, headers }
}

function withHeader(message: IncomingRequest, name: string, value: string): IncomingRequest {
  const headers = new Headers(message.headers)
  headers.set(name, value)
  return { ...message, headers }
}

/** Base and field with the parameters that a hostile peer chose; its signature is good. */
function withParameters(
  message: IncomingRequest,
  change: (parameters: string) => string,
  changeList = (list: string[]) => list,
): IncomingRequest {
  const original = message.headers.get("signature-input") ?? ""
  const end = original.indexOf(")")
  const list = changeList(original.slice("comity=(".length, end).split(" "))
  const input = `(${list.join(" ")})${change(original.slice(end + 1))}`
  const values: Record<string, string> = {
    '"@method"': message.method,
    '"@authority"': message.authority,
    '"@path"': message.path,
    '"@query"': message.query,
  }
  const lines = list.map((id) => {
    const value = values[id] ?? message.headers.get(id.replaceAll(/[^a-z-]/g, "")) ?? ""
    return `${id}: ${value}\n`
  })
  return resign(message, `${lines.join("")}"@signature-params": ${input}`, `comity=${input}`)
}

describe("a signed request", () => {
  test("says who sent it, under which key, and what ties an answer to it", async () => {
    const message = await signed()
    expect(verifyRequest(message, checking)).toEqual({
      ...{ from, keyid, nonce, created, expires: created + 300 },
      signature: message.headers.get("signature"),
    })
  })

  test("carries its body, and an empty one has the digest of the empty string", async () => {
    const empty = await signed()
    expect(empty.headers.get("content-digest")).toBe(
      "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
    )
    const post = await signed({ method: "POST", url: "https://borduria.example/", body: "frames" })
    expect(verifyRequest(post, checking).from).toBe(from)
  })

  test("covers exactly the components of the profile, in its order", async () => {
    expect((await signed()).headers.get("signature-input")).toBe(
      `comity=("@method" "@authority" "@path" "@query" "content-digest" "content-type" "comity-from" "comity-to");created=${created};expires=${created + 300};nonce="${nonce}";keyid="${keyid}";alg="ed25519";tag="comity-1"`,
    )
  })

  test("is a signature to another implementation of RFC 9421 as well", async () => {
    for (const url of ["https://borduria.example/feed?after=1", "https://borduria.example/"]) {
      const { headers } = await signed({ url })
      const fields = [...headers].map(([name, value]) => ({ name, value }))
      const verified = await oracle.verifySignature(
        { kind: "request", method: "GET", targetUri: url, fields },
        {
          policy: {
            algorithms: ["ed25519"],
            requiredComponents: ["@method", "@authority", "@path", "@query", "comity-to"],
            requiredParameters: ["created", "expires", "nonce", "keyid", "tag"],
            now: created,
          },
          resolveVerifier: () => ({
            algorithm: "ed25519",
            verify: (base, signature) => verifyStrict(signature, base, publicKey),
          }),
        },
      )
      expect(verified.label).toBe("comity")
    }
  })

  test("of another implementation is accepted when it keeps to the profile", async () => {
    const message = await signed()
    const fields = [...message.headers].map(([name, value]) => ({ name, value }))
    const signature = oracle.createSignatureSync(
      {
        kind: "request",
        method: "GET",
        targetUri: `https://borduria.example${message.path}${message.query}`,
        fields,
      },
      {
        label: "comity",
        components: [
          ...["@method", "@authority", "@path", "@query", "content-digest", "content-type"],
          ...["comity-from", "comity-to"],
        ],
        parameters: {
          ...{ created, expires: created + 60, nonce: "other", keyid },
          ...{ alg: "ed25519", tag: "comity-1" },
        },
        signer: { algorithm: "ed25519", sign: withSeed(seed) },
      },
    )
    const theirs = withHeader(message, "signature", signature.signature)
    theirs.headers.set("signature-input", signature.signatureInput)
    expect(verifyRequest(theirs, checking).nonce).toBe("other")
  })
})

describe("a signed request does not stand for another", () => {
  test.each<[string, (message: IncomingRequest) => IncomingRequest]>([
    ["method", (m) => ({ ...m, method: "POST" })],
    ["path", (m) => ({ ...m, path: "/sealed" })],
    ["query", (m) => ({ ...m, query: "?feed=0f&after=0&size=9" })],
    ["missing query", (m) => ({ ...m, query: "" })],
    ["body", (m) => ({ ...m, body: utf8("x") })],
    ["authority", (m) => ({ ...m, authority: "syldavia.example" })],
    ["content type", (m) => withHeader(m, "content-type", "text/html")],
    ["sender", (m) => withHeader(m, "comity-from", "ee".repeat(32))],
    ["recipient", (m) => withHeader(m, "comity-to", "ee".repeat(32))],
    [
      "body with a digest to match",
      (m) => {
        const digest = "sha-256=:LXEWQrcmsEQBYnyp+6wy9cht4r8P0t0JNcq6Fa5yzm8=:"
        return { ...withHeader(m, "content-digest", digest), body: utf8("x") }
      },
    ],
  ])("another %s", async (_name, change) => {
    const message = change(await signed())
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.signature"))
  })

  test("replayed to another node that bears the same name", async () => {
    const elsewhere = { ...checking, ownId: "ee".repeat(32) }
    const message = await signed()
    expect(() => verifyRequest(message, elsewhere)).toThrow(refused("http.signature"))
  })

  test("replayed to a node of another name", async () => {
    const elsewhere = { ...checking, ownAuthorities: ["syldavia.example"] }
    const message = await signed()
    expect(() => verifyRequest(message, elsewhere)).toThrow(refused("http.signature"))
  })

  test("a key of somebody else, or none", async () => {
    const message = await signed()
    for (const keyOf of [() => serverKey, () => null])
      expect(() => verifyRequest(message, { ...checking, keyOf })).toThrow(
        refused("http.signature"),
      )
  })

  test("unsigned", async () => {
    for (const name of ["signature", "signature-input"]) {
      const message = await signed()
      message.headers.delete(name)
      expect(() => verifyRequest(message, checking)).toThrow(refused("http.signature"))
    }
  })
})

describe("the time of a request", () => {
  test.each([
    ["expired by a second", created + 301],
    ["from more than a minute ahead", created - 61],
  ])("%s is refused", async (_name, now) => {
    const message = await signed()
    expect(() => verifyRequest(message, { ...checking, now })).toThrow(refused("http.signature"))
  })

  test.each([
    ["the last second", created + 300],
    ["a clock a minute behind", created - 60],
  ])("%s is accepted", async (_name, now) => {
    expect(verifyRequest(await signed(), { ...checking, now }).created).toBe(created)
  })

  test.each([
    ["a window of more than 300 s", `created=${created};expires=${created + 301}`],
    ["an end before its beginning", `created=${created};expires=${created - 1}`],
  ])("%s is refused though well signed", async (_name, times) => {
    const message = withParameters(await signed(), (p) =>
      p.replace(/created=\d+;expires=\d+/, times),
    )
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.signature"))
  })
})

describe("one form only, however well signed", () => {
  test("the same helper with nothing changed is accepted", async () => {
    expect(
      verifyRequest(
        withParameters(await signed(), (p) => p),
        checking,
      ).from,
    ).toBe(from)
  })

  test.each<[string, (parameters: string) => string]>([
    ["another tag", (p) => p.replace("comity-1", "comity-2")],
    ["no tag", (p) => p.replace(';tag="comity-1"', "")],
    ["another algorithm", (p) => p.replace('"ed25519"', '"hmac-sha256"')],
    ["no algorithm", (p) => p.replace(';alg="ed25519"', "")],
    ["no expiry", (p) => p.replace(/;expires=\d+/, "")],
    ["no nonce", (p) => p.replace(/;nonce="[^"]*"/, "")],
    ["an empty nonce", (p) => p.replace(/;nonce="[^"]*"/, ';nonce=""')],
    ["an unknown parameter", (p) => `${p};also="this"`],
    ["a second created", (p) => `${p};created=1`],
    ["a space in the parameters", (p) => p.replace(";", "; ")],
    ["a leading zero", (p) => p.replace("created=", "created=0")],
    ["another order of parameters", (p) => p.replace(/^(;[^;]+)(;[^;]+)/, "$2$1")],
    ["a nonce beyond its length", (p) => p.replace(nonce, "n".repeat(129))],
  ])("%s is refused", async (_name, change) => {
    const message = withParameters(await signed(), change)
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })

  test.each<[string, (list: string[]) => string[]]>([
    ["a component missing", (list) => list.filter((id) => id !== '"comity-to"')],
    ["no components", () => []],
    ["components in another order", (list) => list.toReversed()],
    ["a component twice", (list) => [...list, '"@path"']],
    ["a component more", (list) => [...list, '"date"']],
    ["a component with a parameter", (list) => list.map((id) => `${id};req`)],
  ])("%s is refused", async (_name, change) => {
    const message = withParameters(await signed(), (p) => p, change)
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })

  test("a second label is refused, in either field", async () => {
    for (const name of ["signature", "signature-input"]) {
      const message = await signed()
      const value = message.headers.get(name) ?? ""
      message.headers.append(name, value.replace("comity", "other"))
      expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
    }
  })

  test("another label is refused", async () => {
    const message = await signed()
    for (const name of ["signature", "signature-input"])
      message.headers.set(name, (message.headers.get(name) ?? "").replace("comity=", "sig1="))
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })

  test.each(["comity-from", "comity-to", "content-type", "signature", "signature-input"])(
    "%s twice is refused",
    async (name) => {
      const message = await signed()
      message.headers.append(name, message.headers.get(name) ?? "")
      expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
    },
  )

  test("a stray bit in the signature's base64 is refused", async () => {
    const message = await signed()
    const value = message.headers.get("signature") ?? ""
    const last = value.at(-4) ?? ""
    const stray = String.fromCharCode(last.charCodeAt(0) + 1)
    message.headers.set("signature", `${value.slice(0, -4)}${stray}==:`)
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })

  test("fields beyond their length are refused", async () => {
    const message = withHeader(await signed(), "signature-input", `comity=(${" ".repeat(1e6)})`)
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })

  test("a line feed in a path cannot add a line to what is signed", async () => {
    const message = { ...(await signed()), path: '/feed\n"@query": ?after=0' }
    expect(() => verifyRequest(message, checking)).toThrow(refused("http.malformed"))
  })
})
