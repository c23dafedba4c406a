import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, test } from "vitest"
import { unlock } from "../../../node/keys/unlock.ts"
import { failure, scratch } from "../../support/scratch.ts"

const unavailable = failure("key.unavailable")
const raw = "ab".repeat(32)

function secretFile(content: string | Uint8Array, mode = 0o600): string {
  const path = join(scratch(), "secret")
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe("where the passphrase comes from", () => {
  test("the sources have an order, and the first that is named decides", async () => {
    const credentials = scratch()
    writeFileSync(join(credentials, "comity-passphrase"), "from systemd", { mode: 0o600 })
    const prompt = () => Promise.resolve("from the terminal")
    const environment: Record<string, string> = {
      COMITY_KEY_FILE: secretFile(raw),
      COMITY_PASSPHRASE_FILE: secretFile("from the file\n"),
      COMITY_PASSPHRASE_COMMAND: "printf 'from the command'",
      CREDENTIALS_DIRECTORY: credentials,
    }
    const key = new Uint8Array(32).fill(0xab)
    const next = async (source: string, unlocking: string | Uint8Array) => {
      expect(await unlock({ environment, prompt })).toEqual({ source, unlocking, warnings: [] })
      delete environment[source === "systemd" ? "CREDENTIALS_DIRECTORY" : source]
    }
    const given = await unlock({ environment, prompt, unlocking: "from the caller" })
    expect(given).toMatchObject({ source: "option", unlocking: "from the caller" })
    await next("COMITY_KEY_FILE", key)
    await next("COMITY_PASSPHRASE_FILE", "from the file")
    await next("COMITY_PASSPHRASE_COMMAND", "from the command")
    await next("systemd", "from systemd")
    await next("prompt", "from the terminal")
  })

  test("files named by options go before the environment", async () => {
    const environment = { COMITY_PASSPHRASE_FILE: secretFile("environment") }
    const passphraseFile = secretFile("option")
    expect(await unlock({ environment, passphraseFile })).toMatchObject({ unlocking: "option" })
    const { unlocking } = await unlock({ environment, keyFile: secretFile(raw) })
    expect(unlocking).toEqual(new Uint8Array(32).fill(0xab))
  })

  test("a source that is named and fails is not passed over", async () => {
    const prompt = () => Promise.resolve("from the terminal")
    for (const environment of [
      { COMITY_KEY_FILE: join(scratch(), "missing") },
      { COMITY_KEY_FILE: secretFile("too short") },
      { COMITY_PASSPHRASE_FILE: scratch() },
      { COMITY_PASSPHRASE_FILE: secretFile("\n") },
      { COMITY_PASSPHRASE_FILE: secretFile(new Uint8Array([0xff, 0xfe])) },
      { COMITY_PASSPHRASE_FILE: secretFile("x".repeat(70_000)) },
      { COMITY_PASSPHRASE_COMMAND: "echo half; exit 1" },
      { COMITY_PASSPHRASE_COMMAND: "true" },
    ])
      await expect(unlock({ environment, prompt })).rejects.toThrow(unavailable)
  })

  test("systemd without our credential, or no terminal, is no source", async () => {
    const environment = { CREDENTIALS_DIRECTORY: scratch() }
    await expect(unlock({ environment })).rejects.toThrow(unavailable)
    await expect(unlock({ environment })).rejects.toThrow(
      expect.objectContaining({ hint: expect.stringContaining("COMITY_PASSPHRASE_FILE") }),
    )
  })

  test("a credential that is there and fails is not passed over", async () => {
    const credentials = scratch()
    mkdirSync(join(credentials, "comity-passphrase"))
    const environment = { CREDENTIALS_DIRECTORY: credentials }
    const prompt = () => Promise.resolve("from the terminal")
    await expect(unlock({ environment, prompt })).rejects.toThrow(unavailable)
  })
})

test("a passphrase in the plain environment is not taken, and said so", async () => {
  const environment = { COMITY_PASSPHRASE: "seen by every child process" }
  await expect(unlock({ environment })).rejects.toThrow(unavailable)
  const { unlocking, warnings } = await unlock({ environment, prompt: async () => "typed" })
  expect(unlocking).toBe("typed")
  expect(warnings).toHaveLength(1)
})

test("a file that others can read is used with a warning", async () => {
  for (const mode of [0o640, 0o604]) {
    const COMITY_PASSPHRASE_FILE = secretFile("open", mode)
    const { warnings } = await unlock({ environment: { COMITY_PASSPHRASE_FILE } })
    expect(warnings.join()).toContain(COMITY_PASSPHRASE_FILE)
  }
})

test("only the editor's line end is taken off a passphrase", async () => {
  for (const [content, passphrase] of [
    [" two words \n", " two words "],
    ["line\r\n", "line"],
    ["two\n\n", "two\n"],
  ] as const) {
    const environment = { COMITY_PASSPHRASE_FILE: secretFile(content) }
    expect(await unlock({ environment })).toMatchObject({ unlocking: passphrase })
  }
})
