import { execFileSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as http from "node:http"
import * as https from "node:https"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterEach, describe, expect, test } from "vitest"
import { type PeerResponse, PeerUnreachable } from "../../../node/env.ts"
import { httpTransport, type TransportOptions } from "../../../node/http/transport.ts"
import { utf8 } from "../../../protocol/encoding.ts"

const open: Array<() => void> = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => sockets.add(socket))
  open.push(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function transport(options: Partial<TransportOptions> = {}) {
  const made = httpTransport({ allowPrivate: true, ...options })
  open.push(made.close)
  return made
}

function get(url: string, maxBytes = 1024) {
  const headers = new Headers({ "x-test": "1" })
  return { method: "GET", url: new URL(url), headers, body: new Uint8Array(), maxBytes } as const
}

async function text(response: PeerResponse): Promise<string> {
  return new Response(response.body as ReadableStream<Uint8Array<ArrayBuffer>>).text()
}

/** Not by events.once on both: its listeners on the one that never comes would pile up. */
function drained(response: http.ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done)
      resolve()
    }
    response.on("drain", done).on("close", done)
  })
}

const malformed = expect.objectContaining({ code: "http.malformed" })
const tooLarge = expect.objectContaining({ code: "http.too-large" })
const urlRefused = expect.objectContaining({ code: "url.refused" })

