import { type Kysely, sql } from "kysely"
import { type Migration, Migrator } from "kysely/migration"
import { NodeError } from "../errors.ts"
import type { Db } from "./schema.ts"

/** Forward only: a node never reads a database that a newer version has changed. */
const migrations: Record<string, Migration> = {
  "0001-spine": {
    async up(db: Kysely<unknown>) {
      for (const statement of spine) await sql.raw(statement).execute(db)
    },
  },
  "0002-authority": {
    async up(db: Kysely<unknown>) {
      for (const statement of authority) await sql.raw(statement).execute(db)
    },
  },
}

const spine = [
  "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE kem_key (public_key BLOB PRIMARY KEY, seed BLOB NOT NULL,
    not_before TEXT NOT NULL, not_after TEXT NOT NULL) STRICT`,
  `CREATE TABLE officer (digest TEXT PRIMARY KEY, person TEXT NOT NULL, opened TEXT NOT NULL,
    added_at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE peer (member TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT,
    verified_on TEXT, blocked INTEGER NOT NULL, subscribed INTEGER NOT NULL,
    added_at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE root_document (member TEXT NOT NULL, version INTEGER NOT NULL,
    epoch INTEGER NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL, idx INTEGER, PRIMARY KEY (member, version)) STRICT`,
  `CREATE TABLE keys_document (member TEXT NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL,
    epoch INTEGER, idx INTEGER, PRIMARY KEY (member, digest)) STRICT`,
  `CREATE TABLE log (id INTEGER PRIMARY KEY, member TEXT NOT NULL, epoch INTEGER NOT NULL,
    origin TEXT NOT NULL, size INTEGER NOT NULL, range BLOB NOT NULL, checkpoint TEXT,
    checked_at INTEGER NOT NULL, disowned INTEGER NOT NULL, UNIQUE (member, epoch)) STRICT`,
  `CREATE TABLE log_entry (log INTEGER NOT NULL, idx INTEGER NOT NULL, entry BLOB NOT NULL,
    PRIMARY KEY (log, idx)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX log_entry_by_value ON log_entry (log, entry)",
  `CREATE TABLE log_node (log INTEGER NOT NULL, level INTEGER NOT NULL, idx INTEGER NOT NULL,
    hash BLOB NOT NULL, PRIMARY KEY (log, level, idx)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE checkpoint (log INTEGER NOT NULL, size INTEGER NOT NULL, note TEXT NOT NULL,
    version INTEGER NOT NULL, PRIMARY KEY (log, size)) STRICT`,
  `CREATE TABLE witnessed (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
    timestamp INTEGER NOT NULL, note TEXT NOT NULL) STRICT`,
  `CREATE TABLE cosigner (log INTEGER NOT NULL, member TEXT NOT NULL, size INTEGER NOT NULL,
    timestamp INTEGER NOT NULL, asked_at INTEGER NOT NULL, error TEXT,
    PRIMARY KEY (log, member)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE draft (id TEXT PRIMARY KEY, source TEXT NOT NULL, title TEXT NOT NULL,
    released INTEGER NOT NULL, released_source TEXT, updated_at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE record (origin TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    digest TEXT NOT NULL, kind TEXT NOT NULL, profile_id TEXT NOT NULL, profile_digest TEXT NOT NULL,
    sealed_digest TEXT NOT NULL, sealed_size INTEGER NOT NULL, created_at INTEGER NOT NULL,
    PRIMARY KEY (origin, id, version)) STRICT`,
  "CREATE INDEX record_by_sealed ON record (sealed_digest)",
  `CREATE TABLE content (rid INTEGER PRIMARY KEY, origin TEXT NOT NULL, id TEXT NOT NULL,
    version INTEGER NOT NULL, title TEXT NOT NULL, bytes BLOB NOT NULL, content_key BLOB NOT NULL, tag BLOB NOT NULL,
    UNIQUE (origin, id, version)) STRICT`,
  `CREATE TABLE link (rid INTEGER NOT NULL, relation TEXT NOT NULL, to_origin TEXT NOT NULL,
    to_id TEXT NOT NULL, to_version INTEGER, to_digest TEXT, PRIMARY KEY (rid, relation)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX link_by_target ON link (to_id, to_origin)",
  "CREATE TABLE met (deadline TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE release_order (id TEXT PRIMARY KEY, act TEXT NOT NULL, payload BLOB NOT NULL,
    seed BLOB NOT NULL, root_version INTEGER NOT NULL, not_after TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT, created_at INTEGER NOT NULL, scheduled_at INTEGER) STRICT`,
  `CREATE TABLE order_grant (order_id TEXT NOT NULL, position INTEGER NOT NULL,
    recipient TEXT NOT NULL, record_origin TEXT NOT NULL, record_id TEXT NOT NULL,
    version INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (order_id, position)) STRICT`,
  `CREATE TABLE order_signature (order_id TEXT NOT NULL, kid TEXT NOT NULL, person TEXT NOT NULL,
    role TEXT NOT NULL, protected TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (order_id, person)) STRICT`,
  `CREATE TABLE logged_order (origin TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL,
    document BLOB NOT NULL, epoch INTEGER NOT NULL, idx INTEGER NOT NULL, salt BLOB NOT NULL,
    root_version INTEGER NOT NULL, quorum INTEGER NOT NULL, proof INTEGER, at INTEGER NOT NULL,
    PRIMARY KEY (origin, id)) STRICT`,
  `CREATE INDEX logged_order_pending ON logged_order (origin, epoch, idx)
    WHERE proof IS NULL AND quorum > 0`,
  `CREATE INDEX logged_order_proven ON logged_order (origin, epoch, proof)
    WHERE proof IS NOT NULL AND quorum > 0`,
  `CREATE TABLE order_consent (origin TEXT NOT NULL, order_id TEXT NOT NULL, member TEXT NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (origin, order_id, member)) STRICT`,
  `CREATE TABLE consent_asked (order_id TEXT PRIMARY KEY, subject TEXT NOT NULL, origin TEXT NOT NULL,
    recipients TEXT NOT NULL, takes_back INTEGER NOT NULL, export BLOB) STRICT`,
  "CREATE INDEX consent_asked_by_subject ON consent_asked (subject)",
  `CREATE TABLE consent (member TEXT NOT NULL, subject TEXT NOT NULL, bytes BLOB NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (member, subject)) STRICT`,
  `CREATE TABLE fact (order_origin TEXT NOT NULL, order_id TEXT NOT NULL, leaf TEXT NOT NULL,
    act TEXT NOT NULL, record_origin TEXT NOT NULL, record_id TEXT NOT NULL, version INTEGER NOT NULL,
    recipient TEXT NOT NULL, rule_profile TEXT NOT NULL, rule_kind TEXT NOT NULL,
    epoch INTEGER NOT NULL, idx INTEGER NOT NULL, base_epoch INTEGER NOT NULL,
    base_size INTEGER NOT NULL, after TEXT NOT NULL, grant_bytes BLOB NOT NULL,
    position INTEGER NOT NULL, path BLOB NOT NULL, repudiated INTEGER NOT NULL, at INTEGER NOT NULL,
    chain TEXT NOT NULL, names TEXT NOT NULL,
    PRIMARY KEY (order_origin, order_id, leaf)) STRICT`,
  "CREATE INDEX fact_by_record ON fact (record_id, record_origin, recipient)",
  "CREATE INDEX fact_passed_on ON fact (recipient) WHERE chain <> ''",
  "CREATE TABLE custody_link (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
  `CREATE TABLE passed_withdrawal (order_origin TEXT NOT NULL, order_id TEXT NOT NULL, leaf TEXT NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (order_origin, order_id, leaf)) STRICT`,
  `CREATE TABLE doubt (record_id TEXT NOT NULL, recipient TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (record_id, recipient)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE tag (id INTEGER PRIMARY KEY, entry BLOB NOT NULL UNIQUE, epoch INTEGER,
    idx INTEGER) STRICT`,
  `CREATE TABLE delivery (peer TEXT NOT NULL, n INTEGER NOT NULL, feed TEXT NOT NULL,
    order_id TEXT NOT NULL, bytes BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (peer, n)) STRICT`,
  "CREATE INDEX delivery_by_order ON delivery (order_id, peer)",
  `CREATE TABLE feed (peer TEXT PRIMARY KEY, feed TEXT NOT NULL, n INTEGER NOT NULL,
    prev TEXT NOT NULL) STRICT`,
  `CREATE TABLE source (peer TEXT PRIMARY KEY, feed TEXT NOT NULL, n INTEGER NOT NULL,
    prev TEXT NOT NULL, seen_n INTEGER NOT NULL, at INTEGER NOT NULL, error TEXT,
    stale_at INTEGER, stale_why TEXT, cosigned_at INTEGER) STRICT`,
  `CREATE TABLE receipt_out (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, order_id TEXT NOT NULL,
    leaf TEXT NOT NULL, state TEXT NOT NULL, code TEXT, day TEXT NOT NULL, sent INTEGER NOT NULL)
    STRICT`,
  "CREATE INDEX receipt_out_unsent ON receipt_out (peer, sent)",
  `CREATE TABLE receipt_in (peer TEXT NOT NULL, order_id TEXT NOT NULL, leaf TEXT NOT NULL,
    state TEXT NOT NULL, code TEXT, until TEXT, day TEXT NOT NULL, document TEXT NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (peer, order_id, leaf, state)) STRICT`,
  `CREATE TABLE receipt_document (digest TEXT PRIMARY KEY, peer TEXT NOT NULL,
    bytes BLOB NOT NULL) STRICT`,
  `CREATE TABLE heard (member TEXT NOT NULL, epoch INTEGER NOT NULL, size INTEGER NOT NULL,
    root BLOB NOT NULL, note TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (member, epoch, size)) STRICT`,
  `CREATE TABLE told (peer TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (peer, subject)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE inconsistency (digest TEXT PRIMARY KEY, member TEXT NOT NULL, kind TEXT NOT NULL,
    bytes BLOB NOT NULL, at INTEGER NOT NULL, told INTEGER NOT NULL, decided TEXT) STRICT`,
  "CREATE INDEX inconsistency_by_member ON inconsistency (member)",
  `CREATE TABLE decision (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL, at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE explanation (digest TEXT PRIMARY KEY, subject TEXT NOT NULL,
    bytes BLOB NOT NULL) STRICT`,
  `CREATE TABLE nonce (keyid TEXT NOT NULL, nonce TEXT NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (keyid, nonce)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX nonce_by_expiry ON nonce (expires)",
  `CREATE TABLE event (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL,
    subject TEXT NOT NULL, detail TEXT NOT NULL) STRICT`,
  // Contentless: the index holds terms and places, the text stays in `content` alone.
  `CREATE VIRTUAL TABLE search USING fts5 (title, body, content = '',
    tokenize = "unicode61 remove_diacritics 2", prefix = '2 3')`,
  // A purged term is gone from the index at once, not when segments happen to merge.
  "INSERT INTO search (search, rank) VALUES ('secure-delete', 1)",
]

const authority = [
  "ALTER TABLE officer ADD COLUMN sealing_key BLOB",
  "ALTER TABLE officer ADD COLUMN not_before TEXT",
  "ALTER TABLE officer ADD COLUMN not_after TEXT",
  `CREATE TABLE refusal (order_id TEXT PRIMARY KEY, person TEXT NOT NULL,
    statement BLOB NOT NULL) STRICT`,
  `CREATE TABLE peer_check (peer TEXT NOT NULL, person TEXT NOT NULL, day TEXT NOT NULL,
    direction TEXT NOT NULL, statement BLOB, PRIMARY KEY (peer, person, direction)) STRICT`,
  `CREATE TABLE register_entry (id TEXT PRIMARY KEY, person TEXT NOT NULL, sealed BLOB NOT NULL,
    at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE register_share (entry TEXT NOT NULL, kid TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (entry, kid)) STRICT`,
  `CREATE TABLE register_log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL,
    entry TEXT NOT NULL, person TEXT NOT NULL, officers TEXT NOT NULL, reason TEXT NOT NULL) STRICT`,
]

/** @throws `home.newer` for a database of a later version, `store.failed` */
export async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  if (error instanceof Error && /missing/i.test(error.message))
    throw new NodeError("home.newer", "This data was last used by a newer version of comity.", {
      hint: "Install the newer version again; data is never converted back.",
      cause: error,
    })
  throw error
}
