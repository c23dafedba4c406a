import type { Json } from "../../../protocol/canonical.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { decodeUtf8 } from "../../../protocol/encoding.ts"
import { ProtocolError } from "../../../protocol/errors.ts"
import { parsePin, verifyEvidence } from "../../../protocol/evidence.ts"
import { openEntry } from "../../../protocol/log/entry.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { encodeProfile, profileDigest } from "../../../protocol/profiles/profile.ts"
import type { ComityRecord } from "../../../protocol/record/record.ts"
import type { Terms } from "../../../protocol/release/grant.ts"
import type { Order } from "../../../protocol/release/order.ts"
import { objectionSubject, objectionTag } from "../../../protocol/release/silence.ts"
import { wordsOf } from "../../../protocol/words.ts"
import { reviewProfile } from "../../support/review-profile.ts"
import {
  evidenceOf,
  generalDigest,
  linkOf,
  listOf,
  makeStory,
  type Silent,
  type Story,
  type StoryChanges,
} from "../../support/story.ts"
import {
  makeMember,
  nextRoot,
  officer,
  type TestMember,
  witnessEntry,
  witnessSigners,
} from "../../support/world.ts"
import { b, c } from "../cast.ts"
import {
  bytes,
  type Cases,
  type Edit,
  edit,
  type Format,
  filled,
  type Input,
  list,
  type Run,
  shown,
} from "../format.ts"
import { fieldsOf, form, later, one, parts, seen } from "./evidence-parts.ts"

const run: Run = (input) => {
  const pins = list(input, "pins").map(parsePin)
  const requireWitnesses = input.requireWitnesses === true
  const found = verifyEvidence(bytes(input, "bytes"), pins, { requireWitnesses })
  if (found.verdict === "failed") throw new ProtocolError(found.code!)
  const { index, root, approvals } = found.standing!
  return {
    verdict: found.verdict,
    origin: found.origin,
    record: { id: found.record!.id, version: found.record!.version },
    index,
    rootVersion: root.version,
    approvals,
  }
}

/** Only what differs, as deep as it does. */
function differences(from: Json, to: Json, pointer = "/bytes"): readonly Edit[] {
  if (JSON.stringify(from) === JSON.stringify(to)) return []
  if (!isTree(from) || !isTree(to) || !areAlike(from, to)) return [[pointer, to]]
  return Object.keys(to).flatMap((name) =>
    differences(from[name]!, to[name]!, `${pointer}/${name}`),
  )
}

function isTree(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null
}

function areAlike(from: object, to: object): boolean {
  return Object.keys(from).join() === Object.keys(to).join()
}