describe("the transport between peers", () => {
  test("sends method, fields and body, and keeps its connection", async () => {
    let connections = 0
    const server = http.createServer(async (request, response) => {
      let body = ""
      for await (const chunk of request) body += chunk
      response.setHeader("x-twice", ["a", "b"])
      response.end(`${request.method} ${request.url} ${request.headers["x-test"]} ${body}`)
    })
    server.on("connection", () => connections++)
    const url = await listening(server)
    const { send } = transport()
    for (let i = 0; i < 3; i++) {
      const response = await send({ ...get(`${url}/a?b=c`), method: "POST", body: utf8("frames") })
      expect(response.headers.get("x-twice")).toBe("a, b")
      expect(await text(response)).toBe("POST /a?b=c 1 frames")
    }
    expect(connections).toBe(1)
  })

  test("does not follow a redirect", async () => {
    const seen: Array<string | undefined> = []
    const url = await listening(
      http.createServer((request, response) => {
        seen.push(request.url)
        response.writeHead(302, { location: "/inside" }).end()
      }),
    )
    const response = await transport().send(get(`${url}/start`))
    expect(response.status).toBe(302)
    expect(await text(response)).toBe("")
    expect(seen).toEqual(["/start"])
  })

  test("inflates nothing: a small answer cannot become a large one", async () => {
    const bomb = gzipSync(new Uint8Array(10_000_000))
    const url = await listening(
      http.createServer((request, response) => {
        expect(request.headers["accept-encoding"]).toBe("identity")
        response.writeHead(200, { "content-encoding": "gzip" }).end(bomb)
      }),
    )
    await expect(transport().send(get(url, 100_000))).rejects.toEqual(malformed)
  })

  test("reads no more than it was told, whether the length is announced or not", async () => {
    let sent = 0
    const url = await listening(
      http.createServer(async (request, response) => {
        if (request.url === "/announced") return void response.end("a".repeat(2000))
        while (!response.destroyed) {
          sent += 65_536
          if (!response.write("a".repeat(65_536))) await drained(response)
        }
      }),
    )
    const { send } = transport()
    await expect(send(get(`${url}/announced`))).rejects.toEqual(tooLarge)
    const endless = await send(get(`${url}/endless`, 200_000))
    await expect(text(endless)).rejects.toEqual(tooLarge)
    expect(sent).toBeLessThan(50_000_000)
  })

  test("leaves to the peer what is not read yet", async () => {
    let sent = 0
    const url = await listening(
      http.createServer(async (_request, response) => {
        while (!response.destroyed && sent < 100_000_000) {
          sent += 65_536
          if (!response.write("a".repeat(65_536))) await drained(response)
        }
        response.end()
      }),
    )
    const { body } = await transport().send(get(url, 200_000_000))
    const reader = body.getReader()
    await reader.read()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(sent).toBeLessThan(50_000_000)
    await reader.cancel()
  })

  test("a body that falls silent ends as unreachable", async () => {
    const url = await listening(
      http.createServer((_request, response) => void response.write("begins")),
    )
    const response = await transport({ idleTimeout: 60 }).send(get(url))
    await expect(text(response)).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("a consumer that pauses is not taken for a silent peer", async () => {
    const url = await listening(http.createServer((_request, response) => void response.end("all")))
    const response = await transport({ idleTimeout: 40 }).send(get(url))
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(await text(response)).toBe("all")
  })

  test("a head that trickles in, or never comes, ends as unreachable", async () => {
    const trickling = await listening(
      createServer((socket) => {
        socket.on("error", () => {})
        socket.write("HTTP/1.1 200 OK\r\n")
        const timer = setInterval(() => socket.write("a: b\r\n"), 10)
        socket.on("close", () => clearInterval(timer))
      }),
    )
    const { send } = transport({ headTimeout: 100 })
    await expect(send(get(trickling))).rejects.toBeInstanceOf(PeerUnreachable)
    const silent = await listening(createServer((socket) => void socket.on("error", () => {})))
    await expect(send(get(silent))).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("an endless head ends as unreachable", async () => {
    const url = await listening(
      createServer((socket) => {
        socket.on("error", () => {})
        socket.write(`HTTP/1.1 200 OK\r\na: ${"b".repeat(100_000)}\r\n\r\n`)
      }),
    )
    await expect(transport().send(get(url))).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("a body that breaks off is not a whole one", async () => {
    const url = await listening(
      createServer((socket) => {
        socket.on("error", () => {})
        socket.end("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
      }),
    )
    const { send } = transport()
    await expect(text(await send(get(url)))).rejects.toBeInstanceOf(PeerUnreachable)
    const readLate = await send(get(url))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await expect(text(readLate)).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("a silence before anybody reads ends as unreachable, and harms nobody else", async () => {
    const url = await listening(http.createServer((_request, response) => response.flushHeaders()))
    const response = await transport({ idleTimeout: 40 }).send(get(url))
    await new Promise((resolve) => setTimeout(resolve, 150))
    await expect(text(response)).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("no connection, or no HTTP, ends as unreachable", async () => {
    const server = createServer()
    const url = await listening(server)
    server.close()
    await once(server, "close")
    await expect(transport().send(get(url))).rejects.toBeInstanceOf(PeerUnreachable)
    const smtp = await listening(
      createServer((socket) => {
        socket.on("error", () => {})
        socket.end("220 mail ESMTP\r\n")
      }),
    )
    await expect(transport().send(get(smtp))).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test.each(["GET", "POST"] as const)(
    "a kept connection that was closed is opened anew, %s",
    async (method) => {
      const answered = new Set<Socket>()
      const url = await listening(
        createServer((socket) => {
          socket.on("error", () => {})
          socket.on("data", () => {
            if (answered.has(socket)) socket.resetAndDestroy()
            else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            answered.add(socket)
          })
        }),
      )
      const { send } = transport()
      const request = { ...get(url), method, body: utf8(method === "POST" ? "frames" : "") }
      expect(await text(await send(request))).toBe("ok")
      expect(await text(await send(request))).toBe("ok")
      expect(answered.size).toBe(2)
    },
  )

  test("an aborted request ends, before its answer and inside it", async () => {
    const url = await listening(
      http.createServer((request, response) => {
        if (request.url === "/begins") response.write("begins")
      }),
    )
    const { send } = transport()
    const early = new AbortController()
    const never = send({ ...get(url), signal: early.signal })
    early.abort()
    await expect(never).rejects.toBeInstanceOf(PeerUnreachable)
    const late = new AbortController()
    const response = await send({ ...get(`${url}/begins`), signal: late.signal })
    const reading = text(response)
    late.abort()
    await expect(reading).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("nothing inside is connected to: neither by address nor through a name", async () => {
    let connections = 0
    const server = createServer(() => connections++)
    const { port } = new URL(await listening(server))
    const { send } = transport({ allowPrivate: false, lookup: async () => ["127.0.0.1"] })
    for (const host of ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "a.example"])
      await expect(send(get(`https://${host}:${port}/`))).rejects.toEqual(urlRefused)
    await expect(send(get(`http://a.example:${port}/`))).rejects.toEqual(urlRefused)
    expect(connections).toBe(0)
  })

  test("a name is looked up once for each connection, and its checked address is used", async () => {
    let asked = 0
    const url = await listening(
      http.createServer((request, response) => {
        response.end(request.headers.host)
      }),
    )
    const { port } = new URL(url)
    const { send } = transport({
      lookup: async (name) => {
        expect(name).toBe("peer.example")
        return asked++ === 0 ? ["127.0.0.1"] : ["192.0.2.1"]
      },
    })
    for (let i = 0; i < 2; i++)
      expect(await text(await send(get(`http://peer.example:${port}/`)))).toBe(
        `peer.example:${port}`,
      )
    expect(asked).toBe(1)
  })
})

/** For peer.example, or null where there is no openssl to make one. */
function certificate(): { key: string; cert: string } | null {
  const folder = mkdtempSync(join(tmpdir(), "comity-tls-"))
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")]
  try {
    execFileSync(
      "openssl",
      [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-subj", "/CN=peer.example", "-addext", "subjectAltName=DNS:peer.example"],
        ...["-days", "2", "-keyout", keyFile, "-out", certFile],
      ],
      { stdio: "ignore" },
    )
    return { key: readFileSync(keyFile, "utf8"), cert: readFileSync(certFile, "utf8") }
  } catch {
    return null
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const identity = certificate()

describe.skipIf(identity === null)("the transport over TLS", () => {
  async function served(options: https.ServerOptions = {}): Promise<string> {
    const settings = { ...identity, ...options }
    const server = https.createServer(settings, (_request, response) => void response.end("ok"))
    return `https://peer.example:${new URL(await listening(server)).port}/`
  }
  const lookup = async () => ["127.0.0.1"]
  const ca = identity?.cert ?? ""

  test("speaks TLS 1.3 to the name it was given", async () => {
    expect(await text(await transport({ lookup, ca }).send(get(await served())))).toBe("ok")
  })

  test("refuses TLS 1.2", async () => {
    const url = await served({ maxVersion: "TLSv1.2" })
    const answer = transport({ lookup, ca }).send(get(url))
    await expect(answer).rejects.toBeInstanceOf(PeerUnreachable)
  })

  test("refuses a certificate of an unknown authority, or for another name", async () => {
    const url = await served()
    await expect(transport({ lookup }).send(get(url))).rejects.toBeInstanceOf(PeerUnreachable)
    const other = url.replace("peer.example", "other.example")
    const answer = transport({ lookup, ca }).send(get(other))
    await expect(answer).rejects.toBeInstanceOf(PeerUnreachable)
  })
})
