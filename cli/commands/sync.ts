import type { Command } from "commander"
import type { Synced } from "../../node/subscribe.ts"
import type { CliContext } from "../context.ts"
import { type ExitCode, exitCodes } from "../errors.ts"
import { connect } from "../node-client.ts"
import { type Output, styled } from "../output.ts"

export function registerSync(program: Command, context: CliContext): void {
  program
    .command("sync [peer]")
    .description("fetch what verified peers released to us, now")
    .addHelpText("after", "\nExamples:\n  $ comity sync\n  $ comity sync xb\n")
    .action(async (peer: string | undefined, _options: object, command: Command) => {
      const output = context.output(command)
      await using node = await connect(context, command)
      const synced = await node.call<{ peers: readonly Synced[] }>(
        "sync",
        peer === undefined ? {} : { peer },
      )
      output.document(synced)
      if (synced.peers.length === 0)
        output.note("No verified peer to fetch from: comity peer add, comity peer verify")
      for (const one of synced.peers) printSynced(output, one)
      context.exit(exitOf(synced.peers))
    })
  program
    .command("subscribe <peer>")
    .description("follow a peer live, until interrupted")
    .addHelpText("after", "\nExample:\n  $ comity subscribe xb\n")
    .action(async (peer: string, _options: object, command: Command) => {
      const output = context.output(command)
      const stopped = context.interrupted()
      await using node = await connect(context, command)
      output.note(`Following ${peer}. Interrupt to stop.`)
      for await (const item of node.follow(peer, stopped)) {
        output.document(item)
        printSynced(output, item as Synced)
      }
    })
}

function printSynced(output: Output, one: Synced): void {
  const { name, received, already, refused, failed, error, code } = one
  output.line(
    `${name}: ${String(received)} received, ${String(already)} already here, ${String(refused)} refused, ${String(failed)} failed`,
  )
  if (code !== undefined) output.note(styled("red", `${name}: ${error ?? code}`), ` (${code})`)
}

const alarms = new Set(["checkpoint.forked", "checkpoint.rollback", "delivery.fork", "root.chain"])

/** A fork is said first; one peer alone that fails says how; of several, the run is partly done. */
function exitOf(peers: readonly Synced[]): ExitCode {
  const failed = peers.filter(({ failed }) => failed > 0)
  if (failed.some(({ code }) => code !== undefined && alarms.has(code))) return exitCodes.forked
  if (failed.length === 0) return exitCodes.ok
  if (peers.length > 1) return exitCodes.partlyDone
  return failed[0]!.code === "peer.unreachable" ? exitCodes.unreachable : exitCodes.failed
}
