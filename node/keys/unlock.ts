import { spawn } from "node:child_process"
import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { join } from "node:path"
import { decodeUtf8 } from "../../protocol/encoding.ts"
import { NodeError } from "../errors.ts"
import { parseRawKey, type Unlocking } from "./keystore.ts"

/**
 * Where the passphrase or the raw key comes from. The first source that is named decides: one that is
 * named and fails is an error, since going on to the next would hide it. The command line and the plain
 * environment are no sources: every account of the machine can read the one, every child the other.
 */

export type UnlockSource =
  | "option"
  | "COMITY_KEY_FILE"
  | "COMITY_PASSPHRASE_FILE"
  | "COMITY_PASSPHRASE_COMMAND"
  | "systemd"
  | "prompt"

export type UnlockOptions = {
  readonly environment: { readonly [name: string]: string | undefined }
  /** From a caller in this process; never from argv. */
  readonly unlocking?: Unlocking
  /** Files named by options of the command line. */
  readonly keyFile?: string
  readonly passphraseFile?: string
  /** Asks at a terminal without echo; absent where there is none. */
  readonly prompt?: (() => Promise<string>) | undefined
}

export type Unlocked = {
  readonly unlocking: Unlocking
  readonly source: UnlockSource
  /** For the operator, in words. */
  readonly warnings: readonly string[]
}

const maxSecretBytes = 64 * 1024

/** @throws `key.unavailable` */
export async function unlock(options: UnlockOptions): Promise<Unlocked> {
  const warnings: string[] = []
  if (options.environment.COMITY_PASSPHRASE !== undefined)
    warnings.push("COMITY_PASSPHRASE is ignored, as other programs can read it: unset it.")

  const rawKey = (path: string) => parseRawKey(readSecret(path, warnings))
  const passphrase = (path: string) => asPassphrase(readSecret(path, warnings))
  const found = (unlocking: Unlocking, source: UnlockSource) => ({ unlocking, source, warnings })

  const { unlocking, keyFile, passphraseFile, prompt } = options
  if (unlocking !== undefined) return found(unlocking, "option")
  if (keyFile !== undefined) return found(rawKey(keyFile), "option")
  if (passphraseFile !== undefined) return found(passphrase(passphraseFile), "option")

  const { COMITY_KEY_FILE, COMITY_PASSPHRASE_FILE, COMITY_PASSPHRASE_COMMAND } = options.environment
  if (COMITY_KEY_FILE) return found(rawKey(COMITY_KEY_FILE), "COMITY_KEY_FILE")
  if (COMITY_PASSPHRASE_FILE)
    return found(passphrase(COMITY_PASSPHRASE_FILE), "COMITY_PASSPHRASE_FILE")
  if (COMITY_PASSPHRASE_COMMAND)
    return found(
      asPassphrase(await outputOf(COMITY_PASSPHRASE_COMMAND)),
      "COMITY_PASSPHRASE_COMMAND",
    )

  // systemd.exec(5): LoadCredential= and LoadCredentialEncrypted=
  const { CREDENTIALS_DIRECTORY } = options.environment
  if (CREDENTIALS_DIRECTORY) {
    const path = join(CREDENTIALS_DIRECTORY, "comity-passphrase")
    if (isThere(path)) return found(passphrase(path), "systemd")
  }
  if (prompt !== undefined) return found(nonEmpty(await prompt()), "prompt")
  throw new NodeError("key.unavailable", warnings[0] ?? "No passphrase was given.", {
    hint: "Run at a terminal, or set COMITY_PASSPHRASE_FILE, COMITY_PASSPHRASE_COMMAND or COMITY_KEY_FILE.",
  })
}

/** A file, or what the shell makes of `<(…)`. */
function readSecret(path: string, warnings: string[]): Uint8Array {
  try {
    const file = openSync(path, "r")
    try {
      const state = fstatSync(file)
      if (state.isFile() && process.platform !== "win32" && (state.mode & 0o077) !== 0)
        warnings.push(`${path} can be read by other accounts: take their rights away (chmod 600).`)
      return readBounded(file, path)
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    if (cause instanceof NodeError) throw cause
    throw new NodeError("key.unavailable", `The passphrase or key file ${path} cannot be read.`, {
      hint: "Check the path, and who may read it.",
      cause,
    })
  }
}

function readBounded(file: number, path: string): Uint8Array {
  const bytes = new Uint8Array(maxSecretBytes + 1)
  let length = 0
  while (length < bytes.length) {
    const read = readSync(file, bytes, length, bytes.length - length, null)
    if (read === 0) break
    length += read
  }
  if (length > maxSecretBytes)
    throw new NodeError("key.unavailable", `${path} is too large for a passphrase or a key.`)
  const secret = bytes.slice(0, length)
  bytes.fill(0)
  return secret
}

function isThere(path: string): boolean {
  try {
    closeSync(openSync(path, "r"))
    return true
  } catch (error) {
    // One that is there and cannot be read is for readSecret to report.
    return (error as NodeJS.ErrnoException).code !== "ENOENT"
  }
}

/** Through the shell, as in restic: the operator wrote the line. Its words go to our stderr. */
function outputOf(command: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const failed = (cause?: unknown) =>
      reject(
        new NodeError("key.unavailable", "COMITY_PASSPHRASE_COMMAND failed.", {
          hint: "Run the command by hand: it must print the passphrase and end with status 0.",
          cause,
        }),
      )
    const child = spawn(command, { shell: true, stdio: ["inherit", "pipe", "inherit"] })
    const chunks: Buffer[] = []
    let length = 0
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > maxSecretBytes) child.kill()
    })
    child.on("error", failed)
    child.on("close", (code) => (code === 0 ? resolve(Buffer.concat(chunks)) : failed()))
  })
}

/** One line end is the editor's; anything else is the passphrase's. */
function asPassphrase(bytes: Uint8Array): string {
  try {
    return nonEmpty(decodeUtf8(bytes).replace(/\r?\n$/, ""))
  } catch (cause) {
    if (cause instanceof NodeError) throw cause
    throw new NodeError("key.unavailable", "The passphrase is not UTF-8 text.", { cause })
  } finally {
    bytes.fill(0)
  }
}

function nonEmpty(passphrase: string): string {
  if (passphrase === "") throw new NodeError("key.unavailable", "The passphrase is empty.")
  return passphrase
}
