import type { Env } from "../../node/env.ts"
import { peerApp } from "../../node/http/peer-app.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { createNode } from "../../node/node.ts"
import { metaRestored } from "../../node/recover.ts"
import { memoryDatabase } from "../../node/store/sqlite.ts"
import type { TestNetwork, TestNode } from "./network.ts"

/** The disk of a node as it is now: its database, and the files beside it. */
export type Image = {
  readonly database: Uint8Array
  readonly files: ReadonlyMap<string, Uint8Array>
}

export function imageOf(node: TestNode): Image {
  const database = node.env.openDatabase(new Uint8Array(32)).serialize()
  const files = node.env.files as ReturnType<typeof memoryFiles>
  return { database: new Uint8Array(database), files: files.snapshot() }
}

/**
 * The node started again from an image: what `prepare` does to the database happened while it was down.
 *
 * @param identity of the database file; another one than before is a copy
 */
export async function startFrom(
  node: TestNode,
  image: Image,
  options: {
    readonly identity?: string
    readonly prepare?: (database: ReturnType<typeof memoryDatabase>) => void
  } = {},
): Promise<TestNode> {
  const database = memoryDatabase(image.database)
  options.prepare?.(database)
  const env: Env = {
    ...node.env,
    files: memoryFiles(image.files, options.identity ?? null),
    openDatabase: () => Object.assign(database, { close: () => database }),
  }
  const context = await createNode(env, node.founded.keys, { url: `https://${node.host}` })
  return { ...node, env, context }
}

/** As `comity restore` leaves it: marked, and without the seeds that are in no backup. */
export const restored = {
  prepare: (database: ReturnType<typeof memoryDatabase>) => {
    database.exec("DELETE FROM kem_key")
    database
      .prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)")
      .run(metaRestored, Buffer.from("1"))
  },
}

/** From now on this node answers at its address. */
export function answerFrom(net: TestNetwork, node: TestNode): void {
  const closing = new AbortController().signal
  const app = peerApp(node.context, { authorities: [node.host], closing })
  net.hosts.set(node.host, async (request) => app.fetch(request))
}
