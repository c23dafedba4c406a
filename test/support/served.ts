import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Context } from "../../node/context.ts"
import { serve } from "../../node/serve.ts"

/** A node on a real port of this machine. */
export type Served = {
  readonly port: number
  /** as it stands in Host and is signed */
  readonly authority: string
  [Symbol.asyncDispose](): Promise<void>
}

export async function served(context: Context): Promise<Served> {
  const home = mkdtempSync(join(tmpdir(), "comity-test-"))
  const serving = await serve(context, { home, host: "127.0.0.1", port: 0 })
  const { port, host } = new URL(serving.url)
  const dispose = async () => {
    await serving.close()
    rmSync(home, { recursive: true, force: true })
  }
  return { port: Number(port), authority: host, [Symbol.asyncDispose]: dispose }
}