async function cases(): Promise<Cases> {
  const profiles = [generalDigest]
  const origin = await makeMember({ seed: "vector member A", profiles })
  const recipient = await makeMember({ seed: "vector member B", state: "XB", profiles })
  const make = (changes: StoryChanges = {}) => makeStory({ origin, recipient, ...changes })
  /** What of the file is other than in the first one. */
  const at = async (story: Story, how: Parameters<typeof evidenceOf>[1] = {}): Promise<Input> => ({
    ...edit(one, ...differences(fieldsOf(whole), fieldsOf(await evidenceOf(story, how)))),
    pins: [story.origin.id],
  })
  const of = async (changes: StoryChanges) => at(await make(changes))
  const story = await make()
  const whole = await evidenceOf(story)
  const other = await evidenceOf(
    await make({
      record: { title: "Another practice", id: filled(16, 7) },
      order: { id: filled(16, 8) },
    }),
  )

  const witnesses = [witnessEntry(b), witnessEntry(c)]
  const watched = await makeMember({
    seed: "vector member A",
    profiles,
    fields: { quorum: 2, witnesses },
  })
  const underWitnesses = await make({ origin: watched })
  const cosigners = [b, c].flatMap(witnessSigners)
  const full = { cosigners }
  const second = await nextRoot(origin)
  const renewed = await make({ origin: second, laterRoots: second.roots.slice(1) })

  /** Version 2 comes only after the order. */
  const longer = await make()
  longer.log.append(openEntry(sha256(second.roots[1]!)))
  // An order of version 1 that was logged after version 2.
  const outdated = await make({
    origin: second,
    laterRoots: second.roots.slice(1),
    order: { rootVersion: 1 },
  })
  const revoking = async (size: number): Promise<TestMember> =>
    nextRoot(origin, {
      fields: { revoked: [{ kid: officer(origin, "p2").kid, from: { epoch: 1, size } }] },
    })
  const revoked = await revoking(0)
  const closing = await nextRoot(origin, {
    fields: { closing: { answers: "", day: "2027-01-01", keep: true } },
  })
  const logRevoked = await nextRoot(origin, {
    fields: {
      revoked: [
        { kid: kidOf(origin.root.logKey), from: { epoch: 1, root: filled(32, 1), size: 2 } },
      ],
    },
  })
  const under = (member: TestMember): StoryChanges => ({
    origin: member,
    laterRoots: member.roots.slice(1),
  })
  const { grant } = story.placed[0]!
  const rule = story.claim.order.payload.rule
  const base = { epoch: 1, root: filled(32, 1), size: 2 }
  const empty = {
    epoch: 1,
    root: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    size: 0,
  }
  // A report of A's that two reviewers agree to.
  const reviewing = [profileDigest(encodeProfile(reviewProfile))]
  const reporter = await makeMember({ seed: "vector member A", profiles: reviewing })
  const reviewers = await Promise.all(
    ["XD", "XE", "XF"].map((state) =>
      makeMember({ seed: `vector member ${state}`, state, profiles: reviewing }),
    ),
  )
  const third = reviewers[2]!
  const agreeing = reviewers.slice(0, 2).toSorted((x, y) => (x.id < y.id ? -1 : 1))
  const [first, last] = agreeing as [TestMember, TestMember]
  const reported = (
    consents: StoryChanges["consents"] = agreeing.map((by) => ({ by })),
    changes: StoryChanges = {},
  ) =>
    of({
      origin: reporter,
      profile: reviewProfile,
      record: { kind: "report", fields: { reviewers: agreeing.map(({ id }) => id).join(" ") } },
      consents,
      ...changes,
    })
  const agreed = "a report that two reviewers agreed to"
  const byAnother = (order: Partial<Order>) => reported([{ by: first, order }, { by: last }])
  // What an audit found, under a memorandum that its member gave to the auditor before.
  const memorandumOf = (changes: StoryChanges = {}) =>
    makeStory({
      origin: first,
      recipient: reporter,
      profile: reviewProfile,
      ...changes,
      record: { kind: "memorandum", ...changes.record },
    })
  const audited = (memorandum: Story, fields: ComityRecord["fields"] = {}, kind = "audit-report") =>
    reported([{ memorandum }], {
      record: {
        fields: {
          memorandum: memorandum.placed[0]!.grant.record.digest,
          reviewers: first.id,
          ...fields,
        },
        kind,
      },
    })
  const memorandum = await memorandumOf()
  const resting = "a report that rests on a memorandum"
  const underTerms = async (terms: Partial<Terms>) =>
    audited(await memorandumOf({ grant: { terms: { ...grant.terms!, ...terms } } }))
  const inStanding = (field: string) => `/bytes/consents/0/${field}`
  // A mission's report, under its host's agreement to be silent for 90 days.
  const hostOf = (watching: readonly TestMember[], quorum: number) =>
    makeMember({
      seed: "vector member XD",
      state: "XD",
      profiles: reviewing,
      fields: {
        quorum,
        witnesses: watching.map(witnessEntry).toSorted((x, y) => (x.member < y.member ? -1 : 1)),
      },
    })
  const host = await hostOf([b, c], 2)
  const hostLater = await nextRoot(host, { newNodeKey: true })
  const silenceOver = "2027-02-22"
  const seenAt = (
    at: string,
    by: readonly TestMember[] = [b, c],
  ): NonNullable<Silent["cosigners"]> => by.map((witness) => [witnessSigners(witness), at])
  const agreementOf = (changes: StoryChanges = {}) =>
    makeStory({
      origin: host,
      recipient: reporter,
      profile: reviewProfile,
      ...changes,
      record: { kind: "tacit-agreement", ...changes.record },
    })
  const silent = "a report that its host said nothing against"
  const silentStory = async (
    silence: Partial<Silent> = {},
    changes: StoryChanges = {},
    day = silenceOver,
  ): Promise<Story> => {
    const agreement = silence.agreement ?? (await agreementOf())
    const { grant: agreed } = agreement.placed[0]!
    return make({
      origin: reporter,
      profile: reviewProfile,
      record: {
        fields: { agreement: agreed.record.digest, host: agreement.origin.id },
        kind: "mission-report",
      },
      consents: [{ agreement, cosigners: seenAt(silenceOver), ...silence }],
      signers: ["p1", "p2"].map((person) => ({ officer: officer(reporter, person), day })),
      ...changes,
    })
  }
  const silentOne = await silentStory()
  const silentFile = fieldsOf(await evidenceOf(silentOne))
  /** What of the file is other than in the one that stands. */
  const kept = async (...of: Parameters<typeof silentStory>): Promise<Input> =>
    edit(silent, ...differences(silentFile, fieldsOf(await evidenceOf(await silentStory(...of)))))
  const objecting =
    (to: (agreement: Story, record: string) => string): NonNullable<Silent["after"]> =>
    (agreement, record) => [
      objectionTag(objectionSubject(agreement.placed[0]!.leaf, to(agreement, record))),
    ]
  // B may pass it on, and gives it to C.
  const free = { ...grant.terms!, onward: "free" }
  const toPass = await make({ grant: { terms: free } })
  const firstLink = await linkOf(toPass)
  const custody = [JSON.parse(decodeUtf8(firstLink.bytes))]
  const passing = async (changes: Record<string, unknown> = {}, links = custody) => {
    const passed = await makeStory({
      origin: recipient,
      recipient: c,
      record: toPass.record,
      grant: { custody: firstLink.digest, ...changes },
    })
    const input = await at(passed, { fields: { custody: links } })
    return { ...input, pins: [origin.id] }
  }
  const passedOn = "passed on by its first recipient"
  const line = { act: "any", kind: "any", persons: 2, profile: "any", role: "any" } as const
  const open = await makeMember({
    seed: "vector member A",
    profiles,
    policy: [line, { ...line, act: "release", persons: 3, when: "public" }],
  })
  const clear = { ...grant.terms!, marking: "TLP:CLEAR" }
  const everybody = "a release to everybody"
  const toAll = { key: filled(32, 8), recipient: "public", terms: clear }
  const toEverybody = (changes: StoryChanges = {}) =>
    of({
      origin: open,
      record: { marking: "TLP:CLEAR" },
      grant: toAll,
      signers: ["p1", "p2", "p3"],
      ...changes,
    })
  // The same inside a list: C is on it.
  const { list: members, digest: listDigest } = listOf(origin, [recipient, c])
  const inside = { ...grant.terms!, onward: { inside: listDigest } }
  const insideLink = await linkOf(await make({ grant: { terms: inside } }), members)
  const within = async (terms: Partial<Terms>, to: TestMember = c) => {
    const passed = await makeStory({
      origin: recipient,
      recipient: to,
      record: toPass.record,
      grant: { custody: insideLink.digest, terms: { ...inside, ...terms } },
    })
    const links = [JSON.parse(decodeUtf8(insideLink.bytes))]
    return { ...(await at(passed, { fields: { custody: links } })), pins: [origin.id] }
  }
  const d = await makeMember({ seed: "vector member D", state: "XD" })
  const goneRound = "passed on inside a list that its receiver is on"
  return {
    about:
      "one file that proves a release to whoever pins its origin, by member id or by 12 words; `requireWitnesses`: not without the quorum that the origin names",
    valid: [
      [one, { bytes: shown(whole), pins: [origin.id] }],
      ["pinned by its words", { ...edit(one), pins: [wordsOf(origin.id)] }],
      ["pinned among others", { ...edit(one), pins: [c.id, origin.id] }],
      [seen, await at(underWitnesses, full)],
      ["the same, where it is required", { ...edit(seen), requireWitnesses: true }],
      [
        "pending: one witness of two",
        await at(underWitnesses, { cosigners: cosigners.slice(0, 2) }),
      ],
      [later, await at(renewed)],
      ["on a base of nothing", await of({ order: { base: empty } })],
      [
        "three officers where two are needed, beside another grant",
        await of({ beside: [{ ...grant, recipient: c.id }], signers: ["p1", "p2", "p3"] }),
      ],
      [passedOn, await passing()],
      [everybody, await toEverybody()],
      [goneRound, await within({})],
      ["the same, to go no further", await within({ onward: "no" })],
      [agreed, await reported()],
      [resting, await audited(memorandum)],
      [silent, await at(silentOne)],
      [
        "the same, received under a node key of a later root version",
        await kept({ laterRoots: hostLater.roots.slice(1), receiptBy: hostLater }),
      ],
      [
        "the same, though the host objects to another record",
        await kept({ after: objecting(() => filled(32, 7)) }),
      ],
      ["the same to one of them: nobody is asked", await reported([], { recipient: first })],
      [
        "a facility named, to travel on",
        await of({
          record: { fields: { facility: "Plant 4" } },
          grant: { terms: { ...grant.terms, onward: "consent" } },
        }),
      ],
    ],
    hostile: [
      ...form(fieldsOf(whole), whole),
      ...parts(
        fieldsOf(whole),
        fieldsOf(other),
        fieldsOf(await evidenceOf(underWitnesses, full)),
        fieldsOf(await evidenceOf(renewed)),
      ),
      ["not pinned", { ...edit(one), pins: [] }, "evidence.pin"],
      ["another member pinned", { ...edit(one), pins: [c.id, wordsOf(b.id)] }, "evidence.pin"],
      ["a pin that is none", { ...edit(one), pins: ["xa"] }, "words.malformed"],
      [
        "no witness named, where it is required",
        { ...edit(one), requireWitnesses: true },
        "evidence.witnesses",
      ],
      [
        "one witness of two, where it is required",
        { ...edit("pending: one witness of two"), requireWitnesses: true },
        "evidence.witnesses",
      ],
      ["one officer where two are needed", await of({ signers: ["p1"] }), "order.unauthorised"],
      [
        "signed under another rule than the record's",
        await of({ order: { rule: { ...rule, kind: "question" } } }),
        "rule.mismatch",
      ],
      [
        "signed without the condition that holds",
        await of({ record: { fields: { facility: "Plant 4" } }, order: { rule } }),
        "rule.mismatch",
      ],
      [
        "a record that departs from its profile",
        await of({ record: { fields: { colour: "red" } } }),
        "profile.violated",
      ],
      [
        "a record of another network",
        await of({ record: { network: "operational" } }),
        "network.mismatch",
      ],
      ["another member's record", await of({ record: { origin: c.id } }), "custody.malformed"],
      [
        "a record that the grant names otherwise",
        await of({ grant: { record: { ...grant.record, version: 2 } } }),
        "record.mismatch",
      ],
      [
        "a profile that the origin has not adopted",
        await of({ origin: await makeMember({ seed: "vector member A" }) }),
        "profile.unadopted",
      ],
      [
        "a profile under the name of another",
        await of({ record: { profile: { digest: generalDigest, id: "ippas" } } }),
        "profile.unknown",
      ],
      ["passed on, without its chain", await passing({}, []), "custody.malformed"],
      [
        "passed on, by a chain with a link too many",
        await passing({}, [...custody, ...custody]),
        "evidence.malformed",
      ],
      [
        "passed on, by a link with its record",
        edit(passedOn, ["/bytes/custody/0/record", {}]),
        "custody.malformed",
      ],
      [
        "passed on, its own origin not pinned",
        { ...edit(passedOn), pins: [recipient.id] },
        "evidence.pin",
      ],
      [
        "passed on for another purpose",
        await passing({ terms: { ...grant.terms, purpose: "publication" } }),
        "custody.unpermitted",
      ],
      [
        "passed on under a lower marking",
        await passing({ terms: { ...grant.terms, marking: "TLP:GREEN" } }),
        "custody.unpermitted",
      ],
      [
        "passed on with other objects",
        await passing({ sealed: [{ digest: filled(32, 2), size: 4144 }] }),
        "custody.malformed",
      ],
      ["passed on to a member that is not on the list", await within({}, d), "custody.unpermitted"],
      [
        "passed on freely by who had a list",
        await within({ onward: "free" }),
        "custody.unpermitted",
      ],
      [
        "passed on inside another list",
        await within({ onward: { inside: filled(32, 3) } }),
        "custody.unpermitted",
      ],
      [
        "a list with a member more",
        edit(goneRound, ["/bytes/custody/0/group", listOf(origin, [recipient, c, d]).list]),
        "custody.malformed",
      ],
      [
        "a list that does not come along",
        edit(goneRound, ["/bytes/custody/0/group"]),
        "custody.malformed",
      ],
      [
        "a list where the terms name none",
        edit(passedOn, ["/bytes/custody/0/group", members]),
        "custody.malformed",
      ],
      ["no consent", await reported([]), "order.unconsented"],
      ["one consent of two", await reported([{ by: first }]), "order.unconsented"],
      [
        "a third consent, superfluous",
        await reported(
          [...agreeing, third].toSorted((x, y) => (x.id < y.id ? -1 : 1)).map((by) => ({ by })),
        ),
        "order.unconsented",
      ],
      [
        "consents out of order",
        await reported(agreeing.toReversed().map((by) => ({ by }))),
        "consent.malformed",
      ],
      ["one consent twice", await reported([{ by: first }, { by: first }]), "consent.malformed"],
      [
        "a consent where none is asked",
        await reported([{ by: first }], { recipient: last }),
        "consent.malformed",
      ],
      [
        "a consent to another order",
        await byAnother({ subject: filled(32, 1) }),
        "order.unconsented",
      ],
      [
        "a consent under another rule",
        await byAnother({ rule: { conditions: [], kind: "report", profile: reviewing[0]! } }),
        "order.unconsented",
      ],
      [
        "a consent that too few officers signed",
        await reported([{ by: first, signers: ["p1"] }, { by: last }]),
        "order.unauthorised",
      ],
      [
        "a consent signed by officers of another member",
        await reported([
          {
            by: first,
            signers: ["p1", "p2"].map((person) => ({ officer: officer(last, person) })),
          },
          { by: last },
        ]),
        "signed.unknown-key",
      ],
      [
        "a memorandum that the record does not name",
        await audited(memorandum, { memorandum: filled(32, 1) }),
        "order.unconsented",
      ],
      [
        "a memorandum for a kind that asks for an order",
        await audited(memorandum, {}, "report"),
        "order.unconsented",
      ],
      [
        "a memorandum of another kind",
        await audited(
          await memorandumOf({ record: { fields: { reviewers: first.id }, kind: "report" } }),
        ),
        "order.unconsented",
      ],
      [
        "a memorandum given to another member",
        await audited(await memorandumOf({ recipient })),
        "order.unconsented",
      ],
      [
        "a memorandum of another member",
        await audited(await memorandumOf({ origin: last })),
        "order.unconsented",
      ],
      [
        "a memorandum of one officer",
        await audited(await memorandumOf({ signers: ["p1"] })),
        "order.unauthorised",
      ],
      [
        "a memorandum that others may not be shown",
        await underTerms({ evidence: "recipient" }),
        "order.unconsented",
      ],
      [
        "a memorandum that ends before the order",
        await underTerms({ expires: "2026-11-20" }),
        "order.unconsented",
      ],
      [
        "the withdrawal of a memorandum",
        edit(resting, [inStanding("order/payload/act"), "withdraw"]),
        "consent.malformed",
      ],
      [
        "a memorandum whose grant leads elsewhere",
        edit(resting, [inStanding("position"), 418]),
        "grant.path",
      ],
      [
        "a memorandum whose entry is not in the log",
        edit(resting, [inStanding("salt"), filled(32, 1)]),
        "inclusion.invalid",
      ],
      [
        "a memorandum as a consent",
        edit(resting, [inStanding("type"), "comity/consent/v1"]),
        "consent.malformed",
      ],
      [
        "silence, though the host's log has an objection",
        await kept({ after: objecting((_, record) => record) }),
        "order.unconsented",
      ],
      [
        "silence, though the host's log has an objection to its agreement",
        await kept({
          after: objecting((agreement) => agreement.placed[0]!.grant.record.digest),
        }),
        "order.unconsented",
      ],
      [
        "silence with an objection left out",
        await kept({
          after: objecting((_, record) => record),
          shown: (entries) => entries.slice(0, -1),
        }),
        "inclusion.invalid",
      ],
      [
        "silence with a dummy in place of an objection",
        await kept({
          after: objecting((_, record) => record),
          shown: (entries) => entries.toSpliced(-1, 1, entries[0]!),
        }),
        "inclusion.invalid",
      ],
      [
        "silence behind another beginning of the log",
        await kept({ before: [new Uint8Array(32), new Uint8Array(32)] }),
        "inclusion.invalid",
      ],
      [
        "silence that ends a second later",
        await kept({ cosigners: seenAt("2027-02-21T23:59:59Z") }),
        "order.unconsented",
      ],
      [
        "silence that began a day later",
        await kept({ receipt: { day: "2026-11-24" } }),
        "order.unconsented",
      ],
      [
        "silence that officers did not wait for",
        await kept({}, {}, "2027-02-21"),
        "order.unconsented",
      ],
      [
        "silence that one witness of two has seen",
        await kept({ cosigners: seenAt(silenceOver, [b]) }),
        "quorum.missing",
      ],
      [
        "silence of a host without witnesses",
        await kept({
          agreement: await agreementOf({ origin: await hostOf([], 0) }),
          cosigners: [],
        }),
        "quorum.missing",
      ],
      [
        "silence that the releasing member is a witness of",
        await kept({
          agreement: await agreementOf({ origin: await hostOf([b, c, reporter], 2) }),
          cosigners: seenAt(silenceOver, [b, reporter]),
        }),
        "quorum.missing",
      ],
      [
        "silence under an agreement that the record does not name",
        await kept(
          {},
          {
            record: { kind: "mission-report", fields: { agreement: filled(32, 1), host: host.id } },
          },
        ),
        "order.unconsented",
      ],
      [
        "silence under what is no agreement to it",
        await kept({ agreement: await agreementOf({ record: { kind: "memorandum" } }) }),
        "order.unconsented",
      ],
      [
        "silence under an agreement with another member",
        await kept({ agreement: await agreementOf({ recipient }) }),
        "order.unconsented",
      ],
      [
        "silence under an agreement of one officer",
        await kept({ agreement: await agreementOf({ signers: ["p1"] }) }),
        "order.unauthorised",
      ],
      [
        "silence, and the receipt of another transmittal",
        await kept({ receipt: { leaf: filled(32, 1) } }),
        "receipt.invalid",
      ],
      [
        "silence, and the receipt of another member",
        await kept({ receiptBy: reporter }),
        "signed.unknown-key",
      ],
      [
        "silence, and a receipt to another member",
        await kept({ receiptOf: { to: recipient.id } }),
        "receipt.invalid",
      ],
      [
        "silence, and a receipt that refuses",
        await kept({ receipt: { code: "record.mismatch", state: "refused" } }),
        "receipt.invalid",
      ],
      [
        "silence, and a receipt with another beside it",
        await kept({
          beside: [
            {
              day: "2026-11-23",
              leaf: filled(32, 1),
              order: filled(16, 1),
              state: "delivered",
            },
          ],
        }),
        "receipt.invalid",
      ],
      [
        "silence about another record",
        await kept({
          transmittal: {
            record: { digest: filled(32, 1), id: filled(16, 1), origin: reporter.id, version: 1 },
          },
        }),
        "order.unconsented",
      ],
      [
        "silence of whom it was not sent to",
        await kept({ transmittal: { recipient: b.id } }),
        "consent.malformed",
      ],
      [
        "silence with a memorandum's name",
        edit(silent, [inStanding("type"), "comity/standing/v1"]),
        "consent.malformed",
      ],
      [
        "silence with entries in another alphabet",
        edit(silent, [inStanding("entries"), "+/+/"]),
        "consent.malformed",
      ],
      [
        "silence without a receipt",
        edit(silent, [inStanding("receipt"), null]),
        "consent.malformed",
      ],
      [
        "silence with a root version that nothing needs",
        await kept({ laterRoots: hostLater.roots.slice(1) }),
        "consent.malformed",
      ],
      ["silence without entries", edit(silent, [inStanding("entries")]), "consent.malformed"],
      [
        "silence with entries of another length",
        edit(silent, [inStanding("entries"), "AQID"]),
        "consent.malformed",
      ],
      ["a memorandum without its grant", edit(resting, [inStanding("grant")]), "consent.malformed"],
      [
        "a consent whose entry is not in the log",
        edit(agreed, ["/bytes/consents/0/salt", filled(32, 1)]),
        "inclusion.invalid",
      ],
      ["an order of another member", await of({ order: { origin: c.id } }), "order.malformed"],
      [
        "a withdrawal",
        await of({ grant: { act: "withdraw", sealed: [], terms: undefined } }),
        "grant.malformed",
      ],
      [
        "a release to everybody, by those who release to members",
        await toEverybody({ signers: ["p1", "p2"] }),
        "order.unauthorised",
      ],
      [
        "a release to everybody that no line of the policy allows",
        await toEverybody({ origin }),
        "order.unauthorised",
      ],
      [
        "a release to everybody under the rule of one to a member",
        await toEverybody({ order: { rule } }),
        "rule.mismatch",
      ],
      [
        "a release to everybody of what is marked narrower",
        await toEverybody({ record: {}, grant: { ...toAll, terms: grant.terms } }),
        "profile.violated",
      ],
      [
        "a mark for everybody on a record that is marked narrower",
        await toEverybody({ record: {} }),
        "profile.violated",
      ],
      [
        "a release to everybody without its content key",
        edit(everybody, ["/bytes/grant/key"]),
        "grant.malformed",
      ],
      [
        "a release to a member with a content key",
        edit(one, ["/bytes/grant/key", toAll.key]),
        "grant.malformed",
      ],
      ["a base that is not of this log", await of({ order: { base } }), "order.base"],
      [
        "an empty base with a root",
        await of({ order: { base: { ...base, size: 0 } } }),
        "order.base",
      ],
      [
        "logged under a root version not in force any more",
        await at(outdated),
        "order.root-version",
      ],
      [
        "logged under a root version to come",
        await of({ order: { rootVersion: 2 } }),
        "order.root-version",
      ],
      ["an officer revoked from an earlier place", await of(under(revoked)), "order.unauthorised"],
      ["released after the member closed", await of(under(closing)), "root.closed"],
      [
        "under a log key revoked from an earlier place",
        await of(under(logRevoked)),
        "order.repudiated",
      ],
      [
        "a root version more than was in force",
        await at({ ...longer, origin: second, rootIndexes: [0, longer.log.entries.length - 1] }),
        "evidence.malformed",
      ],
    ],
  }
}

export const evidence: Format = { run, cases }
