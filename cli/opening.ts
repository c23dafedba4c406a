import type { Command } from "commander"
import type { OfficerKey } from "../node/authority/found.ts"
import { decodeBase64, encodeBase64 } from "../protocol/encoding.ts"
import { assertConfirmed } from "./confirm.ts"
import type { CliContext } from "./context.ts"
import { readFileArgument, writeFileArgument } from "./file-argument.ts"
import { assertOfficer, type OfficerOptions, officerKeyOf } from "./officer-key.ts"

/** What two officers open, each on their own machine: `comity register open`, `comity hold unseal`. */

export type ShareOptions = OfficerOptions & { readonly output: string; readonly yes?: boolean }

export type OpeningOptions = {
  readonly reason: string
  readonly share: readonly string[]
  readonly as: readonly string[]
  readonly reseal?: boolean
}

/** A request, and an officer's answer to it. */
export type Opening<R> = {
  readonly read: (bytes: Uint8Array) => R
  readonly give: (request: R, key: OfficerKey, day: string) => Promise<Uint8Array>
}

const fileBytes = 4 * 1024 * 1024

export function sharing(command: Command, description: string): Command {
  return command
    .description(`${description}, on the officer's own machine; needs no node`)
    .option("--as <person>", "the officer whose key lies in this home")
    .option("--key <file>", "the officer's own key file, elsewhere")
    .option("--passphrase-file <file>", "the key's passphrase (default: asked)")
    .requiredOption("-o, --output <file>", "where the share goes; destroy it after use")
    .option("--yes", "do not ask for confirmation")
}

export function opening(command: Command, description: string, reseal: string): Command {
  const all = (value: string, before: readonly string[]) => [...before, value]
  const none = [] as readonly string[]
  return command
    .description(`${description} with the shares of two officers; goes on record`)
    .requiredOption("--reason <text>", "as in the request")
    .option("--share <file>", "an officer's share; repeat", all, none)
    .option("--as <person>", "an officer whose key lies in this home; repeat", all, none)
    .option("--reseal", reseal)
}

/** Writes one officer's share, once that officer has read what it is for. */
export async function giveShare<R>(
  context: CliContext,
  file: string,
  options: ShareOptions,
  command: Command,
  load: () => Promise<Opening<R>>,
  words: (request: R) => { readonly asked: string; readonly opens: string },
): Promise<void> {
  assertOfficer(options)
  const { prepareCrypto } = await import("../node/node.ts")
  prepareCrypto()
  const { read, give } = await load()
  const request = read(await readFileArgument(file, fileBytes, context.stdin))
  const output = context.output(command)
  const { asked, opens } = words(request)
  output.note(asked)
  await assertConfirmed(context, options.yes === true, "Give your share?")
  const { key } = await officerKeyOf(context, options, command)
  await writeFileArgument(options.output, await give(request, key, await day()), context.stdout)
  output.note(`With that of another officer it opens ${opens}: carry it with care.`)
}

/**
 * The shares from files, and those of officers whose keys lie in this home.
 *
 * @param ask the node for its request, in base64
 */
export async function collectShares<R>(
  context: CliContext,
  { share: files, as }: OpeningOptions,
  command: Command,
  load: () => Promise<Opening<R>>,
  ask: () => Promise<{ readonly request: string }>,
): Promise<readonly string[]> {
  const statements: Uint8Array[] = []
  for (const file of files) statements.push(await readFileArgument(file, fileBytes, context.stdin))
  if (as.length > 0) {
    const { read, give } = await load()
    const request = read(decodeBase64((await ask()).request))
    for (const officer of as) {
      const { key } = await officerKeyOf(context, { as: officer }, command)
      statements.push(await give(request, key, await day()))
    }
  }
  return statements.map(encodeBase64)
}

async function day(): Promise<string> {
  const { today } = await import("../node/context.ts")
  const { realClock } = await import("../node/real-env.ts")
  return today({ env: { clock: realClock } })
}
