import type { ServerResponse } from "node:http"

/**
 * The one answer to whoever is nobody here, whatever was asked: the same bytes, the date apart, from
 * the app, from its adapter and where no request could be read at all. No body, so that HEAD gets it
 * too; the connection ends, as what was not read of the request can't be told from a next one.
 */
const status = 404
// Sorted, as some of the ways out sort them.
const fields = { "cache-control": "no-store", connection: "close", "content-length": "0" }

export function strangersAnswer(): Response {
  return new Response(null, { status, headers: fields })
}

/** Past the app, to an answer that has not begun. */
export function answerStranger(outgoing: ServerResponse): void {
  outgoing.writeHead(status, fields).end()
}

/** For a connection that has no answer to write to. */
export function strangersBytes(now: Date): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} Not Found\r\n${lines.join("")}Date: ${now.toUTCString()}\r\n\r\n`
}
