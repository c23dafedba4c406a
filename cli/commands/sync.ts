import type { Command } from "commander"
import type { Synced } from "../../node/exchange/subscribe.ts"
import type { CliContext } from "../context.ts"
import { type ExitCode, exitCodes, hintOf, wordsOf } from "../errors.ts"
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
      const failed = synced.peers.filter(({ failed }) => failed > 0)
      const worst = failed.find(isAlarm) ?? failed[0]
      if (worst === undefined) return
      for (const one of failed) if (one !== worst) output.note(failureOf(one))
      output.failure(worst.code ?? "sync.failed", failureOf(worst), hintFor(worst))
      context.exit(exitOf(synced.peers, worst))
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
        const synced = item as Synced
        output.document(synced)
        printSynced(output, synced)
        if (synced.failed > 0) output.note(styled("red", failureOf(synced)), " Trying again.")
      }
    })
}

function printSynced(output: Output, one: Synced): void {
  const { name, received, already, refused, failed, refusals = [] } = one
  output.line(
    `${name}: ${String(received)} received, ${String(already)} already here, ${String(refused)} refused, ${String(failed)} failed`,
  )
  for (const { record, code } of refusals)
    output.line(`  refused ${record.slice(0, 12)}: ${wordsOf(code, code)} (${code})`)
  const hints = new Set(refusals.map(({ code }) => hintOf(code) ?? ""))
  for (const hint of hints) if (hint !== "") output.note(hint)
}

function failureOf({ name, code = "", error = "" }: Synced): string {
  return `${name}: ${wordsOf(code, error)}`
}

const alarms = new Set([
  "checkpoint.forked",
  "checkpoint.rollback",
  "delivery.fork",
  "peer.forked",
  "root.chain",
])

function isAlarm({ code }: Synced): boolean {
  return code !== undefined && alarms.has(code)
}

function hintFor(one: Synced): string {
  if (one.code === "peer.forked")
    return "comity inconsistency list shows the proof; an officer decides whether to go on."
  return isAlarm(one)
    ? "Keep everything as it is, and ask the member by another way."
    : `Later, again: comity sync ${one.name}. Nothing that was received is lost.`
}

/** A fork is said first; one peer alone that fails says how; of several, the run is partly done. */
function exitOf(peers: readonly Synced[], worst: Synced): ExitCode {
  if (isAlarm(worst)) return exitCodes.forked
  if (peers.length > 1) return exitCodes.partlyDone
  return worst.code === "peer.unreachable" ? exitCodes.unreachable : exitCodes.failed
}
