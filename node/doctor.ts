import { sql } from "kysely"
import { unmetLines } from "./authority/authority.ts"
import { daysUntil, type Expiry, expiries } from "./authority/expiry.ts"
import { listWitnesses } from "./authority/name-witnesses.ts"
import { nameOf } from "./authority/peers.ts"
import { type Context, dayOf, ownRoot } from "./context.ts"
import { overdue } from "./exchange/overdue.ts"
import { unanswered } from "./exchange/unanswered.ts"
import { hasRootKeys, officersHere } from "./home.ts"
import { auditLogs } from "./log/audit.ts"
import { readHighWater } from "./log/high-water.ts"
import { allPeers, keysInForce } from "./store/queries/members.ts"

export type Check = {
  readonly check: string
  readonly ok: boolean
  readonly text: string
  readonly fix?: string
}

/** What an operator should know, each with what to do about it; changes nothing. */
export async function doctor(context: Context): Promise<{ readonly checks: readonly Check[] }> {
  const ends = await expiries(context)
  return {
    checks: [
      await databaseCheck(context),
      ...(await logChecks(context)),
      signerCheck(context),
      rootKeysCheck(context),
      rootExpiryCheck(ends),
      kemCheck(ends),
      await contactCheck(context),
      ...(await officerChecks(context, ends)),
      networkCheck(context),
      ...(await witnessChecks(context)),
      ...(await peerChecks(context)),
      await withdrawalCheck(context),
    ],
  }
}

async function withdrawalCheck(context: Context): Promise<Check> {
  const overdue = (await unanswered(context)).filter((one) => one.overdue)
  const ok = overdue.length === 0
  const check = "withdrawals"
  return ok
    ? { check, ok, text: "every withdrawal has been answered, or is younger than a day" }
    : {
        check,
        ok,
        text: `${overdue.length} withdrawals have not been answered by their recipients`,
        fix: "comity receipts --overdue says whose and why; ask them by another way",
      }
}

async function databaseCheck(context: Context): Promise<Check> {
  const { rows } = await sql<{ quick_check: string }>`PRAGMA quick_check`.execute(context.db)
  const ok = rows.length === 1 && rows[0]!.quick_check === "ok"
  return ok
    ? { check: "database", ok, text: "the database is sound" }
    : {
        check: "database",
        ok,
        text: "the database is damaged",
        fix: "stop the node, keep a copy of the home, and bring a backup back",
      }
}

/** Our own log and every mirror, recomputed from their entries. */
async function logChecks(context: Context): Promise<readonly Check[]> {
  const { logs } = await auditLogs(context)
  return logs.map(({ peer, member, ok, text }) => ({
    check: member === context.self.id ? "log" : `log of ${peer}`,
    ok,
    text,
    ...(ok
      ? {}
      : {
          fix:
            member === context.self.id
              ? "do not publish; keep a copy of the home and compare with what peers hold of this log"
              : `bring a backup back, or remove ${peer} and add it again`,
        }),
  }))
}

function signerCheck(context: Context): Check {
  const mark = readHighWater(context.env.files)
  if (context.stopped !== null) {
    const { message: text, hint: fix } = context.stopped
    return { check: "signer", ok: false, text, fix }
  }
  const text = mark === null ? "nothing has been published yet" : `signed up to size ${mark.size}`
  return { check: "signer", ok: true, text }
}

function rootKeysCheck(context: Context): Check {
  return hasRootKeys(context.env.files)
    ? {
        check: "root keys",
        ok: false,
        text: "the root keys lie in this home, where a thief of the server finds them",
        fix: "move root-keys/ to two offline media, verify the copies, and remove it here",
      }
    : { check: "root keys", ok: true, text: "no root keys lie in this home" }
}

function rootExpiryCheck(ends: readonly Expiry[]): Check {
  const { day: expires, days } = ends.find(({ what }) => what === "root-document")!
  return days > 60
    ? { check: "root document", ok: true, text: `in force until ${expires}` }
    : {
        check: "root document",
        ok: false,
        text: days < 0 ? `expired on ${expires}` : `expires on ${expires}`,
        fix: "hold a root ceremony: after that day this node publishes nothing",
      }
}

function kemCheck(ends: readonly Expiry[]): Check {
  const { day: last, days } = ends.findLast(({ what }) => what === "encryption-key") ?? noKey
  return days >= 7
    ? { check: "encryption key", ok: true, text: `peers can seal to us until ${last}` }
    : {
        check: "encryption key",
        ok: false,
        text: `peers can't seal to us after ${last}`,
        fix: "run comity serve, which renews it, and let peers sync",
      }
}

const noKey = { day: "", days: -1 }

const confirmEveryDays = 365

