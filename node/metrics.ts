import { expiries } from "./authority/expiry.ts"
import { listWitnesses } from "./authority/name-witnesses.ts"
import type { Context } from "./context.ts"
import { outbox } from "./exchange/outbox.ts"
import { staleOf } from "./exchange/staleness.ts"
import { unanswered } from "./exchange/unanswered.ts"
import { listInconsistencies } from "./log/inconsistencies.ts"
import { logOf } from "./store/queries/logs.ts"
import { allPeers, type Peer } from "./store/queries/members.ts"

/** The figures that monitoring watches. Counts, ages and days: whoever reads them learns no name, title or id. */
export type Metrics = {
  /** media type of the text */
  readonly type: string
  /** OpenMetrics 1.0 */
  readonly text: string
}

type Sample = { readonly labels?: Readonly<Record<string, string>>; readonly value: number }
type Figure = { readonly name: string; readonly help: string; readonly samples: readonly Sample[] }

export async function metrics(context: Context): Promise<Metrics> {
  // Loaded by those who ask, and a registry for each answer: nothing is kept between them.
  const { Gauge, Registry } = await import("prom-client")
  const type = Registry.OPENMETRICS_CONTENT_TYPE
  const registry = new Registry<typeof type>()
  registry.setContentType(type)
  for (const { name, help, samples } of await figures(context)) {
    const [first] = samples
    // What there is none of is absent, not 0.
    if (first === undefined) continue
    const labelNames = Object.keys(first.labels ?? {})
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] })
    for (const { labels = {}, value } of samples) gauge.set(labels, value)
  }
  return { type, text: await registry.metrics() }
}

async function figures(context: Context): Promise<readonly Figure[]> {
  return [
    {
      name: "comity_expires_days",
      help: "Days until what is ours ends by itself, below 0 when it is over",
      samples: await expirySamples(context),
    },
    {
      name: "comity_signer_stopped",
      help: "1 while nothing is signed",
      samples: [{ value: context.stopped === null ? 0 : 1 }],
    },
    ...(await logFigures(context)),
    ...(await outboxFigures(context)),
    ...(await peerFigures(context)),
    {
      name: "comity_inconsistencies",
      help: "Proofs of inconsistency: waiting for an officer, decided, against ourselves",
      samples: counted(
        ["waiting", "decided", "ours"],
        (await listInconsistencies(context)).inconsistencies.map(({ state }) => state),
      ),
    },
    {
      name: "comity_receipts_overdue",
      help: "Withdrawals whose recipients have not answered in time",
      samples: [{ value: (await unanswered(context)).filter(({ overdue }) => overdue).length }],
    },
    ...processFigures(),
  ]
}

async function expirySamples(context: Context): Promise<readonly Sample[]> {
  const seen = new Map<string, number>()
  return (await expiries(context)).map(({ what, days }) => {
    const n = (seen.get(what) ?? 0) + 1
    seen.set(what, n)
    return { labels: { what, n: String(n) }, value: days }
  })
}

async function logFigures(context: Context): Promise<readonly Figure[]> {
  const now = context.env.clock.now()
  const log = await logOf(context.db, context.self.id)
  const { witnesses } = await listWitnesses(context)
  const cosigned = witnesses.flatMap(({ cosignedAt }) =>
    cosignedAt === null ? [] : [Date.parse(cosignedAt)],
  )
  const age = (at: number): Sample => ({ value: (now - at) / 1000 })
  return [
    {
      name: "comity_log_entries",
      help: "Entries of our log",
      samples: [{ value: log?.range.size ?? 0 }],
    },
    {
      name: "comity_checkpoint_age_seconds",
      help: "Since we signed the newest checkpoint of our log",
      samples: log === null || log.checkpoint === null ? [] : [age(log.checkedAt)],
    },
    {
      name: "comity_cosignature_age_seconds",
      help: "Since a witness last cosigned our log",
      samples: cosigned.length === 0 ? [] : [age(Math.max(...cosigned))],
    },
  ]
}

async function outboxFigures(context: Context): Promise<readonly Figure[]> {
  const waiting = (await outbox(context)).peers.filter((peer) => peer.waiting > 0)
  // It is tried again at a time only where it has failed.
  const failing = waiting.filter(({ next }) => next !== null)
  const sum = (of: typeof waiting) => of.reduce((all, peer) => all + peer.waiting, 0)
  return [
    {
      name: "comity_outbox_deliveries",
      help: "Deliveries that wait for their recipients, and those of them whose handing over fails",
      samples: [
        { labels: { state: "waiting" }, value: sum(waiting) },
        { labels: { state: "failing" }, value: sum(failing) },
      ],
    },
    {
      name: "comity_outbox_peers",
      help: "Peers for whom deliveries wait, and those of them to whom handing over fails",
      samples: [
        { labels: { state: "waiting" }, value: waiting.length },
        { labels: { state: "failing" }, value: failing.length },
      ],
    },
  ]
}

async function peerFigures(context: Context): Promise<readonly Figure[]> {
  const peers = await allPeers(context.db)
  const followed = peers.filter((peer) => standingOf(peer) === "verified")
  const stale = await Promise.all(followed.map(({ member }) => staleOf(context, member)))
  return [
    {
      name: "comity_peers",
      help: "Members known here, by their standing",
      samples: counted(["verified", "unverified", "blocked"], peers.map(standingOf)),
    },
    {
      name: "comity_stale_feeds",
      help: "Verified peers of which something may be missing here",
      samples: [{ value: stale.filter((one) => one !== null).length }],
    },
  ]
}

function standingOf({ blocked, verified_on }: Peer): "verified" | "unverified" | "blocked" {
  if (blocked === 1) return "blocked"
  return verified_on === null ? "unverified" : "verified"
}

function counted<T extends string>(states: readonly T[], of: readonly T[]): readonly Sample[] {
  return states.map((state) => ({
    labels: { state },
    value: of.filter((one) => one === state).length,
  }))
}

function processFigures(): readonly Figure[] {
  const { rss, heapUsed } = process.memoryUsage()
  return [
    {
      name: "comity_uptime_seconds",
      help: "Since this process began",
      samples: [{ value: process.uptime() }],
    },
    {
      name: "comity_memory_bytes",
      help: "Memory of this process: resident, and the used heap within it",
      samples: [
        { labels: { of: "resident" }, value: rss },
        { labels: { of: "heap" }, value: heapUsed },
      ],
    },
  ]
}
