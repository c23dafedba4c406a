import { once } from "node:events"
import type { Command } from "commander"
import type { CliContext } from "../context.ts"

/** Twice the largest file in hexadecimal, and some. */
const maxLineBytes = 64 * 1024 * 1024

export function registerConform(program: Command, context: CliContext): void {
  program
    .command("conform")
    .description("answer test vectors: JSON lines on stdin, one line out for each")
    .addHelpText(
      "after",
      `
Example:
  $ echo '{"id":1,"op":"jcs","json":"{\\"b\\":1,\\"a\\":2}"}' | comity conform
  {"id":1,"ok":true,"result":"{\\"a\\":2,\\"b\\":1}"}
`,
    )
    .action(() => conform(context))
}

async function conform({ stdin, stdout }: CliContext): Promise<void> {
  const [{ prepareCrypto }, { ops }, { answerLine }, { splitLines }] = await Promise.all([
    import("../../node/node.ts"),
    import("../conform/ops.ts"),
    import("../conform/line.ts"),
    import("../conform/lines.ts"),
  ])
  prepareCrypto()
  for await (const line of splitLines(stdin, maxLineBytes)) {
    const answer = await answerLine(line ?? new Uint8Array(), ops)
    if (!stdout.write(`${JSON.stringify(answer)}\n`)) await once(stdout, "drain")
  }
}
