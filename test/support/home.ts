import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect } from "vitest"
import { comity, type Ran } from "./command-line.ts"

/** The answer to a command with --json. Its fields are what the tests are about. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the command printed
export type Document = any

/** A member's home, used as its operator does: by the command line, which runs in this process. */
export type TestHome = {
  readonly home: string
  readonly state: string
  readonly url: string
  readonly words: string
  readonly member: string
  run(args: readonly string[], options?: Parameters<typeof comity>[1]): Promise<Ran>
  /** The document of a command that succeeds. */
  json(...args: string[]): Promise<Document>
  /** The error document of one that does not, with its exit code. */
  error(...args: string[]): Promise<{ code: string; message: string; hint?: string; exit: number }>
  serve(): Promise<{ stop(): Promise<void> }>
}

/** Homes in one directory of the test file's own; `remove` in `afterAll`. */
export class Homes {
  readonly directory = mkdtempSync(join(tmpdir(), "comity-homes-"))
  readonly environment = { COMITY_KEY_FILE: join(this.directory, "key"), NO_COLOR: "1" }

  constructor() {
    writeFileSync(this.environment.COMITY_KEY_FILE, "4b".repeat(32), { mode: 0o600 })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Founds a member, on a port of its own, and writes its card beside the homes. */
  async found(state: string, ...options: string[]): Promise<TestHome> {
    const name = state.toLowerCase()
    const home = this.path(name)
    const url = `http://127.0.0.1:${await freePort()}`
    const run: TestHome["run"] = (args, how = {}) =>
      comity(["--home", home, ...args], { environment: this.environment, ...how })
    const json = async (...args: string[]): Promise<Document> => {
      const { exit, stdout, stderr } = await run([...args, "--json"])
      expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: "" })
      return JSON.parse(stdout)
    }
    const error: TestHome["error"] = async (...args) => {
      const { exit, stderr } = await run([...args, "--json"])
      return { ...JSON.parse(stderr).error, exit }
    }
    const identity = ["--state", state, "--name", `Authority ${state}`, "--url", url]
    const { words, member } = await json("init", ...identity, ...options)
    await json("id", "show", "--card", this.path(`${name}.card`))
    const serve = () => serving(run)
    return { home, state, url, words, member, run, json, error, serve }
  }

  /** Each adds the other's card and compares its words. */
  async introduce(a: TestHome, b: TestHome): Promise<void> {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const { name } = await one.json("peer", "add", this.path(`${other.state.toLowerCase()}.card`))
      await one.json("peer", "verify", name, "--words", other.words)
    }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** A running node in this process, until it is stopped. */
async function serving(run: TestHome["run"]): Promise<{ stop(): Promise<void> }> {
  const interrupt = new AbortController()
  let ended: Promise<Ran> | undefined
  await new Promise<void>((resolve, reject) => {
    ended = run(["serve"], { interrupt: interrupt.signal, onStdout: () => resolve() })
    ended.then(({ stderr }) => reject(new Error(stderr)), reject)
  })
  return {
    stop: async () => {
      interrupt.abort()
      expect((await ended)?.exit).toBe(0)
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}

/** What officers p1 and p2 sign and the node then publishes. */
export async function authorise(home: TestHome, order: string): Promise<Document> {
  for (const person of ["p1", "p2"])
    await home.json("order", "sign", order, "--as", person, "--yes")
  return home.json("publish", order)
}

export const practice = `---
title: Two persons take the physical inventory
profile: ippas
kind: good-practice
areas: [M2]
language: en
basis: NSS 13, para 3.26
whyBetter: Nobody signs off their own count.
---
## What is done

The physical inventory is taken by two persons, one of them from another section.
`
