import { foundMember, makeOfficerKey } from "../../../node/authority/found.ts"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { sealObject } from "../../../protocol/crypto/seal.ts"
import { encodeBase64url, encodeHex, utf8 } from "../../../protocol/encoding.ts"
import type { Frame } from "../../../protocol/exchange/frames.ts"
import { encodeParcelContent } from "../../../protocol/exchange/parcel.ts"
import { newestRoot } from "../../../protocol/member/root.ts"
import { decodeRecord, encodeRecord, recordDigest } from "../../../protocol/record/record.ts"
import { type Grant, grantLeaf } from "../../../protocol/release/grant.ts"
import { decodeOrder } from "../../../protocol/release/order.ts"
import { encodeSigned } from "../../../protocol/signed.ts"
import { altered, alteredPayload, envelopeOf } from "../../support/envelope.ts"
import {
  ForgedFeed,
  type ForgedOrder,
  type Forgery,
  forgeOrder,
  type HostileSigner,
  logForged,
  orderLines,
  practiceText,
  releaseGrant,
  sealTo,
  withdrawGrant,
} from "../../support/hostile.ts"
import type { Behaviour } from "./behaviour.ts"
import { salamander } from "./salamander.ts"
import { expectRefusal, type Seen, type Stage } from "./stage.ts"

/** What an order says, who signed it, and what comes with it. */

const grantTo = async (stage: Stage, record: string, changes: Partial<Grant> = {}) =>
  releaseGrant(stage.villain, record, stage.target.member, changes)

async function logged(stage: Stage, forged: ForgedOrder): Promise<Forgery> {
  return { ...forged, entry: await logForged(stage.villain, forged.order) }
}

function offerAll(stage: Stage, forgeries: readonly Forgery[]): Promise<Seen> {
  const feed = new ForgedFeed(stage.feedId())
  for (const forgery of forgeries) feed.add(forgery)
  return stage.offerFeed(feed)
}

const signers = (stage: Stage, ...persons: string[]): HostileSigner[] =>
  persons.map((person) => ({
    key: stage.villain.founded.officers.find(({ officer }) => officer.person === person)!,
  }))

/** The behaviours whose whole point is one forged order. */
function forged(
  name: string,
  code: string,
  make: (stage: Stage, record: string) => Promise<readonly Forgery[]>,
): Behaviour {
  return {
    name,
    kind: "release",
    codes: [code],
    run: async (stage) => {
      const forgeries = await make(stage, await stage.frozen())
      return refusedLast(await offerAll(stage, forgeries), forgeries.at(-1)!, code)
    },
  }
}

/** What came before the misdeed may be honest and be taken. */
function refusedLast(seen: Seen, last: Forgery, code: string): string {
  const { id } = last.order.payload
  const receipts = seen.receipts.filter(({ order }) => order === id)
  const reading = seen.reading === null ? null : { ...seen.reading, received: 0 }
  return expectRefusal({ ...seen, reading, receipts: receipts.slice(-1) }, code)
}

