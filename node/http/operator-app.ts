import { Hono } from "hono"
import { z } from "zod"
import { decodeBase64, encodeBase64 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { limits } from "../../protocol/limits.ts"
import { acts, conditions, type PolicyLine } from "../../protocol/member/policy.ts"
import { markings } from "../../protocol/record/marking.ts"
import { publishRoot } from "../authority/amend.ts"
import { listKeys, listOfficers, showPolicy, unmetLines } from "../authority/authority.ts"
import { verifyDecision } from "../authority/decision.ts"
import { introduce } from "../authority/introduce.ts"
import { decideLocalMark, readLocalMarks } from "../authority/local-marks.ts"
import {
  listWitnesses,
  proposeWitnesses,
  setWitnessHours,
  type WitnessChange,
} from "../authority/name-witnesses.ts"
import {
  addPeer,
  addPeerByUrl,
  blockPeer,
  findPeer,
  identityOf,
  listPeers,
  movePeer,
  nameOf,
  ownCard,
  pushToPeer,
  removePeer,
  renamePeer,
  showPeer,
  updatePeer,
  verifyPeer,
} from "../authority/peers.ts"
import { adoptProfile, listProfiles } from "../authority/profiles.ts"
import { propose, type Wishes } from "../authority/propose.ts"
import {
  addEntry,
  listEntries,
  openEntries,
  registerLog,
  requestOpening,
  resealEntries,
} from "../authority/register.ts"
import { replaceKem, rotateKem, setContact } from "../authority/renew.ts"
import { backUp } from "../backup.ts"
import type { Context } from "../context.ts"
import { doctor } from "../doctor.ts"
import { PeerUnreachable } from "../env.ts"
import { NodeError } from "../errors.ts"
import { archiveLog, requestUnsealing, unseal } from "../exchange/archive.ts"
import { endHold, holdRecord, listHolds, openHeld, sealRecord } from "../exchange/hold.ts"
import { type Hooks, hooksOf, setHooks } from "../exchange/notify.ts"
import { handOverAll, handOverNow, outbox } from "../exchange/outbox.ts"
import { receiptsOf } from "../exchange/receipts.ts"
import { follow, sync } from "../exchange/subscribe.ts"
import { unanswered } from "../exchange/unanswered.ts"
import { why } from "../exchange/why.ts"
import { advanceLog } from "../log/append.ts"
import { auditLogs } from "../log/audit.ts"
import { exportEvidence, exportProof } from "../log/evidence.ts"
import {
  continueWith,
  explain,
  listInconsistencies,
  showInconsistency,
} from "../log/inconsistencies.ts"
import { logConsistency, logHead, logPolicy, logProof, logTiles } from "../log/log.ts"
import { publish } from "../log/sequencer.ts"
import { metrics } from "../metrics.ts"
import { giveConsent, makeConsent, takeConsent, takeConsentBack } from "../order/consent.ts"
import {
  acceptGroup,
  addToGroup,
  createGroup,
  inviteToGroup,
  leaveGroup,
  listGroups,
  passGroup,
  removeFromGroup,
  showGroup,
} from "../order/convene.ts"
import {
  addDraft,
  addDrafts,
  editDraft,
  listDrafts,
  removeDraft,
  showDraft,
} from "../order/drafts.ts"
import { askersOf, listInterests, stateInterest } from "../order/interests.ts"
import { makeObjection } from "../order/objection.ts"
import {
  addSignature,
  cancelOrder,
  exportOrder,
  listOrders,
  refuseOrder,
  showOrder,
} from "../order/orders.ts"
import { requestRelease, requestWithdrawal } from "../order/release.ts"
import { type Saying, say } from "../order/say.ts"
import { translate } from "../order/translate.ts"
import { requests } from "../reading/assistance.ts"
import { calendar, meetDeadline, setMilestone } from "../reading/calendar.ts"
import { findRecord, inbox, search, show } from "../reading/records.ts"
import { forgetSearch, runSaved, savedSearches, saveSearch } from "../reading/saved.ts"
import { trends } from "../reading/trends.ts"
import { recover, resumeAnyway } from "../recover.ts"
import { giveUp } from "../regain.ts"

/**
 * What the member's own people can ask of the node: one operation a verb, JSON in, JSON out, bytes as
 * base64. The command line calls it through a Unix socket, or in process when no node is running.
 */

const text = z.string().max(4096)
/** As it was typed or pasted; what fits none is unknown, not malformed. */
const id = z.string().trim().toLowerCase().max(64)
const names = z.array(text).max(512)
const lines = z.array(text).max(64)
const source = z.string().max(1024 * 1024)
const base64 = z.string().max(64 * 1024 * 1024)
const nothing = z.strictObject({})

type Operation = {
  readonly input: z.ZodType
  readonly run: (context: Context, input: never) => Promise<unknown>
}

function operation<T extends z.ZodType>(
  input: T,
  run: (context: Context, input: z.infer<T>) => Promise<unknown>,
): Operation {
  return { input, run }
}

const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)
const person = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
const digest = z.string().regex(/^[0-9a-f]{64}$/)
const size = z.int().nonnegative()

