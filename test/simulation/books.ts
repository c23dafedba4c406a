import type { Disk } from "./disk.ts"

/**
 * What stands in a member's database, read past its node. All that the simulation knows of the tables is
 * here: where they change, this file does.
 */

export type LogRow = {
  readonly id: number
  readonly member: string
  readonly epoch: number
  readonly size: number
  readonly range: Uint8Array
  readonly checkpoint: string | null
}

export type OrderRow = {
  readonly origin: string
  readonly id: string
  readonly digest: string
  readonly document: Uint8Array
  readonly index: number
  readonly salt: Uint8Array
  readonly repudiated: number
}

/** One grant of a logged order. */
export type FactRow = {
  readonly act: "release" | "withdraw"
  readonly orderOrigin: string
  readonly order: string
  readonly recordOrigin: string
  readonly record: string
  readonly version: number
  readonly recipient: string
  /** profile and kind */
  readonly rule: string
  readonly epoch: number
  readonly index: number
  readonly baseEpoch: number
  readonly baseSize: number
  readonly after: readonly string[]
  readonly repudiated: number
}

export type Place = { readonly origin: string; readonly id: string; readonly version: number }
export type ContentRow = Place & { readonly rid: number; readonly bytes: Uint8Array }
export type Cursor = { readonly peer: string; readonly feed: string; readonly n: number }
export type DeliveryRow = { readonly feed: string; readonly n: number; readonly order: string }
export type ReceiptRow = {
  readonly peer: string
  readonly order: string
  readonly state: string
}
export type EventRow = { readonly id: number; readonly kind: string; readonly subject: string }

export class Books {
  readonly #disk: Disk

  constructor(disk: Disk) {
    this.#disk = disk
  }

  logs(): readonly LogRow[] {
    return this.#rows("SELECT id, member, epoch, size, range, checkpoint FROM log")
  }