export const releaseBehaviours: readonly Behaviour[] = [
  forged("one officer where two must sign", "order.unauthorised", async (stage, record) => {
    const options = { signers: signers(stage, "p1") }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged("an officer whom nobody enrolled", "signed.unknown-key", async (stage, record) => {
    const { env } = stage.villain
    const key = makeOfficerKey(env, {
      person: "p2",
      organisation: "X",
      roles: ["informationSecurity"],
    })
    const options = { signers: [...signers(stage, "p1"), { key }] }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged("officers of another member", "signed.unknown-key", async (stage, record) => {
    const { env, context } = stage.villain
    const { name, state, kind, network } = newestRoot(context.self).payload
    const officers = [
      { person: "p1", roles: ["competentAuthority"] },
      { person: "p2", roles: ["operator"] },
    ]
    const founding = { name, state, kind, network, officers, rootKeys: 1, rootThreshold: 1 }
    const other = await foundMember(env, founding)
    const options = { signers: other.officers.map((key) => ({ key })) }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged(
    "an order that was edited after it was signed",
    "signed.invalid",
    async (stage, record) => {
      const made = await forgeOrder(stage.villain, [await grantTo(stage, record)])
      const order = decodeOrder(alteredPayload(made.order.bytes, { notAfter: "2031-01-31" }))
      return [await logged(stage, { ...made, order })]
    },
  ),
  forged("a signature taken off after logging", "entry.mismatch", async (stage, record) => {
    const forgery = await logged(
      stage,
      await forgeOrder(stage.villain, [await grantTo(stage, record)]),
    )
    const { signatures } = envelopeOf(forgery.order.bytes)
    const bytes = encodeSigned(forgery.order.payloadBytes, signatures.slice(1))
    return [{ ...forgery, order: decodeOrder(bytes) }]
  }),
  forged("an order that is in no log", "entry.mismatch", async (stage, record) => {
    const made = await forgeOrder(stage.villain, [await grantTo(stage, record)])
    return [{ ...made, entry: { index: 1, salt: new Uint8Array(32) } }]
  }),
  forged("an order on a base that its log has not reached", "order.base", async (stage, record) => {
    const base = { epoch: 1, root: "0".repeat(64), size: 1_000_000 }
    const options = { fields: { base } }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged(
    "an order under a root version of the future",
    "order.root-version",
    async (stage, record) => {
      const options = { fields: { rootVersion: 40 } }
      return [
        await logged(
          stage,
          await forgeOrder(stage.villain, [await grantTo(stage, record)], options),
        ),
      ]
    },
  ),
  forged("an order of another network", "network.mismatch", async (stage, record) => {
    const options = { fields: { network: "operational" } }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged(
    "an order in the name of a member that nobody knows",
    "order.malformed",
    async (stage, record) => {
      const options = { fields: { origin: "ab".repeat(32) } }
      return [
        await logged(
          stage,
          await forgeOrder(stage.villain, [await grantTo(stage, record)], options),
        ),
      ]
    },
  ),
  forged("an order in the target's own name", "order.malformed", async (stage, record) => {
    const options = { fields: { origin: stage.target.member } }
    return [
      await logged(stage, await forgeOrder(stage.villain, [await grantTo(stage, record)], options)),
    ]
  }),
  forged("a rule that asks for less than the record's", "rule.mismatch", async (stage, record) => {
    const { terms, ...grant } = await grantTo(stage, record)
    const free = { ...grant, terms: { ...terms!, onward: "free" as const } }
    return [await logged(stage, await forgeOrder(stage.villain, [free]))]
  }),
  forged("a grant to somebody else", "grant.recipient", async (stage, record) => {
    const grant = await releaseGrant(stage.villain, record, "cd".repeat(32))
    return [await logged(stage, await forgeOrder(stage.villain, [grant]))]
  }),
  forged("terms that were edited after signing", "grant.path", async (stage, record) => {
    const grant = await grantTo(stage, record)
    const forgery = await logged(stage, await forgeOrder(stage.villain, [grant]))
    const bytes = encodeCanonical({ ...grant, terms: { ...grant.terms, onward: "free" } })
    const placed = forgery.placed.map((one) => ({ ...one, bytes, leaf: grantLeaf(bytes) }))
    return [{ ...forgery, placed }]
  }),
  forged("the path of another leaf", "grant.path", async (stage, record) => {
    const grants = [await grantTo(stage, record), await grantTo(stage, await stage.frozen())]
    const forgery = await logged(stage, await forgeOrder(stage.villain, grants))
    const [first, second] = forgery.placed
    return [{ ...forgery, placed: [{ ...first!, path: second!.path }] }]
  }),
  forged("another member's record", "custody.malformed", async (stage, record) => {
    const grant = await grantTo(stage, record)
    const foreign = { ...grant, record: { ...grant.record, origin: "ef".repeat(32) } }
    return [await logged(stage, await forgeOrder(stage.villain, [foreign]))]
  }),
  forged(
    "the withdrawal of another member's record",
    "custody.malformed",
    async (stage, record) => {
      const grant = await withdrawGrant(stage.villain, record, stage.target.member)
      const foreign = { ...grant, record: { ...grant.record, origin: "ef".repeat(32) } }
      return [await logged(stage, await forgeOrder(stage.villain, [foreign]))]
    },
  ),
  forged("a second order under one id", "order.malformed", async (stage, record) => {
    const first = await forgeOrder(stage.villain, [await grantTo(stage, record)])
    const fields = { id: first.order.payload.id }
    const second = await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())], {
      fields,
    })
    return [await logged(stage, first), await logged(stage, second)]
  }),
  forged("a release that was withdrawn, entered again", "order.ended", async (stage, record) => {
    const release = await logged(
      stage,
      await forgeOrder(stage.villain, [await grantTo(stage, record)]),
    )
    const end = await withdrawGrant(stage.villain, record, stage.target.member)
    const withdrawal = await logged(stage, await forgeOrder(stage.villain, [end]))
    return [release, withdrawal, await logged(stage, release)]
  }),
  forged(
    "a release from before its withdrawal, sent after it",
    "order.ended",
    async (stage, record) => {
      const release = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, record)]),
      )
      const end = await withdrawGrant(stage.villain, record, stage.target.member)
      return [await logged(stage, await forgeOrder(stage.villain, [end])), release]
    },
  ),
  {
    name: "a second content of one version",
    kind: "release",
    codes: ["record.mismatch"],
    run: async (stage) => {
      const { db } = stage.villain.context
      const record = await stage.frozen()
      const first = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, record)]),
      )
      await offerAll(stage, [first])
      const other = await stage.frozen(practiceText("As it is told now"))
      const from = await db
        .selectFrom("content")
        .selectAll()
        .where("id", "=", other)
        .executeTakeFirstOrThrow()
      const text = new TextDecoder().decode(from.bytes).replace(other, record)
      const bytes = encodeRecord(decodeRecord(utf8(text)))
      const key = new Uint8Array(from.content_key)
      const sealed = sealObject(key, 0, bytes)
      await db
        .updateTable("content")
        .set({ bytes, content_key: key })
        .where("id", "=", record)
        .execute()
      const grant = await grantTo(stage, record)
      const named = {
        ...grant,
        record: { ...grant.record, digest: recordDigest(bytes) },
        sealed: [{ digest: encodeHex(sha256(sealed)), size: sealed.length }],
      }
      const forgery = await logged(stage, await forgeOrder(stage.villain, [named]))
      return refusedLast(await offerAll(stage, [forgery]), forgery, "record.mismatch")
    },
  },
  {
    name: "the ciphertexts of two records exchanged",
    kind: "release",
    codes: ["sealed.mismatch", "sealed.uncommitted", "record.mismatch"],
    run: async (stage) => {
      const [one, two] = [await stage.frozen(), await stage.frozen()]
      const [a, b] = [await grantTo(stage, one), await grantTo(stage, two)]
      const swapped = { ...a, sealed: b.sealed }
      const forgery = await logged(stage, await forgeOrder(stage.villain, [swapped]))
      const feed = new ForgedFeed(stage.feedId()).add(forgery)
      const { db } = stage.villain.context
      const content = await db
        .selectFrom("content")
        .selectAll()
        .where("id", "=", two)
        .executeTakeFirstOrThrow()
      const object = sealObject(
        new Uint8Array(content.content_key),
        0,
        new Uint8Array(content.bytes),
      )
      const seen = await stage.offerFeed(feed, (frames) =>
        frames.map((frame) => (frame.type === "sealed" ? { ...frame, bytes: object } : frame)),
      )
      return expectRefusal(seen, "sealed.uncommitted", "sealed.mismatch", "record.mismatch")
    },
  },
  {
    name: "the key of another record for a ciphertext",
    kind: "release",
    codes: ["sealed.uncommitted"],
    run: async (stage) => {
      const forgery = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())]),
      )
      const feed = new ForgedFeed(stage.feedId()).add(forgery)
      const key = encodeHex(stage.villain.env.random(32))
      return expectRefusal(await offerWithKey(stage, feed, key), "sealed.uncommitted")
    },
  },
  {
    name: "a ciphertext that opens to two texts under two keys",
    kind: "release",
    codes: ["sealed.uncommitted"],
    run: async (stage) => {
      const [first, second] = [stage.villain.env.random(32), stage.villain.env.random(32)]
      const object = salamander(first, second)
      const grant = await grantTo(stage, await stage.frozen(), {
        sealed: [{ digest: encodeHex(sha256(object)), size: object.length }],
      })
      const forgery = await logged(stage, await forgeOrder(stage.villain, [grant]))
      const feed = new ForgedFeed(stage.feedId()).add(forgery)
      const edit = (frame: Frame) => (frame.type === "sealed" ? { ...frame, bytes: object } : frame)
      const seen = await offerWithKey(stage, feed, encodeHex(second), edit)
      return expectRefusal(seen, "sealed.uncommitted")
    },
  },
  {
    name: "a sealed object that is not the one in the grant",
    kind: "release",
    codes: ["sealed.mismatch", "peer.refused", "http.too-large"],
    run: async (stage) => {
      const forgery = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())]),
      )
      const feed = new ForgedFeed(stage.feedId()).add(forgery)
      const seen = await stage.offerFeed(feed, (frames) =>
        frames.map((frame) => (frame.type === "sealed" ? flipped(frame) : frame)),
      )
      return expectRefusal(seen, "sealed.mismatch", "peer.refused", "http.too-large")
    },
  },
  {
    name: "ten thousand signatures on an order",
    kind: "release",
    codes: ["signed.malformed", "json.too-large"],
    run: async (stage) => {
      const made = await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())])
      const forgery = await logged(stage, made)
      const [line] = await orderLines(
        made.order.payloadBytes,
        stage.villain.context.self.network,
        signers(stage, "p1"),
      )
      const bytes = altered(made.order.bytes, () => ({ signatures: Array(10_000).fill(line) }))
      const feed = new ForgedFeed(stage.feedId()).add({
        ...forgery,
        order: { ...forgery.order, bytes },
      })
      return expectRefusal(await stage.offerFeed(feed), "signed.malformed", "json.too-large")
    },
  },
  {
    name: "the signatures of an order in another sequence",
    kind: "release",
    codes: ["signed.malformed"],
    run: async (stage) => {
      const forgery = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())]),
      )
      const bytes = altered(forgery.order.bytes, ({ signatures }) => ({
        signatures: signatures.toReversed(),
      }))
      const feed = new ForgedFeed(stage.feedId()).add({
        ...forgery,
        order: { ...forgery.order, bytes },
      })
      return expectRefusal(await stage.offerFeed(feed), "signed.malformed")
    },
  },
  {
    name: "a signature under the algorithm none",
    kind: "release",
    codes: ["order.malformed", "signed.malformed"],
    run: async (stage) => {
      const forgery = await logged(
        stage,
        await forgeOrder(stage.villain, [await grantTo(stage, await stage.frozen())]),
      )
      const bytes = altered(forgery.order.bytes, ({ signatures }) => ({
        signatures: signatures.map((line) => {
          const header = JSON.parse(Buffer.from(line.protected, "base64url").toString())
          const text = encodeCanonical({ ...header, alg: "none" })
          return { ...line, protected: encodeBase64url(text) }
        }),
      }))
      const feed = new ForgedFeed(stage.feedId()).add({
        ...forgery,
        order: { ...forgery.order, bytes },
      })
      return expectRefusal(await stage.offerFeed(feed), "order.malformed", "signed.malformed")
    },
  },
]

function flipped(frame: Frame): Frame {
  const bytes = frame.bytes.slice()
  bytes[100]! ^= 1
  return { ...frame, bytes }
}

/** The delivery as it should be, with this content key beside it. */
async function offerWithKey(
  stage: Stage,
  feed: ForgedFeed,
  key: string,
  edit: (frame: Frame) => Frame = (frame) => frame,
): Promise<Seen> {
  const content = encodeParcelContent(feed.sent[0]!.bytes, [{ grant: 0, key }])
  const parcel = await sealTo(stage.villain, stage.target.member, content)
  return stage.offerFeed(feed, (frames) =>
    frames.map((frame) => (frame.type === "parcel" ? parcel : edit(frame))),
  )
}
