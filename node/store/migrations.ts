import { type Kysely, sql } from "kysely"
import { type Migration, Migrator } from "kysely/migration"
import { NodeError } from "../errors.ts"
import type { Db } from "./schema.ts"

export type Migrations = Readonly<Record<string, Migration>>

/** Forward only: a node never reads a database that a newer version has changed. */
export const migrations: Migrations = {
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
    push INTEGER NOT NULL, added_at INTEGER NOT NULL) STRICT`,
  `CREATE TABLE root_document (member TEXT NOT NULL, version INTEGER NOT NULL,
    epoch INTEGER NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL, idx INTEGER, PRIMARY KEY (member, version)) STRICT`,
  `CREATE TABLE keys_document (member TEXT NOT NULL, digest TEXT NOT NULL, bytes BLOB NOT NULL,
    epoch INTEGER, idx INTEGER, PRIMARY KEY (member, digest)) STRICT`,
  `CREATE TABLE log (id INTEGER PRIMARY KEY, member TEXT NOT NULL, epoch INTEGER NOT NULL,
    origin TEXT NOT NULL, size INTEGER NOT NULL, range BLOB NOT NULL, checkpoint TEXT,
    cosigned TEXT, checked_at INTEGER NOT NULL, disowned INTEGER NOT NULL, UNIQUE (member, epoch)) STRICT`,
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
  // Digests come in no order: every new one changes another page, and a short key makes fewer of them.
  "CREATE INDEX record_by_sealed ON record (substr(sealed_digest, 1, 16))",
  // Few, and asked for daily: groups, interests, requests.
  "CREATE INDEX record_of_liaison ON record (kind) WHERE profile_id = 'liaison'",
  `CREATE TABLE content (rid INTEGER PRIMARY KEY, origin TEXT NOT NULL, id TEXT NOT NULL,
    version INTEGER NOT NULL, title TEXT NOT NULL, marking TEXT NOT NULL, bytes BLOB NOT NULL,
    content_key BLOB NOT NULL, tag BLOB NOT NULL, locked INTEGER NOT NULL DEFAULT 0, UNIQUE (origin, id, version)) STRICT`,
  `CREATE TABLE link (rid INTEGER NOT NULL, relation TEXT NOT NULL, to_origin TEXT NOT NULL,
    to_id TEXT NOT NULL, to_version INTEGER, to_digest TEXT, PRIMARY KEY (rid, relation)) STRICT, WITHOUT ROWID`,
  "CREATE INDEX link_by_target ON link (to_id, to_origin)",
  "CREATE TABLE met (deadline TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE hold (record_origin TEXT NOT NULL, record_id TEXT NOT NULL, review TEXT,
    decision TEXT NOT NULL, ended_by TEXT, PRIMARY KEY (record_origin, record_id)) STRICT`,
  `CREATE TABLE archive (record_origin TEXT NOT NULL, record_id TEXT NOT NULL, version INTEGER NOT NULL,
    entry TEXT NOT NULL, sealed BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (record_origin, record_id, version)) STRICT`,
  `CREATE TABLE archive_share (entry TEXT NOT NULL, kid TEXT NOT NULL, sealed BLOB NOT NULL,
    PRIMARY KEY (entry, kid)) STRICT`,
  `CREATE TABLE archive_log (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, act TEXT NOT NULL,
    record_origin TEXT NOT NULL, record_id TEXT NOT NULL, officers TEXT NOT NULL, reason TEXT NOT NULL) STRICT`,
  `CREATE TABLE release_order (id TEXT PRIMARY KEY, act TEXT NOT NULL, payload BLOB NOT NULL,
    seed BLOB NOT NULL, root_version INTEGER NOT NULL, not_after TEXT NOT NULL, state TEXT NOT NULL,
    reason TEXT, created_at INTEGER NOT NULL, scheduled_at INTEGER) STRICT`,
  `CREATE TABLE order_listed (order_id TEXT NOT NULL, recipient TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (order_id, recipient)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE order_signature (order_id TEXT NOT NULL, kid TEXT NOT NULL, person TEXT NOT NULL,
    role TEXT NOT NULL, protected TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (order_id, person)) STRICT`,
  `CREATE TABLE logged_order (origin TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL,
    document BLOB NOT NULL, epoch INTEGER NOT NULL, idx INTEGER NOT NULL, salt BLOB NOT NULL,
    root_version INTEGER NOT NULL, quorum INTEGER NOT NULL, proof INTEGER, act TEXT NOT NULL,
    rule_profile TEXT NOT NULL, rule_kind TEXT NOT NULL, base_size INTEGER NOT NULL,
    repudiated INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (origin, id)) STRICT`,
  `CREATE INDEX logged_order_pending ON logged_order (origin, epoch, idx)
    WHERE proof IS NULL AND quorum > 0`,
  `CREATE INDEX logged_order_proven ON logged_order (origin, epoch, proof)
    WHERE proof IS NOT NULL AND quorum > 0`,
  `CREATE TABLE order_consent (origin TEXT NOT NULL, order_id TEXT NOT NULL, member TEXT NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (origin, order_id, member)) STRICT`,
  `CREATE TABLE consent_asked (order_id TEXT PRIMARY KEY, subject TEXT NOT NULL, origin TEXT NOT NULL,
    recipients TEXT NOT NULL, says TEXT NOT NULL, export BLOB) STRICT`,
  "CREATE INDEX consent_asked_by_subject ON consent_asked (subject)",
  `CREATE TABLE consent (member TEXT NOT NULL, subject TEXT NOT NULL, bytes BLOB NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (member, subject)) STRICT`,
  "CREATE TABLE custody_link (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL, chain TEXT NOT NULL) STRICT",
  "CREATE TABLE inside_list (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
  `CREATE TABLE passed_withdrawal (order_origin TEXT NOT NULL, order_id TEXT NOT NULL, leaf TEXT NOT NULL,
    bytes BLOB NOT NULL, PRIMARY KEY (order_origin, order_id, leaf)) STRICT`,
  `CREATE TABLE order_grant (order_origin TEXT NOT NULL, order_id TEXT NOT NULL,
    recipient TEXT NOT NULL, position INTEGER NOT NULL, act TEXT NOT NULL,
    record_origin TEXT NOT NULL, record_id TEXT NOT NULL, version INTEGER NOT NULL,
    after TEXT NOT NULL, leaf TEXT NOT NULL, custody TEXT NOT NULL, unread INTEGER NOT NULL,
    PRIMARY KEY (order_id, order_origin, recipient, position)) STRICT`,
  `CREATE TABLE grant_list (order_origin TEXT NOT NULL, order_id TEXT NOT NULL,
    recipient TEXT NOT NULL, grants BLOB NOT NULL) STRICT`,
  "CREATE INDEX grant_list_by_order ON grant_list (order_id, order_origin, recipient)",
  "CREATE INDEX order_grant_passed_on ON order_grant (recipient) WHERE custody <> ''",
  // What is for everybody is asked for with every peer that comes.
  "CREATE INDEX order_grant_to_all ON order_grant (order_origin) WHERE recipient >= 'public'",
  "CREATE INDEX order_grant_by_record ON order_grant (record_id)",
  // What ends releases is asked for with each of them, and is rare.
  `CREATE INDEX order_grant_withdrawing ON order_grant (record_id)
    WHERE act = 'withdraw'`,
  `CREATE VIEW fact AS SELECT order_origin, order_id, leaf, order_grant.act AS act, record_origin,
    record_id, version, recipient, rule_profile, rule_kind, epoch, idx, epoch AS base_epoch,
    base_size, after, position, repudiated, at, CASE WHEN unread = 1 THEN NULL WHEN custody = '' THEN ''
      ELSE (SELECT chain FROM custody_link WHERE digest = custody) END AS chain
    FROM order_grant JOIN logged_order ON origin = order_origin AND id = order_id`,
  `CREATE TABLE doubt (record_id TEXT NOT NULL, recipient TEXT NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (record_id, recipient)) STRICT, WITHOUT ROWID`,
  `CREATE TABLE tag (id INTEGER PRIMARY KEY, entry BLOB NOT NULL UNIQUE, epoch INTEGER,
    idx INTEGER) STRICT`,
  `CREATE TABLE delivery (peer TEXT NOT NULL, n INTEGER NOT NULL, feed TEXT NOT NULL,
    prev TEXT NOT NULL, order_id TEXT NOT NULL, digest TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (peer, n)) STRICT`,
  "CREATE INDEX delivery_by_order ON delivery (order_id, peer)",
  `CREATE TABLE feed (peer TEXT PRIMARY KEY, feed TEXT NOT NULL, n INTEGER NOT NULL,
    prev TEXT NOT NULL) STRICT`,
  `CREATE TABLE reader (peer TEXT PRIMARY KEY, feed TEXT NOT NULL, n INTEGER NOT NULL,
    epoch INTEGER NOT NULL, size INTEGER NOT NULL, pending TEXT, asked_at INTEGER, tried_at INTEGER,
    failures INTEGER NOT NULL, error TEXT) STRICT`,
  `CREATE TABLE source (peer TEXT PRIMARY KEY, feed TEXT NOT NULL, n INTEGER NOT NULL,
    prev TEXT NOT NULL, seen_n INTEGER NOT NULL, at INTEGER NOT NULL, error TEXT,
    stale_at INTEGER, stale_why TEXT, cosigned_at INTEGER) STRICT`,
  `CREATE TABLE receipt_out (id INTEGER PRIMARY KEY, peer TEXT NOT NULL, order_id TEXT NOT NULL,
    record_id TEXT NOT NULL, leaf TEXT NOT NULL, state TEXT NOT NULL, code TEXT, until TEXT, day TEXT NOT NULL, sent INTEGER NOT NULL)
    STRICT`,
  // Sending takes a row out of it, and moves none.
  "CREATE INDEX receipt_out_unsent ON receipt_out (peer, id) WHERE sent = 0",
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

/**
 * All that are missing in one transaction: a process that is killed at it leaves the old or the new.
 *
 * @throws `home.newer` for a database of a later version, `store.failed`
 */
export async function migrate(db: Db, known: Migrations = migrations): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => known } })
  const { error } = await migrator.migrateToLatest()
  if (error === undefined) return
  if (error instanceof Error && /missing/i.test(error.message))
    throw new NodeError("home.newer", "This data was last used by a newer version of comity.", {
      hint: "Install the newer version again; data is never converted back.",
      cause: error,
    })
  throw error
}
