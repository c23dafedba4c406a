import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"

/**
 * Bugs that the simulation must find, each an exact replacement in a source file, made while the file is
 * loaded: the code that runs in earnest has no switch for any of them. docs/simulation.md
 */
export type Plant = {
  readonly name: string
  /** the invariants that it breaks */
  readonly breaks: string
  /** several where the code keeps a rule in more than one place */
  readonly edits: readonly Edit[]
}

type Edit = {
  /** under the root of the repository */
  readonly file: string
  /** stands in the file exactly once */
  readonly from: string
  readonly to: string
}

export const plants: readonly Plant[] = [
  {
    name: "skip-fsync",
    breaks: "S1 S2",
    edits: [
      {
        file: "node/store/sqlite.ts",
        from: 'database.pragma("synchronous=FULL")',
        to: 'database.pragma("synchronous=NORMAL")',
      },
    ],
  },
  {
    name: "ack-before-commit",
    breaks: "S2",
    edits: [
      {
        file: "node/log/sequencer.ts",
        from: "queue.push({ orderId, resolve, reject })",
        to: `queue.push({ orderId, resolve, reject })
    Object.assign(globalThis, { [\`told \${orderId}\`]: resolve })`,
      },
      {
        file: "node/log/sequencer.ts",
        from: "return { order: id, index, size: 0, queued }",
        to: `const told = { order: id, index, size: 0, queued }
  globalThis[\`told \${orderId}\`]?.(told)
  return told`,
      },
    ],
  },
  {
    name: "mark-before-commit",
    breaks: "S11 L3",
    edits: [
      {
        file: "node/log/sequencer.ts",
        from: "const after = await appendOwn(context, trx, filler.entries)",
        to: `const after = await appendOwn(context, trx, filler.entries)
    noteHighWater(context, after)`,
      },
    ],
  },
  {
    name: "no-rollback-check",
    breaks: "S1",
    edits: [
      {
        file: "node/node.ts",
        from: "made.stopped = await haltAtStart(made)",
        to: "void (await haltAtStart(made))",
      },
    ],
  },
  {
    name: "revocation-ignored",
    breaks: "S4",
    edits: [
      {
        file: "protocol/release/order.ts",
        from: "if (!isRevoked) approvals.push",
        to: "if (isRevoked || !isRevoked) approvals.push",
      },
    ],
  },
  {
    name: "replay-cache-lost",
    breaks: "S15",
    edits: [
      {
        file: "node/http/peer-app.ts",
        from: "const crowd = new Crowd(context.env.clock)",
        to: 'const crowd = new Crowd(context.env.clock)\n  void context.db.deleteFrom("nonce").execute().catch(() => {})',
      },
    ],
  },
  {
    name: "one-person-twice",
    breaks: "S4",
    edits: [
      {
        file: "protocol/release/order.ts",
        from: 'if (persons.has(person)) throw new ProtocolError("signed.superfluous")',
        to: "",
      },
      {
        file: "protocol/member/policy.ts",
        from: "persons: new Set(counting.map(({ person }) => person)).size,",
        to: "persons: counting.length,",
      },
    ],
  },
  {
    name: "grant-not-bound-to-record",
    breaks: "S5",
    edits: [
      {
        file: "protocol/verify.ts",
        from: 'if (recordDigest(bytes) !== grant.record.digest) throw new ProtocolError("record.mismatch")',
        to: "",
      },
    ],
  },
  {
    name: "grant-for-anyone",
    breaks: "S5",
    edits: [
      {
        file: "protocol/verify.ts",
        from: 'if (!isForUs) throw new ProtocolError("grant.recipient")',
        to: "void isForUs",
      },
    ],
  },
  {
    name: "order-in-no-log",
    breaks: "S5",
    edits: [
      {
        file: "protocol/verify.ts",
        from: 'if (!logged.places.includes(claim.entry.index)) throw new ProtocolError("entry.mismatch")',
        to: "logged.places = [claim.entry.index]",
      },
    ],
  },
  {
    name: "no-key-commitment",
    breaks: "S5",
    edits: [
      {
        file: "protocol/crypto/seal.ts",
        from: "if (!equalBytes(sealed.subarray(0, commitmentBytes), commitment))",
        to: "if (commitment.length === 0)",
      },
    ],
  },
  {
    name: "tree-not-recomputed",
    breaks: "S9",
    edits: [
      {
        file: "node/log/mirror.ts",
        from: 'if (!equalBytes(rangeRoot(range), checkpoint.root)) throw new ProtocolError("checkpoint.forked")',
        to: "void equalBytes",
      },
    ],
  },
  {
    name: "two-views-unnoticed",
    breaks: "L8",
    edits: [
      {
        file: "node/log/inconsistency.ts",
        from: 'if (ours === null || equalBytes(ours, checkpoint.root)) return "consistent"',
        to: 'if (ours !== undefined) return "consistent"',
      },
    ],
  },
  {
    name: "page-edge",
    breaks: "L1",
    edits: [
      {
        file: "node/exchange/deliver.ts",
        from: "const page = await queuedFor(context, peer, after,",
        to: `const isEdge = after > 0 && after % 32 === 0 && after + 1 < head.n
    const page = await queuedFor(context, peer, isEdge ? after + 1 : after,`,
      },
    ],
  },
  {
    name: "resume-loses-one",
    breaks: "L1",
    edits: [
      {
        file: "node/exchange/feed-query.ts",
        from: "after: String(source.n),",
        to: "after: String(source.n > 0 ? source.n + 1 : 0),",
      },
    ],
  },
  {
    name: "gap-passed-over",
    breaks: "S6",
    edits: [
      {
        file: "node/exchange/take.ts",
        from: `if (delivery.n !== expected.n) taken.gap = "delivery.gap"
    else if (delivery.prev !== expected.prev) taken.gap = "delivery.fork"`,
        to: "void expected",
      },
    ],
  },
  {
    name: "dedupe-by-id",
    breaks: "S5 L1",
    edits: [
      {
        file: "node/store/queries/contents.ts",
        from: '.where("record.origin", "=", origin)',
        to: "",
      },
    ],
  },
  {
    name: "withdrawn-comes-back",
    breaks: "S8",
    edits: [
      {
        file: "protocol/release/precedence.ts",
        from: 'if (end !== null) throw new ProtocolError("order.ended", { detail: end.orderId })',
        to: "void end",
      },
    ],
  },
  {
    name: "key-after-the-end",
    breaks: "S8",
    edits: [
      {
        file: "node/exchange/deliver.ts",
        from: "if (content === undefined || isEnded || isDoubtful || !isListed) return []",
        to: "if (content === undefined || isDoubtful || !isListed) return []",
      },
    ],
  },
  {
    name: "sealed-for-anyone",
    breaks: "S3",
    edits: [
      { file: "node/exchange/deliver.ts", from: "if (!isLive) return null", to: "void isLive" },
    ],
  },
  {
    name: "search-keeps-words",
    breaks: "S8",
    edits: [
      {
        file: "node/exchange/take.ts",
        from: "await unindexRecord(trx, rid, new Uint8Array(bytes))",
        to: "void unindexRecord",
      },
    ],
  },
  {
    name: "receipt-for-anything",
    breaks: "S18",
    edits: [
      {
        file: "node/exchange/receipts.ts",
        from: 'throw new ProtocolError("receipt.invalid", { detail: "not delivered" })',
        to: "void items",
      },
    ],
  },
  {
    name: "retry-at-once",
    breaks: "L5",
    edits: [
      {
        file: "node/exchange/subscribe.ts",
        from: "retry = Math.min(retry * 2, longestRetryMs)",
        to: "retry = longestRetryMs / longestRetryMs",
      },
    ],
  },
  {
    name: "stream-begun-again-at-once",
    breaks: "L5",
    edits: [
      {
        file: "node/exchange/subscribe.ts",
        from: "if (clock.monotonic() - since >= retry) retry = firstRetryMs",
        to: "void since\n      retry = firstRetryMs",
      },
    ],
  },
]

export const root = new URL("../../", import.meta.url)

export function plantNamed(name: string): Plant {
  const found = plants.find((plant) => plant.name === name)
  if (found === undefined) throw new RangeError(`no planted bug is called ${name}`)
  return found
}

/** The sources with the bug in them, by URL. @throws RangeError unless each text stands there exactly once */
export function planted({ name, edits }: Plant): ReadonlyMap<string, string> {
  const sources = new Map<string, string>()
  for (const { file, from, to } of edits) {
    const url = new URL(file, root)
    const source = sources.get(url.href) ?? readFileSync(url, "utf8")
    const [before, after, ...more] = source.split(from)
    if (before === undefined || after === undefined || more.length > 0)
      throw new RangeError(`${name}: its text does not stand exactly once in ${file}`)
    sources.set(url.href, before + to + after)
  }
  return sources
}

/** To be called before anything of the node is loaded. */
export function plant(bug: Plant): void {
  const sources = planted(bug)
  registerHooks({
    load: (url, context, next) => {
      const source = sources.get(url)
      return source === undefined
        ? next(url, context)
        : { format: "module-typescript", source, shortCircuit: true }
    },
  })
}
