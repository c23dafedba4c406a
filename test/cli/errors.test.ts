import { describe, expect, test } from "vitest"
import { exitCodes, printError, reportOf } from "../../cli/errors.ts"
import { createOutput } from "../../cli/output.ts"
import { UsageError, usageErrorCodes } from "../../cli/usage-error.ts"
import { PeerUnreachable } from "../../node/env.ts"
import { NodeError, nodeErrorCodes } from "../../node/errors.ts"
import { ProtocolError, protocolErrorCodes } from "../../protocol/errors.ts"

describe("exit codes", () => {
  test.each([
    [new ProtocolError("signed.invalid"), 4],
    [new ProtocolError("evidence.pin"), 4],
    [new ProtocolError("json.malformed"), 4],
    [new ProtocolError("checkpoint.forked"), 12],
    [new ProtocolError("consistency.invalid"), 12],
    [new ProtocolError("words.malformed"), 2],
    [new ProtocolError("profile.unknown"), 5],
    [new NodeError("peer.unknown", ""), 5],
    [new NodeError("order.unsatisfied", ""), 6],
    [new NodeError("peer.unreachable", ""), 7],
    [new PeerUnreachable("connect ECONNREFUSED"), 7],
    [new NodeError("home.exists", ""), 9],
    [new NodeError("home.missing", ""), 10],
    [new NodeError("key.unavailable", ""), 11],
    [new NodeError("store.rolled-back", ""), 12],
    [new NodeError("peer.unverified", ""), 13],
    [new UsageError("usage.invalid", ""), 2],
    [new UsageError("file.missing", ""), 5],
    [new UsageError("usage.interrupted", ""), 130],
    [new TypeError("undefined is not a function"), 1],
    ["a thrown text", 1],
  ])("of %s", (error, exit) => {
    expect(reportOf(error).exit).toBe(exit)
  })

  test("no error of any code ends as success or as partly done", () => {
    const all = [
      ...protocolErrorCodes.map((code) => new ProtocolError(code)),
      ...nodeErrorCodes.map((code) => new NodeError(code, "words")),
      ...usageErrorCodes.map((code) => new UsageError(code, "words")),
    ]
    const fixed = new Set<number>(Object.values(exitCodes))
    for (const error of all) {
      const { exit, message, code } = reportOf(error)
      expect(fixed.has(exit) && exit !== exitCodes.ok && exit !== exitCodes.partlyDone, code).toBe(
        true,
      )
      expect(code).toBe(error.code)
      expect(message).not.toBe("")
    }
  })
})

describe("the words of an error", () => {
  function printed(error: unknown, options: { isJson?: boolean; isDebugging?: boolean } = {}) {
    let stderr = ""
    const sink = { write: (text: string) => (stderr += text) }
    const nothing = { write: () => expect.unreachable("an error is no data") }
    const { isJson = false, isDebugging = false } = options
    const output = createOutput({ isJson, stdout: nothing, stderr: sink, environment: {} })
    printError(error, output, isDebugging)
    return stderr
  }

  test("name the code, and what to do next", () => {
    const error = new NodeError("peer.unknown", "There is no peer xz.", {
      hint: "comity peer list",
    })
    expect(printed(error)).toBe("comity: There is no peer xz. (peer.unknown)\ncomity peer list\n")
  })

  test("say in plain language what a verifier found, and where", () => {
    expect(printed(new ProtocolError("record.malformed", { detail: "$.title" }))).toBe(
      "comity: This is not a record, or a field of it is wrong. ($.title) (record.malformed)\n",
    )
  })

  test("are one JSON document with --json", () => {
    const { error } = JSON.parse(printed(new ProtocolError("signed.invalid"), { isJson: true }))
    expect(error).toMatchObject({ code: "signed.invalid", message: expect.any(String) })
    const unexpected = JSON.parse(printed(new RangeError("x"), { isJson: true }))
    expect(unexpected.error.code).toBe("internal.unexpected")
  })

  test("show no stack to an official, and all of it when asked", () => {
    const error = new Error("outer", { cause: new Error("inner") })
    expect(printed(error)).not.toContain("errors.test.ts")
    const traced = printed(error, { isDebugging: true })
    expect(traced).toContain("errors.test.ts")
    expect(traced).toContain("inner")
  })
})
