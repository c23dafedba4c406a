import { createHash } from "node:crypto"
import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { PassThrough, Writable } from "node:stream"
import { expect, test } from "vitest"
import type { World } from "../../../cli/context.ts"
import { comity } from "../../support/command-line.ts"
import { scratch } from "../../support/scratch.ts"

const right = "correct horse"

function secretFile(dir: string, name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

async function founded() {
  const dir = scratch()
  const home = join(dir, "home")
  const run = (args: readonly string[], environment: World["environment"], terminal?: Terminal) =>
    comity([...args, "--home", home], {
      environment,
      ...(terminal === undefined ? {} : { terminal: terminal.terminal }),
    })
  const file = secretFile(dir, "pass", `${right}\n`)
  const made = await run(["init", "--state", "XA", "--name", "Authority XA"], {
    COMITY_PASSPHRASE_FILE: file,
  })
  expect(made.exit).toBe(0)
  return { dir, home, run, file }
}

type Terminal = ReturnType<typeof typist>

/** Types `answer` whenever it is asked for a passphrase, and keeps the questions. */
function typist(answer: string) {
  const input = Object.assign(new PassThrough(), { setRawMode: () => {} })
  const questions: string[] = []
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const text = chunk.toString()
      if (text.endsWith(": ")) {
        questions.push(text)
        setImmediate(() => input.write(`${answer}\r`))
      }
      done()
    },
  })
  return { terminal: { input, output }, questions }
}

/** Every file below, by name, with its bytes, mode and time of change. */
function stateOf(path: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const file = join(entry.parentPath, entry.name)
        const { mode, mtimeMs } = lstatSync(file)
        const digest = createHash("sha256").update(readFileSync(file)).digest("hex")
        return [file.slice(path.length), `${digest} ${mode} ${mtimeMs}`]
      }),
  )
}

test("the passphrase comes from a file, a command, a systemd credential or a prompt", async () => {
  const { dir, run, file } = await founded()
  const credentials = join(dir, "credentials")
  mkdirSync(credentials)
  secretFile(credentials, "comity-passphrase", right)
  for (const environment of [
    { COMITY_PASSPHRASE_FILE: file },
    { COMITY_PASSPHRASE_COMMAND: `printf '${right}\\n'` },
    { CREDENTIALS_DIRECTORY: credentials },
  ])
    expect(await run(["id", "show"], environment)).toMatchObject({ exit: 0, stderr: "" })
  const at = typist(right)
  expect(await run(["id", "show"], {}, at)).toMatchObject({ exit: 0 })
  expect(at.questions).toEqual(["Passphrase of this home: "])
})

test("it is asked once, also where an officer's key lies under the same one", async () => {
  const { run } = await founded()
  const at = typist(right)
  expect(await run(["peer", "list"], {}, at)).toMatchObject({ exit: 0 })
  expect(at.questions).toHaveLength(1)
  const refusing = typist(right)
  const none = await run(["order", "refuse", "00", "--reason", "r", "--as", "p1"], {}, refusing)
  expect(none).toMatchObject({ exit: 5 })
  expect(refusing.questions).toHaveLength(1)
})

test("a wrong passphrase, or none, ends with 11 and touches nothing", async () => {
  const { dir, home, run } = await founded()
  const before = stateOf(home)
  const wrong = secretFile(dir, "wrong", "battery staple")
  for (const environment of [
    { COMITY_PASSPHRASE_FILE: wrong },
    { COMITY_PASSPHRASE_FILE: join(dir, "missing") },
    { COMITY_PASSPHRASE_COMMAND: "exit 1" },
    { COMITY_KEY_FILE: secretFile(dir, "raw", "ab".repeat(32)) },
    {},
  ]) {
    expect(await run(["key", "rotate", "kem"], environment)).toMatchObject({ exit: 11 })
    expect(stateOf(home)).toEqual(before)
  }
  expect(await run(["id", "show"], {}, typist("battery staple"))).toMatchObject({ exit: 11 })
  expect(stateOf(home)).toEqual(before)
})

test("a raw key opens the home unattended until its key file is sealed anew", async () => {
  const { dir, run, file } = await founded()
  const raw = join(dir, "service.key")
  expect(await run(["key", "raw", "-o", raw], { COMITY_PASSPHRASE_FILE: file })).toMatchObject({
    exit: 0,
  })
  expect(statSync(raw).mode & 0o777).toBe(0o600)
  expect(await run(["id", "show"], { COMITY_KEY_FILE: raw })).toMatchObject({ exit: 0 })
  const next = secretFile(dir, "next", "another")
  const change = ["key", "passphrase", "--new-passphrase-file", next]
  expect(await run(change, { COMITY_PASSPHRASE_FILE: next })).toMatchObject({ exit: 11 })
  expect(await run(change, { COMITY_PASSPHRASE_FILE: file })).toMatchObject({ exit: 0 })
  for (const [environment, exit] of [
    [{ COMITY_KEY_FILE: raw }, 11],
    [{ COMITY_PASSPHRASE_FILE: file }, 11],
    [{ COMITY_PASSPHRASE_FILE: next }, 0],
  ] as const)
    expect(await run(["id", "show"], environment)).toMatchObject({ exit })
})