const place = z.union([size, z.literal("now")])

const rootKey = z.strictObject({ ed25519: text, mldsa65: text })
const keySet = z.strictObject({
  rootKeys: z.array(rootKey).min(1).max(32),
  threshold: z.int().positive().max(32),
})
const policy = z
  .array(
    z.strictObject({
      act: z.enum(["any", ...acts]),
      profile: z.union([z.literal("any"), digest]),
      kind: text,
      role: text,
      persons: z.int().positive().max(64),
      organisations: z.int().positive().max(64).optional(),
      when: z.enum(conditions).optional(),
    }),
  )
  .max(limits.policyLines)
const wishes = z.strictObject({
  name: text.optional(),
  expires: day.optional(),
  ceiling: z.enum(markings).optional(),
  policy: policy.optional(),
  enrol: z
    .array(z.strictObject({ request: base64, from: day.optional(), until: day.optional() }))
    .max(64)
    .optional(),
  dismiss: z.array(person).max(64).optional(),
  adopt: z.array(text).max(256).optional(),
  drop: z.array(text).max(256).optional(),
  revoke: z
    .array(z.strictObject({ who: text, from: place }))
    .max(64)
    .optional(),
  renew: z.array(z.enum(["node", "witness"])).optional(),
  survives: place.optional(),
  rotate: z.strictObject({ now: z.array(rootKey).min(1).max(32), next: keySet }).optional(),
  closing: z
    .strictObject({
      answers: z.string().max(256),
      day,
      keep: z.boolean(),
      successor: digest.optional(),
    })
    .optional(),
  succeeds: z.array(digest).max(16).optional(),
})

/** An officer's decision for this node, as signed. */
const decision = { statement: base64 }

