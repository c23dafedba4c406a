import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { Command } from "commander"
import type { LogHead } from "../../node/log.ts"
import { decodeBase64 } from "../../protocol/encoding.ts"
import type { CliContext } from "../context.ts"
import { connect } from "../node-client.ts"
import { UsageError } from "../usage-error.ts"

export function registerLog(program: Command, context: CliContext): void {
  const log = program.command("log").description("this member's own log, for anyone's tools")
  log
    .command("head")
    .description("show the newest checkpoint and the keys that verify it")
    .action(async (_options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const head = await node.call<LogHead>("log.head", {})
      output.document(head)
      output.line(head.origin)
      output.line(`size ${String(head.size)}`)
      output.line(`root ${head.root}`)
      for (const vkey of head.vkeys) output.line(`vkey ${vkey}`)
    })
  log
    .command("proof <index>")
    .description("prove an entry under the newest checkpoint (C2SP tlog-proof)")
    .option("--from <size>", "instead, prove that the log continues that of so many entries")
    .action(async (index: string, { from }: { from?: string }, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      if (from !== undefined) {
        const consistency = await node.call<{ proof: readonly string[] }>("log.consistency", {
          from: numberOf(from),
        })
        output.document(consistency)
        for (const hash of consistency.proof) output.line(hash)
        return
      }
      const proof = await node.call<{ proof: string }>("log.proof", { index: numberOf(index) })
      output.document(proof)
      output.block(proof.proof)
    })
  log
    .command("export <dir>")
    .description("write the log as static tiles (C2SP tlog-tiles)")
    .action(async (directory: string, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const { files } = await node.call<{ files: readonly { path: string; bytes: string }[] }>(
        "log.export",
        {},
      )
      for (const { path, bytes } of files) {
        const target = join(directory, path)
        await mkdir(dirname(target), { recursive: true })
        await writeFile(target, decodeBase64(bytes))
      }
      output.document({ directory, files: files.length })
      output.line(`${String(files.length)} files in ${directory}`)
    })
}

function numberOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError("usage.invalid", `${text} is no number of an entry.`)
}