async function contactCheck(context: Context): Promise<Check> {
  const { confirmed, validUntil } =
    (await keysInForce(context.db, context.self))?.payload.card ?? {}
  const fix = "comity id contact --mailbox … --hours … says it; comity id contact alone confirms it"
  const check = "contact"
  if (confirmed === undefined)
    return { check, ok: true, text: "peers are not told how to reach our people" }
  if (validUntil !== undefined && daysUntil(context, validUntil) < 0)
    return { check, ok: false, text: `our contact lines ended on ${validUntil}`, fix }
  return -daysUntil(context, confirmed) > confirmEveryDays
    ? { check, ok: false, text: `our contact lines were last confirmed on ${confirmed}`, fix }
    : { check, ok: true, text: `confirmed on ${confirmed}` }
}

const soonDays = 30

/** Officers whose keys are on this machine, deputies whose days end, lines that nobody can meet. */
async function officerChecks(context: Context, ends: readonly Expiry[]): Promise<readonly Check[]> {
  const checks: Check[] = []
  const here = officersHere(context.env.files)
  if (here.length > 0)
    checks.push({
      check: "officers' keys",
      ok: ownRoot(context).network !== "operational",
      text: `keys of ${here.join(", ")} lie in this home`,
      fix: "in earnest each officer makes one elsewhere: comity officer new, then comity officer enrol",
    })
  for (const { what, person, day: until, days } of ends) {
    if (what !== "deputy" || days > soonDays) continue
    checks.push({
      check: `officer ${person}`,
      ok: false,
      text: days < 0 ? `was a deputy until ${until}` : `is a deputy until ${until}`,
      fix: "the next root version leaves it out; comity officer enrol makes it one again",
    })
  }
  const unmet = await unmetLines(context)
  if (unmet.length > 0)
    checks.push({
      check: "policy",
      ok: false,
      text: `today's officers cannot meet: ${unmet.join("; ")}`,
      fix: "enrol officers, or change the policy: comity key propose --policy FILE",
    })
  return checks
}

function networkCheck(context: Context): Check {
  const { network } = ownRoot(context)
  const text =
    network === "operational" ? "an operational member" : `network ${network}: not operational`
  return { check: "network", ok: true, text }
}

/** Our own witnesses, and each member whose orders have waited too long for theirs. */
async function witnessChecks(context: Context): Promise<readonly Check[]> {
  const late = await overdue(context)
  const ours = late.find(({ origin }) => origin === context.self.id)
  const checks: Check[] = []
  const { witnesses, quorum, size } = await listWitnesses(context)
  const renewed = witnesses.filter(({ hasNewKey }) => hasNewKey).map(({ name }) => name)
  const seen = witnesses.filter((witness) => witness.size === size).length
  const text = `${seen} of ${witnesses.length} have cosigned the newest checkpoint, ${quorum} are needed`
  if (ours !== undefined)
    checks.push({
      check: "witnesses",
      ok: false,
      text: `${ours.orders} orders have waited since ${dayOf(ours.since)}; ${text}`,
      fix: "comity witness list says which are missing: ask them, or name others",
    })
  else if (renewed.length > 0)
    checks.push({
      check: "witnesses",
      ok: false,
      text: `${renewed.join(", ")} has another witness key than our root document names`,
      fix: `comity witness add ${renewed.join(" ")}`,
    })
  else if (witnesses.length > 0) checks.push({ check: "witnesses", ok: true, text })
  for (const { origin, orders, since } of late)
    if (origin !== context.self.id) {
      const name = await nameOf(context, origin)
      checks.push({
        check: `witnesses of ${name}`,
        ok: false,
        text: `${orders} orders of ${name} have waited for its witnesses since ${dayOf(since)}`,
        fix: `ask ${name} by another way; reading goes on meanwhile`,
      })
    }
  return checks
}

const dayMs = 86_400_000
const staleDays = 3

async function peerChecks(context: Context): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const peer of await allPeers(context.db)) {
    const check = `peer ${peer.name}`
    if (peer.blocked === 1) checks.push({ check, ok: true, text: "blocked" })
    else if (peer.verified_on === null)
      checks.push({
        check,
        ok: false,
        text: "not verified: nothing is shared with it",
        fix: `compare the 12 words with them, then comity peer verify ${peer.name} --words "…"`,
      })
    else {
      const source = await context.db
        .selectFrom("source")
        .selectAll()
        .where("peer", "=", peer.member)
        .executeTakeFirst()
      const age = source === undefined ? null : (context.env.clock.now() - source.at) / dayMs
      if (source?.error != null)
        checks.push({
          check,
          ok: false,
          text: `the last sync failed (${source.error})`,
          fix: `comity sync ${peer.name}`,
        })
      else if (age !== null && age > staleDays)
        checks.push({
          check,
          ok: false,
          text: `not heard of for ${Math.floor(age)} days`,
          fix: `comity sync ${peer.name}`,
        })
      else checks.push({ check, ok: true, text: `verified on ${peer.verified_on}` })
    }
  }
  return checks
}
