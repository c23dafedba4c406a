import type { Generated, Kysely } from "kysely"
import type { Act } from "../../protocol/member/policy.ts"
import type { LinkRelation } from "../../protocol/record/link.ts"
import type { Marking } from "../../protocol/record/marking.ts"

/**
 * The tables of a node. Signed bytes are BLOBs and are never taken apart; ids and digests are hex.
 * Content stands apart from what proves its release, so that a purge removes it and the proof stays.
 */
export type Schema = {
  meta: { name: string; value: Uint8Array }
  kem_key: { public_key: Uint8Array; seed: Uint8Array; not_before: string; not_after: string }

  /** Our officers' keys, present and past: the openings of the digests in our root documents. */
  officer: {
    digest: string
    person: string
    opened: string
    added_at: number
    /** X-Wing: register entries are sealed to it; null for one enrolled without */
    sealing_key: Uint8Array | null
    /** a deputy's days, both inclusive: our own sequencer heeds them */
    not_before: string | null
    not_after: string | null
  }
  /** An officer's signed no to an order. */
  refusal: { order_id: string; person: string; statement: Uint8Array }
  /** Who compared a peer's words, in which direction: what makes it verified is configured. */
  peer_check: {
    peer: string
    /** an officer's pseudonym, with the statement; empty for the operator */
    person: string
    day: string
    direction: "theirs" | "ours"
    statement: Uint8Array | null
  }
  /** Who stands behind a pseudonym, sealed: two officers open it, and `register_log` says when. */
  register_entry: { id: string; person: string; sealed: Uint8Array; at: number }
  register_share: { entry: string; kid: string; sealed: Uint8Array }
  register_log: {
    id: Generated<number>
    at: number
    act: "add" | "open"
    entry: string
    person: string
    /** pseudonyms, joined by spaces */
    officers: string
    reason: string
  }

  peer: {
    member: string
    name: string
    url: string | null
    verified_on: string | null
    blocked: number
    subscribed: number
    /** 1 where what is queued for it is handed over, not only served when it asks */
    push: number
    added_at: number
  }
  root_document: {
    member: string
    version: number
    epoch: number
    digest: string
    bytes: Uint8Array
    /** place as an open entry of the member's log of this version's epoch; null until seen there */
    idx: number | null
  }
  keys_document: {
    member: string
    digest: string
    bytes: Uint8Array
    /** place as an open entry; null for one that only a card brought */
    epoch: number | null
    idx: number | null
  }

  /** Our own log and every log that we keep a mirror of, one for each epoch. */
  log: {
    id: Generated<number>
    member: string
    epoch: number
    origin: string
    size: number
    /** compact range */
    range: Uint8Array
    /** the newest signed checkpoint; null while nothing is held */
    checkpoint: string | null
    /** of another member: the last of it that met the quorum of its newest root document, with its lines */
    cosigned: string | null
    checked_at: number
    /** 1 when what is held of an ended epoch is not what its member says survives */
    disowned: number
  }
  log_entry: { log: number; idx: number; entry: Uint8Array }
  log_node: { log: number; level: number; idx: number; hash: Uint8Array }
  /** checkpoints that an order's proof needs, with the cosignatures that count */
  checkpoint: {
    log: number
    size: number
    note: string
    /** the highest root version of its origin whose quorum it meets; 0 for none */
    version: number
  }
  /** What we have cosigned of each log, as a witness: never lower, never another tree. */
  witnessed: {
    origin: string
    size: number
    root: Uint8Array
    /** seconds: the last that we stated for this log */
    timestamp: number
    /** the last one with our own lines, empty before the first: what is shown on request */
    note: string
  }
  /** What each of our own witnesses last cosigned of a log of ours. */
  cosigner: {
    log: number
    member: string
    size: number
    /** seconds, as it stated */
    timestamp: number
    asked_at: number
    /** why the last question got no cosignature */
    error: string | null
  }

  draft: {
    id: string
    source: string
    title: string
    /** the version that was released last, 0 before the first */
    released: number
    /** digest of the source that `released` was made from */
    released_source: string | null
    updated_at: number
  }
  record: {
    origin: string
    id: string
    version: number
    digest: string
    kind: string
    profile_id: string
    profile_digest: string
    sealed_digest: string
    sealed_size: number
    created_at: number
  }
  /** What a purge removes: the only place of plaintext and content keys. */
  content: {
    rid: Generated<number>
    origin: string
    id: string
    version: number
    title: string
    marking: Marking
    /** the record's JCS form */
    bytes: Uint8Array
    content_key: Uint8Array
    /** the entry by which its origin's log would say that it is withdrawn for everybody */
    tag: Uint8Array
    /** 1 where it was taken back and the law forbids to destroy it: nobody finds or reads it */
    locked: Generated<number>
  }
  /** What the law forbids to destroy, by the decision of an officer; ended by another. */
  hold: {
    record_origin: string
    record_id: string
    /** the day on which it is looked at again; null where it is sealed for two officers instead */
    review: string | null
    decision: string
    ended_by: string | null
  }

  /** Versions that were taken back and sealed: two officers open them, and `archive_log` says when. */
  archive: {
    record_origin: string
    record_id: string
    version: number
    entry: string
    sealed: Uint8Array
    at: number
  }
  archive_share: { entry: string; kid: string; sealed: Uint8Array }
  archive_log: {
    id: Generated<number>
    at: number
    act: "seal" | "open" | "destroy"
    record_origin: string
    record_id: string
    /** pseudonyms, by spaces */
    officers: string
    reason: string
  }

  /** The full-text index, by the row of the content; it gives no text back. */
  search: { rowid: number; title: string; body: string }

  /** What a record that is held speaks of: a row of `content` each, gone with it. */
  link: {
    rid: number
    relation: LinkRelation
    to_origin: string
    to_id: string
    /** both null when it speaks of the record whatever its version */
    to_version: number | null
    to_digest: string | null
  }

  /** Deadlines that our own people say were met. */
  met: { deadline: string; at: number }

  /** Own orders, from the request on. */
  release_order: {
    id: string
    act: Act
    payload: Uint8Array
    seed: Uint8Array
    root_version: number
    not_after: string
    state: OrderState
    reason: string | null
    created_at: number
    /** when it was put in line for a slot of the log; null with cadence `immediate` */
    scheduled_at: number | null
  }
  /** Recipients of own orders who were named by a group alone, and the version that listed them. */
  order_listed: { order_id: string; recipient: string; version: string }
  order_signature: {
    order_id: string
    kid: string
    person: string
    role: string
    protected: string
    signature: string
  }

  /** Orders of any member that stand in its log, as received or published. */
  logged_order: {
    origin: string
    id: string
    digest: string
    document: Uint8Array
    epoch: number
    idx: number
    salt: Uint8Array
    /** root version in force at its place, and how many witnesses that asks for */
    root_version: number
    quorum: number
    /** size of the first quorate checkpoint that covers it, with quorum 0 the first; null without */
    proof: number | null
    act: Act
    rule_profile: string
    rule_kind: string
    base_size: number
    /** 1 once a newer root document of its origin annuls it */
    repudiated: number
    at: number
  }
  /** Consents of other members that an order was logged with. */
  order_consent: { origin: string; order_id: string; member: string; bytes: Uint8Array }
  /** What our own consent orders are about. */
  consent_asked: {
    order_id: string
    subject: string
    /** the member whose release it is about, or whose record it objects to, and those whom that release would go to, by spaces */
    origin: string
    recipients: string
    says: "consent" | "back" | "objection"
    /** what our officers look at, with the records in the clear; null once they have decided */
    export: Uint8Array | null
  }
  /** Consent orders that other members gave here, by what they are the consent to, or take back. */
  consent: { member: string; subject: string; bytes: Uint8Array; at: number }
  /** Releases on the way of records that were passed on: evidence without its record. */
  custody_link: {
    digest: string
    bytes: Uint8Array
    /** what it and those before it say to precedence, as JSON */
    chain: string
  }
  /** Records of groups inside which something may be passed on, whether or not they are held otherwise. */
  inside_list: { digest: string; bytes: Uint8Array }
  /** Withdrawals from holders further up, as they were passed down to us. */
  passed_withdrawal: { order_origin: string; order_id: string; leaf: string; bytes: Uint8Array }
  /** Grants of orders: our own from the request on, others' as received. */
  order_grant: {
    order_origin: string
    order_id: string
    recipient: string
    position: number
    act: "release" | "withdraw"
    record_origin: string
    record_id: string
    version: number
    /** ids, joined by spaces */
    after: string
    leaf: string
    /** digest of the link that it rests on; empty for a grant of one's own record */
    custody: string
    /** 1 for a release that came without its content key: it was never compared with its record */
    unread: 0 | 1
  }
  /** What one order grants to one recipient: the signed bytes, each with its way to the order's root. */
  grant_list: { order_origin: string; order_id: string; recipient: string; grants: Uint8Array }
  /** A view: the grants of logged orders, what precedence is computed from. Never written to. */
  fact: {
    order_origin: string
    order_id: string
    leaf: string
    act: "release" | "withdraw"
    record_origin: string
    record_id: string
    version: number
    recipient: string
    rule_profile: string
    rule_kind: string
    epoch: number
    idx: number
    base_epoch: number
    base_size: number
    after: string
    position: number
    repudiated: number
    at: number
    /** of a release that was passed on, the releases it rests on, as JSON, null when they did not come */
    chain: string | null
  }

  /**
   * Where a withdrawal was taken back from one recipient, and may have named this one too: releases with a
   * base below `size` are not served to it.
   */
  doubt: { record_id: string; recipient: string; size: number }

  /** Withdrawal tags of ours, and where our log has them; no place yet while they wait for one. */
  tag: { id: Generated<number>; entry: Uint8Array; epoch: number | null; idx: number | null }

  /**
   * What is queued for a peer, for good: a feed has no gaps. Its bytes are made when it is served, from
   * the order and the grants, which never change either; the digest says that they are the same.
   */
  delivery: {
    peer: string
    n: number
    feed: string
    prev: string
    order_id: string
    digest: string
    at: number
  }
  feed: { peer: string; feed: string; n: number; prev: string }
  /** How far a peer has read our feed for it, as its last request or answer said, and how handing over went. */
  reader: {
    peer: string
    feed: string
    n: number
    epoch: number
    size: number
    /** from where on it waits for proofs, as in its request; null for none */
    pending: string | null
    /** when it last asked for its feed, to the minute; null while it never has */
    asked_at: number | null
    /** when handing over was tried last, how often it failed since it last went well, and by which code */
    tried_at: number | null
    failures: number
    error: string | null
  }
  /** How far a peer's feed for us has been read. */
  source: {
    peer: string
    feed: string
    n: number
    prev: string
    seen_n: number
    at: number
    error: string | null
    /** since when, and by which code, its feed is not whole; null while it is */
    stale_at: number | null
    stale_why: string | null
    /**
     * time of the newest quorum of its witnesses that it has shown, before the first since when one is
     * waited for; null while it names no witnesses
     */
    cosigned_at: number | null
  }
  /** Statements of ours about what we got, until the peer has them. */
  receipt_out: {
    id: Generated<number>
    peer: string
    order_id: string
    record_id: string
    leaf: string
    state: string
    code: string | null
    until: string | null
    day: string
    /** 0 owed · 1 the peer has it · 2 the peer would not take it */
    sent: number
  }
  receipt_in: {
    peer: string
    order_id: string
    leaf: string
    state: string
    code: string | null
    until: string | null
    day: string
    /** the signed batch it came in */
    document: string
    at: number
  }
  receipt_document: { digest: string; peer: string; bytes: Uint8Array }
  /** Checkpoints of others' logs that only third parties have shown, beyond what is mirrored. */
  heard: {
    member: string
    epoch: number
    size: number
    root: Uint8Array
    note: string
    at: number
  }
  /** What each peer was told last of a third member or proof: the same is not told again. */
  told: { peer: string; subject: string; state: string }
  /** Proofs that a member has told two histories. */
  inconsistency: {
    digest: string
    member: string
    kind: string
    bytes: Uint8Array
    at: number
    /** 1 once its member has been told, or could not be reached: others are told after it */
    told: number
    /** the decision of this member's officers, as they signed it; null while new entries wait for it */
    decided: string | null
  }
  /** What officers of ours decided for this node, as they signed it. */
  decision: { digest: string; bytes: Uint8Array; at: number }
  explanation: { digest: string; subject: string; bytes: Uint8Array }
  nonce: { keyid: string; nonce: string; expires: number }
  /** What an operator may want to know happened; ids and codes only. */
  event: { id: Generated<number>; at: number; kind: string; subject: string; detail: string }
}

export const orderStates = ["open", "scheduled", "refused", "cancelled", "logged"] as const
export type OrderState = (typeof orderStates)[number]

/** A transaction is one too, so that callers choose the boundary. */
export type Db = Kysely<Schema>