export const operations = {
  "id.show": operation(nothing, async (context) => identityOf(context.self)),
  "id.card": operation(nothing, async (context) => ({
    card: encodeBase64(await ownCard(context)),
  })),
  "peer.add": operation(
    z.strictObject({
      card: base64.optional(),
      url: text.optional(),
      name: text.optional(),
    }),
    (context, { card, url, name }) => {
      const named = name === undefined ? {} : { name }
      if (card !== undefined)
        return addPeer(context, decodeBase64(card), {
          ...named,
          ...(url === undefined ? {} : { url }),
        })
      if (url === undefined) throw new NodeError("request.malformed", "A card or a URL is needed.")
      return addPeerByUrl(context, url, named)
    },
  ),
  "peer.list": operation(nothing, async (context) => ({ peers: await listPeers(context) })),
  "peer.show": operation(z.strictObject({ name: text }), (context, { name }) =>
    showPeer(context, name),
  ),
  "peer.verify": operation(
    z.strictObject({
      name: text,
      words: text,
      both: z.boolean().optional(),
      statement: base64.optional(),
    }),
    (context, { name, words, both, statement }) =>
      verifyPeer(context, name, words, {
        ...(both === undefined ? {} : { both }),
        ...(statement === undefined ? {} : { statement: decodeBase64(statement) }),
      }),
  ),
  "peer.introduce": operation(
    z.strictObject({ name: text, to: z.array(text).max(512), replaces: digest.optional() }),
    (context, { name, to, replaces }) =>
      introduce(context, name, { to, ...(replaces === undefined ? {} : { replaces }) }),
  ),
  "peer.block": operation(
    z.strictObject({ name: text, blocked: z.boolean() }),
    (context, { name, blocked }) => blockPeer(context, name, blocked),
  ),
  "peer.push": operation(z.strictObject({ name: text, push: z.boolean() }), (context, input) =>
    pushToPeer(context, input.name, input.push),
  ),
  "peer.rename": operation(z.strictObject({ name: text, to: text }), (context, { name, to }) =>
    renamePeer(context, name, to),
  ),
  "peer.move": operation(z.strictObject({ name: text, url: text }), (context, { name, url }) =>
    movePeer(context, name, url),
  ),
  "peer.remove": operation(z.strictObject({ name: text }), (context, { name }) =>
    removePeer(context, name),
  ),

  "peer.update": operation(
    z.strictObject({ file: base64.optional(), name: text.optional() }),
    (context, { file, name }) => {
      if (file !== undefined) return updatePeer(context, { file: decodeBase64(file) })
      if (name === undefined)
        throw new NodeError("request.malformed", "A file or a name is needed.")
      return updatePeer(context, { name })
    },
  ),

  "id.contact": operation(
    z.strictObject({ contact: z.record(z.string().max(32), z.string().max(256)) }),
    async (context, { contact }) => ({ contact: await setContact(context, contact) }),
  ),
  "key.rotate-kem": operation(nothing, rotateKem),
  "key.replace-kem": operation(nothing, async (context) => ({
    exposed: await replaceKem(context),
  })),
  "key.list": operation(nothing, async (context) => listKeys(context)),
  "root.propose": operation(wishes, async (context, input) => {
    const enrol = input.enrol?.map(({ request, ...days }) => ({
      request: decodeBase64(request),
      ...days,
    }))
    const wished = { ...input, ...(enrol === undefined ? {} : { enrol }) } as Wishes
    return { proposal: encodeBase64(await propose(context, wished)) }
  }),
  "root.publish": operation(
    z.strictObject({
      proposal: base64,
      lines: z
        .array(z.strictObject({ protected: text, signature: z.string().max(8192) }))
        .max(limits.signatures),
    }),
    (context, { proposal, lines }) => publishRoot(context, decodeBase64(proposal), lines),
  ),
  "officer.list": operation(nothing, async (context) => ({
    officers: await listOfficers(context),
  })),
  "policy.show": operation(nothing, async (context) => showPolicy(context)),
  "policy.check": operation(
    z.strictObject({ policy: policy.optional() }),
    async (context, input) => ({
      unmet: await unmetLines(context, input.policy as readonly PolicyLine[] | undefined),
    }),
  ),

  "register.add": operation(
    z.strictObject({
      person,
      name: text,
      post: text,
      instrument: text,
      from: day,
      until: day.optional(),
    }),
    (context, { person: whose, ...entry }) =>
      addEntry(context, whose, entry as Parameters<typeof addEntry>[2]),
  ),
  "register.list": operation(nothing, async (context) => ({
    entries: await listEntries(context),
  })),
  "register.request": operation(
    z.strictObject({ person, reason: text }),
    async (context, { person: whose, reason }) => ({
      request: encodeBase64(await requestOpening(context, whose, reason)),
    }),
  ),
  "register.open": operation(
    z.strictObject({
      person,
      reason: text,
      statements: z.array(base64).max(64),
      reseal: z.boolean().optional(),
    }),
    async (context, { person: whose, reason, statements, reseal }) => {
      const entries = await openEntries(context, whose, reason, statements.map(decodeBase64))
      if (reseal === true) await resealEntries(context, entries)
      return { entries }
    },
  ),
  "register.log": operation(nothing, async (context) => ({ log: await registerLog(context) })),

  "profile.list": operation(nothing, async (context) => listProfiles(context)),
  "profile.adopt": operation(
    z.strictObject({ name: text.optional(), bytes: base64.optional() }),
    async (context, { name, bytes }) => {
      if (name === undefined && bytes === undefined)
        throw new NodeError("request.malformed", "A profile is named, or given.")
      const { proposal, ...rest } = await adoptProfile(
        context,
        bytes === undefined ? { name: name! } : { bytes: decodeBase64(bytes) },
      )
      return { ...rest, proposal: encodeBase64(proposal) }
    },
  ),
  "mark.list": operation(nothing, async (context) => ({
    marks: await readLocalMarks(context.db),
    required: context.self.network === "operational",
  })),
  "mark.map": operation(
    z.strictObject({ marking: z.enum(markings), mark: text, ...decision }),
    (context, { statement, ...wanted }) =>
      decideLocalMark(context, wanted, decodeBase64(statement)),
  ),
  "draft.add": operation(z.strictObject({ source, profile: text.optional() }), (context, input) =>
    addDraft(context, input.source, input.profile),
  ),
  "draft.addAll": operation(
    z.strictObject({ sources: z.array(source).min(1).max(512), profile: text.optional() }),
    async (context, { sources, profile }) => ({
      drafts: await addDrafts(context, sources, profile),
    }),
  ),
  "draft.edit": operation(z.strictObject({ draft: id, source }), (context, input) =>
    editDraft(context, input.draft, input.source),
  ),
  "draft.list": operation(nothing, async (context) => ({ drafts: await listDrafts(context) })),
  "draft.show": operation(z.strictObject({ draft: id }), (context, { draft }) =>
    showDraft(context, draft),
  ),
  "draft.remove": operation(z.strictObject({ draft: id }), (context, { draft }) =>
    removeDraft(context, draft),
  ),

  "draft.translate": operation(
    z.strictObject({
      record: id,
      source,
      status: z.enum(["courtesy", "machine", "official"]),
    }),
    (context, input) => translate(context, input),
  ),
  say: operation(
    z.strictObject({
      relation: z.enum([
        "adopts",
        "agrees",
        "answers",
        "asks",
        "follows-up",
        "replies",
        "requests",
        "reserves",
        "responds",
      ]),
      record: id.optional(),
      text: source.optional(),
      title: text.optional(),
      status: text.optional(),
      to: z.array(text).max(512).optional(),
      also: z.array(text).max(512).optional(),
      profile: text.optional(),
      language: text.optional(),
      areas: z.array(text).max(64).optional(),
      fields: z.record(text, source).optional(),
    }),
    (context, input) => say(context, input as Saying),
  ),

  "assistance.list": operation(nothing, async (context) => ({ requests: await requests(context) })),
  "calendar.list": operation(nothing, calendar),
  "calendar.set": operation(
    z.strictObject({ mechanism: text, anchor: text, day: text, about: id.optional() }),
    (context, input) => setMilestone(context, input as Parameters<typeof setMilestone>[1]),
  ),
  "calendar.met": operation(z.strictObject({ deadline: id }), (context, { deadline }) =>
    meetDeadline(context, deadline),
  ),
  trends: operation(
    z.strictObject({
      mechanism: text,
      of: z.array(text).max(512).optional(),
      together: z.boolean().optional(),
      k: z.int().min(1).max(1000).optional(),
    }),
    (context, input) => trends(context, input as Parameters<typeof trends>[1]),
  ),

  "release.request": operation(
    z.strictObject({
      records: z.array(id).max(4096),
      to: z.array(text).max(512),
      onward: z.union([z.enum(["no", "consent", "free"]), text.startsWith("inside:@")]).optional(),
      evidence: z.enum(["recipient", "members", "public"]).optional(),
      purpose: text.optional(),
      caveats: z.array(text).max(512).optional(),
      until: text.optional(),
      dryRun: z.boolean().optional(),
      beyondDefault: z.boolean().optional(),
    }),
    (context, input) => requestRelease(context, input as Parameters<typeof requestRelease>[1]),
  ),
  withdraw: operation(
    z.strictObject({ record: id, reason: text, from: z.array(text).max(512).optional() }),
    (context, { record, reason, from }) =>
      requestWithdrawal(context, { record, reason, ...(from === undefined ? {} : { from }) }),
  ),
  "group.list": operation(nothing, async (context) => ({ groups: await listGroups(context) })),
  "group.show": operation(z.strictObject({ group: text }), (context, { group }) =>
    showGroup(context, group),
  ),
  "group.create": operation(
    z.strictObject({ name: text, purpose: text, invite: names }),
    createGroup,
  ),
  "group.invite": operation(z.strictObject({ group: text, peers: names }), (context, input) =>
    inviteToGroup(context, input.group, input.peers),
  ),
  "group.accept": operation(z.strictObject({ group: text }), (context, { group }) =>
    acceptGroup(context, group),
  ),
  "group.leave": operation(z.strictObject({ group: text }), (context, { group }) =>
    leaveGroup(context, group),
  ),
  "group.add": operation(z.strictObject({ group: text, peers: names }), (context, input) =>
    addToGroup(context, input.group, input.peers),
  ),
  "group.remove": operation(z.strictObject({ group: text, peers: names }), (context, input) =>
    removeFromGroup(context, input.group, input.peers),
  ),
  "group.pass": operation(z.strictObject({ group: text, to: text }), (context, { group, to }) =>
    passGroup(context, group, to),
  ),
  "interest.state": operation(
    z.strictObject({
      kind: z.enum(["interest", "request"]),
      title: text,
      text: source,
      language: text,
      mechanisms: lines,
      areas: lines,
      kinds: lines,
      languages: lines,
      words: text,
      to: names,
      until: text.optional(),
    }),
    stateInterest,
  ),
  "interest.list": operation(nothing, async (context) => ({
    interests: await listInterests(context),
  })),
  "interest.match": operation(z.strictObject({ record: id }), async (context, { record }) => ({
    asked: await askersOf(context, record),
  })),
  "order.list": operation(nothing, listOrders),
  "order.show": operation(z.strictObject({ order: id }), (context, { order }) =>
    showOrder(context, order),
  ),
  "order.refuse": operation(z.strictObject({ statement: base64 }), (context, { statement }) =>
    refuseOrder(context, decodeBase64(statement)),
  ),
  "order.cancel": operation(z.strictObject({ order: id }), (context, { order }) =>
    cancelOrder(context, order),
  ),
  "order.export": operation(
    z.strictObject({ order: id, seenSize: z.int().nonnegative().optional() }),
    async (context, { order, seenSize }) => ({
      export: encodeBase64(await exportOrder(context, order, seenSize)),
    }),
  ),
  "order.import": operation(
    z.strictObject({
      order: id,
      protected: text.max(32_768),
      signature: text,
      seen: size.optional(),
    }),
    (context, { order, protected: header, signature, seen }) =>
      addSignature(context, order, { protected: header, signature }, seen),
  ),
  "consent.make": operation(z.strictObject({ export: base64 }), (context, input) =>
    makeConsent(context, decodeBase64(input.export)),
  ),
  "consent.give": operation(z.strictObject({ order: id }), async (context, { order }) => ({
    consent: encodeBase64(await giveConsent(context, order)),
  })),
  "consent.take": operation(z.strictObject({ consent: base64 }), (context, { consent }) =>
    takeConsent(context, decodeBase64(consent), null),
  ),
  "consent.back": operation(
    z.strictObject({ order: id, reason: text }),
    (context, { order, reason }) => takeConsentBack(context, order, reason),
  ),
  "consent.object": operation(
    z.strictObject({ record: id, reason: text }),
    async (context, { record, reason }) => ({ made: await makeObjection(context, record, reason) }),
  ),
  publish: operation(z.strictObject({ order: id }), async (context, { order }) => {
    const { order: full } = await showOrder(context, order)
    const published = await publish(context, full)
    if ("slotAt" in published)
      return {
        order: published.order,
        slotAt: new Date(published.slotAt).toISOString(),
        index: null,
        size: null,
        delivered: [],
        queued: [],
        failed: [],
      }
    const tried = await handOverAll(context, published.queued)
    const arrived = tried.filter(({ code }) => code === undefined)
    const queued: string[] = []
    for (const member of published.queued)
      if (!arrived.some((one) => one.member === member)) queued.push(await nameOf(context, member))
    return {
      ...published,
      delivered: arrived.map(({ peer }) => peer),
      queued,
      failed: tried.filter(({ code }) => code !== undefined),
    }
  }),
  outbox: operation(nothing, outbox),
  "outbox.send": operation(
    z.strictObject({ peer: text.optional() }),
    async (context, { peer }) => ({
      peers: await handOverNow(context, peer),
    }),
  ),

  sync: operation(z.strictObject({ peer: text.optional() }), (context, { peer }) =>
    sync(context, peer),
  ),
  inbox: operation(nothing, inbox),
  search: operation(z.strictObject({ query: text }), (context, { query }) =>
    search(context, query),
  ),
  "notify.show": operation(nothing, async (context) => hooksOf(context)),
  "notify.set": operation(
    z.strictObject({
      command: z.array(text).min(1).max(64).optional(),
      webhook: text.optional(),
      digest: text.optional(),
    }),
    (context, hooks) => setHooks(context, hooks as Hooks),
  ),
  "saved.add": operation(z.strictObject({ name: text, query: text }), saveSearch),
  "saved.list": operation(nothing, async (context) => ({
    searches: await savedSearches(context),
  })),
  "saved.run": operation(z.strictObject({ name: text }), (context, { name }) =>
    runSaved(context, name),
  ),
  "saved.remove": operation(z.strictObject({ name: text }), (context, { name }) =>
    forgetSearch(context, name),
  ),
  show: operation(z.strictObject({ record: id }), (context, { record }) => show(context, record)),
  why: operation(z.strictObject({ record: id, peer: text }), (context, { record, peer }) =>
    why(context, record, peer),
  ),
  receipts: operation(z.strictObject({ record: id }), (context, { record }) =>
    receiptsOf(context, record),
  ),
  "receipts.unanswered": operation(nothing, async (context) => ({
    withdrawals: await unanswered(context),
  })),
  "hold.list": operation(nothing, async (context) => ({ holds: await listHolds(context) })),
  "hold.find": operation(z.strictObject({ record: id }), (context, { record }) =>
    findRecord(context, record),
  ),
  "hold.place": operation(
    z.strictObject({ record: id, review: text, ...decision }),
    (context, { record, review, statement }) =>
      holdRecord(context, record, review, decodeBase64(statement)),
  ),
  "hold.seal": operation(z.strictObject({ record: id, ...decision }), (context, input) =>
    sealRecord(context, input.record, decodeBase64(input.statement)),
  ),
  "hold.request": operation(
    z.strictObject({ record: id, reason: text }),
    async (context, { record, reason }) => {
      const request = await requestUnsealing(context, await findRecord(context, record), reason)
      return { request: encodeBase64(request) }
    },
  ),
  "hold.unseal": operation(
    z.strictObject({
      record: id,
      reason: text,
      statements: z.array(base64).max(64),
      reseal: z.boolean().optional(),
    }),
    async (context, { record, reason, statements, reseal = false }) => {
      const named = await findRecord(context, record)
      return unseal(context, named, reason, statements.map(decodeBase64), { reseal })
    },
  ),
  "hold.log": operation(nothing, async (context) => ({ log: await archiveLog(context) })),
  "hold.end": operation(z.strictObject({ record: id, ...decision }), (context, input) =>
    endHold(context, input.record, decodeBase64(input.statement)),
  ),
  "hold.open": operation(z.strictObject({ record: id, ...decision }), (context, input) =>
    openHeld(context, input.record, decodeBase64(input.statement)),
  ),
  evidence: operation(
    z.strictObject({ record: id, peer: text.optional(), reason: text.optional() }),
    async (context, { record, peer, reason }) => {
      await findRecord(context, record)
      const { file, ...rest } = await exportEvidence(context, record, {
        ...(peer === undefined ? {} : { peer }),
        ...(reason === undefined ? {} : { reason }),
      })
      return { ...rest, file: encodeBase64(file) }
    },
  ),

  "log.head": operation(nothing, logHead),
  "log.proof": operation(z.strictObject({ index: z.int().nonnegative() }), (context, { index }) =>
    logProof(context, index),
  ),
  "log.recordProof": operation(
    z.strictObject({ record: id, peer: text.optional() }),
    (context, { record, peer }) => exportProof(context, record, peer),
  ),
  "log.policy": operation(z.strictObject({ peer: text.optional() }), (context, { peer }) =>
    logPolicy(context, peer),
  ),
  "log.consistency": operation(z.strictObject({ from: z.int().nonnegative() }), (context, input) =>
    logConsistency(context, input.from),
  ),
  "log.advance": operation(z.strictObject({ size }), (context, input) =>
    advanceLog(context, input.size),
  ),
  "log.audit": operation(z.strictObject({ peer: text.optional() }), async (context, { peer }) =>
    auditLogs(context, peer === undefined ? undefined : (await findPeer(context, peer)).member),
  ),
  "log.export": operation(nothing, async (context) => {
    const files: { path: string; bytes: string }[] = []
    for await (const { path, bytes } of logTiles(context))
      files.push({ path, bytes: encodeBase64(bytes) })
    return { files }
  }),
  "witness.list": operation(nothing, listWitnesses),
  "witness.propose": operation(
    z.strictObject({
      add: z.array(text).max(64).optional(),
      remove: z.array(text).max(64).optional(),
      quorum: z.int().min(0).max(64).optional(),
    }),
    async (context, input) => {
      const { proposal, changes } = await proposeWitnesses(context, input as WitnessChange)
      return { proposal: encodeBase64(proposal), changes }
    },
  ),
  "witness.stopAfter": operation(
    z.strictObject({ hours: z.int().min(1).max(8760).nullable() }),
    (context, { hours }) => setWitnessHours(context, hours),
  ),
  backup: operation(z.strictObject({ file: text }), (context, { file }) => {
    const { home } = context.config
    if (home === null) throw new NodeError("request.malformed", "This node has no home on a disk.")
    return backUp(context, home, file)
  }),
  recover: operation(nothing, recover),
  "recover.resume": operation(z.strictObject(decision), async (context, { statement }) => {
    const about = { act: "resume", subject: "signer" } as const
    const { digest } = verifyDecision(context, decodeBase64(statement), about)
    await resumeAnyway(context, digest)
    return recover(context)
  }),
  "recover.giveUp": operation(
    z.strictObject({ indexes: z.array(z.int().nonnegative()).min(1).max(4096), ...decision }),
    async (context, { indexes, statement }) => {
      const about = { act: "lose", subject: indexes.join(" ") } as const
      verifyDecision(context, decodeBase64(statement), about)
      await giveUp(context, indexes)
      return recover(context)
    },
  ),
  "inconsistency.list": operation(nothing, listInconsistencies),
  "inconsistency.show": operation(z.strictObject({ proof: id }), async (context, { proof }) => {
    const { file, ...view } = await showInconsistency(context, proof)
    return { ...view, file: encodeBase64(file) }
  }),
  "inconsistency.explain": operation(
    z.strictObject({ proof: id, text: z.string().min(1).max(4000) }),
    (context, input) => explain(context, input.proof, input.text),
  ),
  "inconsistency.continue": operation(
    z.strictObject({ proof: id, ...decision }),
    (context, { proof, statement }) => continueWith(context, proof, decodeBase64(statement)),
  ),
  doctor: operation(nothing, doctor),
  metrics: operation(nothing, metrics),
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations

/** What a failed operation answers; the other side makes the same error of it. */
export type OperationFailure = {
  readonly layer: "protocol" | "node" | "peer" | "internal"
  readonly code: string
  readonly message: string
  readonly hint?: string
}

export function operatorApp(context: Context, options: { readonly closing: AbortSignal }): Hono {
  const app = new Hono()
  // A page in the operator's browser can reach loopback, but can't set this header unasked.
  app.use(async (c, next) => {
    if (c.req.header("comity-operator") !== "1") return c.json({ layer: "internal" }, 403)
    return next()
  })
  app.post("/operation/:name", async (c) => {
    const name = c.req.param("name")
    if (!Object.hasOwn(operations, name)) return c.json(failure(unknownOperation(name)), 404)
    const { input, run }: Operation = operations[name as OperationName]
    try {
      const parsed = input.safeParse(await c.req.json())
      if (!parsed.success) throw malformed(parsed.error)
      return c.json((await run(context, parsed.data as never)) as object)
    } catch (cause) {
      return c.json(failure(cause), 422)
    }
  })
  app.post("/follow", async (c) => {
    const { peer } = z.strictObject({ peer: text }).parse(await c.req.json())
    const signal = AbortSignal.any([options.closing, c.req.raw.signal])
    const lines = follow(context, peer, signal)
    return new Response(streamOf(lines), { headers: { "content-type": "application/x-ndjson" } })
  })
  app.get("/metrics", async (c) => {
    const { type, text } = await metrics(context)
    return c.body(text, 200, { "content-type": type })
  })
  app.onError((cause, c) => c.json(failure(cause), 500))
  return app
}

function streamOf(items: AsyncGenerator<unknown>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream({
    async pull(controller) {
      try {
        const next = await items.next()
        if (next.done) controller.close()
        else controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`))
      } catch (cause) {
        controller.enqueue(encoder.encode(`${JSON.stringify({ failure: failure(cause) })}\n`))
        controller.close()
      }
    },
    async cancel() {
      await items.return(undefined)
    },
  })
}

function unknownOperation(name: string): NodeError {
  return new NodeError("request.malformed", `This node has no operation ${JSON.stringify(name)}.`, {
    hint: "The running node is of another version than this command.",
  })
}

function malformed(error: z.ZodError): NodeError {
  const [issue] = error.issues
  const where = issue?.path.join(".") ?? ""
  return new NodeError("request.malformed", `${where}: ${issue?.message ?? "not as expected"}`)
}

function failure(cause: unknown): OperationFailure {
  if (cause instanceof ProtocolError)
    return { layer: "protocol", code: cause.code, message: cause.message }
  if (cause instanceof NodeError) {
    const { code, message, hint } = cause
    return { layer: "node", code, message, ...(hint === undefined ? {} : { hint }) }
  }
  if (cause instanceof PeerUnreachable)
    return { layer: "peer", code: "peer.unreachable", message: cause.message }
  const message = cause instanceof Error ? cause.message : String(cause)
  return { layer: "internal", code: "internal.unexpected", message }
}