  entries(log: number, from: number): readonly Uint8Array[] {
    const rows: { entry: Uint8Array }[] = this.#rows(
      "SELECT entry FROM log_entry WHERE log = ? AND idx >= ? ORDER BY idx",
      log,
      from,
    )
    return rows.map(({ entry }) => new Uint8Array(entry))
  }

  /** Where a member's own logs have this entry. */
  placesOf(member: string, entry: Uint8Array): readonly number[] {
    const rows: { idx: number }[] = this.#rows(
      `SELECT idx FROM log_entry JOIN log ON log.id = log_entry.log
       WHERE log.member = ? AND entry = ? ORDER BY idx`,
      member,
      Buffer.from(entry),
    )
    return rows.map(({ idx }) => idx)
  }

  /** Entries of the member's newest log. */
  sizeOf(member: string): number {
    const [row]: { size: number }[] = this.#rows(
      "SELECT size FROM log WHERE member = ? ORDER BY epoch DESC LIMIT 1",
      member,
    )
    return row?.size ?? 0
  }

  /** Root and keys documents of a member that are entries of its logs. */
  documentsOf(member: string): number {
    return this.#count(
      `SELECT (SELECT count(*) FROM root_document WHERE member = ? AND idx IS NOT NULL) +
        (SELECT count(*) FROM keys_document WHERE member = ? AND idx IS NOT NULL) AS n`,
      member,
      member,
    )
  }

  rootVersionOf(member: string): number {
    return this.#count("SELECT max(version) AS n FROM root_document WHERE member = ?", member)
  }

  /** In the order in which they were written, from after `position` on. */
  orders(position: number): { readonly rows: readonly OrderRow[]; readonly position: number } {
    return this.#since(
      `SELECT rowid, origin, id, digest, document, idx AS "index", salt, repudiated FROM logged_order
       WHERE rowid > ? ORDER BY rowid`,
      position,
    )
  }

  /** They come with their order, all of them at once. */
  facts(position: number): { readonly rows: readonly FactRow[]; readonly position: number } {
    const { rows, position: last } = this.#since<
      Omit<FactRow, "after"> & { readonly after: string }
    >(
      `SELECT o.rowid AS rowid, f.act, order_origin AS orderOrigin, order_id AS "order",
         record_origin AS recordOrigin, record_id AS record, version, recipient,
         f.rule_profile || ' ' || f.rule_kind AS rule, f.epoch, f.idx AS "index",
         f.base_epoch AS baseEpoch, f.base_size AS baseSize, after, f.repudiated
       FROM fact f JOIN logged_order o ON o.origin = order_origin AND o.id = order_id
       WHERE o.rowid > ? ORDER BY o.rowid`,
      position,
    )
    const facts = rows.map((row) => ({
      ...row,
      after: row.after === "" ? [] : row.after.split(" "),
    }))
    return { rows: facts, position: last }
  }

  contents(position: number): readonly ContentRow[] {
    return this.#rows(
      "SELECT rid, origin, id, version, bytes FROM content WHERE rid > ? ORDER BY rid",
      position,
    )
  }

  held(): readonly Place[] {
    return this.#rows("SELECT origin, id, version FROM content")
  }

  /** Up to which base a release to that member may have been taken back by what is lost; -1: none. */
  doubtOf(record: string, recipient: string): number {
    return this.#count(
      "SELECT coalesce(max(size), -1) AS n FROM doubt WHERE record_id = ? AND recipient = ?",
      record,
      recipient,
    )
  }

  recordDigest({ origin, id, version }: Place): string | null {
    const [row]: { digest: string }[] = this.#rows(
      "SELECT digest FROM record WHERE origin = ? AND id = ? AND version = ?",
      origin,
      id,
      version,
    )
    return row?.digest ?? null
  }

  sealedDigests(origin: string): readonly (Place & { readonly digest: string })[] {
    return this.#rows(
      "SELECT origin, id, version, sealed_digest AS digest FROM record WHERE origin = ?",
      origin,
    )
  }

  /** Members that this one has a proof against. */
  accused(): readonly string[] {
    const rows: { member: string }[] = this.#rows("SELECT DISTINCT member FROM inconsistency")
    return rows.map(({ member }) => member)
  }

  openOrders(): readonly string[] {
    const rows: { id: string }[] = this.#rows(
      "SELECT id FROM release_order WHERE state = 'open' ORDER BY created_at, id",
    )
    return rows.map(({ id }) => id)
  }

  loggedOrders(): number {
    return this.#count("SELECT count(*) AS n FROM release_order WHERE state = 'logged'")
  }

  cursors(): readonly Cursor[] {
    return this.#rows("SELECT peer, feed, n FROM source")
  }

  deliveries(peer: string): readonly DeliveryRow[] {
    return this.#rows(
      'SELECT feed, n, order_id AS "order" FROM delivery WHERE peer = ? ORDER BY n',
      peer,
    )
  }

  allDeliveries(): number {
    return this.#count("SELECT count(*) AS n FROM delivery")
  }

  /** What this member said, sent or not. */
  receiptsTo(peer: string): readonly ReceiptRow[] {
    return this.#rows(
      'SELECT peer, order_id AS "order", state FROM receipt_out WHERE peer = ?',
      peer,
    )
  }

  /** Orders in which this member refused one record for another that it has. */
  mismatched(): readonly string[] {
    const rows: { order: string }[] = this.#rows(
      `SELECT order_id AS "order" FROM receipt_out WHERE state = 'refused' AND code = 'record.mismatch'`,
    )
    return rows.map(({ order }) => order)
  }

  receiptsFrom(peer: string): readonly ReceiptRow[] {
    return this.#rows(
      'SELECT peer, order_id AS "order", state FROM receipt_in WHERE peer = ?',
      peer,
    )
  }

  unsentReceipts(): number {
    return this.#count("SELECT count(*) AS n FROM receipt_out WHERE sent = 0")
  }

  nonces(): number {
    return this.#count("SELECT count(*) AS n FROM nonce")
  }

  events(position: number): readonly EventRow[] {
    return this.#rows("SELECT id, kind, subject FROM event WHERE id > ? ORDER BY id", position)
  }

  kemSeeds(): readonly Uint8Array[] {
    const rows: { seed: Uint8Array }[] = this.#rows("SELECT seed FROM kem_key")
    return rows.map(({ seed }) => new Uint8Array(seed))
  }

  #rows<T>(sql: string, ...parameters: unknown[]): T[] {
    return this.#disk.read(sql, ...parameters) as T[]
  }

  #since<T>(sql: string, position: number) {
    const rows = this.#rows<T & { readonly rowid: number }>(sql, position)
    return { rows, position: rows.at(-1)?.rowid ?? position }
  }

  #count(sql: string, ...parameters: unknown[]): number {
    return this.#rows<{ n: number | null }>(sql, ...parameters)[0]?.n ?? 0
  }
}
