import { sha256 } from "../../../../protocol/crypto/hash.ts"
import {
  decodeBase64url,
  decodeHex,
  encodeBase64url,
  encodeHex,
} from "../../../../protocol/encoding.ts"
import { kidOf } from "../../../../protocol/member/key.ts"
import {
  endOfEpoch,
  newestRoot,
  payloadDigest,
  type Root,
  verifyRoots,
} from "../../../../protocol/member/root.ts"
import { wordsOf } from "../../../../protocol/words.ts"
import { altered, alteredLine, envelopeOf } from "../../../support/envelope.ts"
import {
  flipBit,
  makeMember,
  nextRoot,
  nextRootPayload,
  officer,
  type RootPair,
  rootPair,
  signRoot,
  witnessEntry,
} from "../../../support/world.ts"
import { a, b, c } from "../../cast.ts"
import {
  bytesList,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Input,
  misshapen,
  type Run,
  repeated,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const member = verifyRoots(bytesList(input, "documents"))
  const { epoch, network, version } = newestRoot(member).payload
  return {
    member: member.id,
    words: wordsOf(member.id),
    network,
    version,
    payloadDigests: member.documents.map(payloadDigest),
    documentDigests: member.documents.map(({ digest }) => digest),
    ends: Array.from({ length: epoch }, (_, i) => endOfEpoch(member, i + 1)),
  }
}

const first = a.roots[0]!
const chain = (...documents: readonly Uint8Array[]) => ({ documents: documents.map(shown) })
const v1 = async (fields: Partial<Root>, signers = a.rootPairs) =>
  chain(await signRoot({ ...a.root, ...fields }, signers))
/** Version 1 of the vector of that name, and these after it. */
const then = (...documents: readonly Uint8Array[]) =>
  edit("version 1", ...documents.map((one, i) => [`/documents/${i + 1}`, shown(one)] as const))
const v2 = async (fields: Partial<Root>, signers = a.rootPairs) =>
  then(await signRoot({ ...nextRootPayload(a), ...fields }, signers))
const thief = [rootPair("thief", 0, 0)]
const head = { epoch: 1, root: filled(32, 0x77), size: 3 }

/** Version 1 as it is, with one place of its payload, or of one of its headers, changed. */
function form(): Cases["hostile"] {
  const one = "version 1"
  const payload = (field: string) => `/documents/0/payload/${field}`
  const list = (field: string, name: string, value: unknown) =>
    [name, payload(field), value] as const
  return [
    ...misshapen(one, "/documents/0/payload", a.root, "root.malformed"),
    ...misshapen(one, payload("policy/0"), a.root.policy[0]!, "root.malformed", {
      what: "policy: ",
    }),
    ...misshapen(one, payload("witnessKey"), a.root.witnessKey, "root.malformed", {
      what: "witness key: ",
    }),
    ...misshapen(one, payload("rootKeys/0"), a.root.rootKeys[0]!, "root.malformed", {
      what: "pair: ",
    }),
    ...misshapen(one, "/documents/0/signatures/0/protected", headerOf(), "root.malformed", {
      what: "header: ",
    }),
    ...edited(one, "root.malformed", [
      list("version", "version 0", 0),
      list("version", "version 1,025", 1025),
      list("version", "a version in a text", "1"),
      list("type", "another type", "comity/root/v2"),
      list("network", "no such network", "test"),
      list("network", "an exercise without a name", "exercise:"),
      list("network", "an exercise with a capital", "exercise:Demo"),
      list("network", "an exercise of 33 letters", `exercise:${"a".repeat(33)}`),
      list("state", "a state of three letters", "XAA"),
      list("state", "a state in small letters", "xa"),
      list("kind", "no such kind", "company"),
      list("name", "a name with an escape sequence", "a\u001b[2J"),
      list("name", "a name that runs the other way", "a\u202eb"),
      list("name", "a name with an invisible character", "a\u200bb"),
      list("name", "a name of 129 characters", "x".repeat(129)),
      list("threshold", "threshold 0", 0),
      list("threshold", "a threshold above the keys", 2),
      list("rootKeys", "no root key", []),
      list("rootKeys/0/ed25519", "an Ed25519 key of 31 bytes", encodeBase64url(new Uint8Array(31))),
      list("rootKeys/0/ed25519", "a key in hex", filled(32, 1)),
      list("rootKeys/0/ed25519", "stray bits in a key", `${"A".repeat(42)}B`),
      list("rootKeys/0/mldsa65", "an ML-DSA-44 key for a root key", a.root.logKey.mldsa44),
      list("next", "next in capitals", filled(32, 0xab).toUpperCase()),
      list("next", "half a next", filled(16, 1)),
      list("officers", "officers out of order", a.root.officers.toReversed()),
      list("officers", "an officer twice", [a.root.officers[0], a.root.officers[0]]),
      list("profiles", "a profile twice", [filled(32, 1), filled(32, 1)]),
      list("policy/0/act", "policy: no such act", "publish"),
      list("policy/0/persons", "policy: nobody", 0),
      list("policy/0/persons", "policy: 65 persons", 65),
      list("policy/0/role", "policy: a role with a space", "team leader"),
      list("policy/0/profile", "policy: a profile by its name", "ippas"),
      list("policy/0/when", "policy: no such condition", "urgent"),
      list("policy/0/organisations", "policy: no organisation", 0),
      list("ceiling", "no such ceiling", "SECRET"),
      list("epoch", "version 1 of epoch 2", 2),
      list("expires", "a day that does not exist", "2031-02-29"),
      list("expires", "a time for a day", "2031-12-31T00:00:00Z"),
      list("quorum", "a quorum of no witness", 1),
      list("revoked", "a revocation from nowhere", [{ kid: filled(32, 1) }]),
      list("revoked", "a revocation from below zero", [
        { from: { epoch: 1, size: -1 }, kid: filled(32, 1) },
      ]),
      list("revoked", "the log key revoked without a root", [
        { from: { epoch: 1, size: 3 }, kid: kidOf(a.root.logKey) },
      ]),
      list("member", "version 1 with a member", a.id),
      list("prev", "version 1 with a prev", filled(32, 0)),
      list("survives", "version 1 with what survives", head),
      list("closing", "version 1 that closes", { answers: "", day: "2027-01-01", keep: true }),
      list("witnessKey/name", "a witness name with a space", "xa example"),
      list("witnessKey/name", "a witness name with a plus", "xa+example"),
      list("witnessKey/name", "a witness name of 258 bytes", "\u2603".repeat(86)),
    ]),
    ["no version", { documents: [] }, "root.malformed"],
    ["no root document", chain(a.keys), "root.malformed"],
    [
      "one byte more than a root document may have",
      { documents: [repeated("20", 262_145)] },
      "json.too-large",
    ],
    [
      "more versions than there may be",
      { documents: Array.from({ length: 1025 }, () => "{}") },
      "json.too-large",
    ],
  ]
}

function headerOf(): object {
  const encoded = envelopeOf(first).signatures[0]!.protected
  return JSON.parse(Buffer.from(decodeBase64url(encoded)).toString())
}

/** Signed as they are: nothing but the rule itself refuses them. */
async function coherence(): Promise<Cases["hostile"]> {
  const weak = encodeBase64url(decodeHex(`01${"00".repeat(31)}`))
  const mixed = encodeBase64url(
    decodeHex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"),
  )
  const [key] = a.root.rootKeys
  const [wb, wc] = [witnessEntry(b), witnessEntry(c)]
  const malformed = async (name: string, input: Promise<Input>) =>
    [name, await input, "root.malformed"] as const
  return [
    await malformed("one root key twice", v1({ rootKeys: [key!, key!], threshold: 2 })),
    await malformed("a quorum of half", v1({ quorum: 1, witnesses: [wb, wc] })),
    await malformed("no quorum of two", v1({ quorum: 0, witnesses: [wb, wc] })),
    await malformed("a quorum above the witnesses", v1({ quorum: 3, witnesses: [wb, wc] })),
    await malformed(
      "a witness twice, by member",
      v1({ quorum: 2, witnesses: [wb, { ...wc, member: wb.member }] }),
    ),
    await malformed(
      "a witness twice, by name",
      v1({ quorum: 2, witnesses: [wb, { ...wc, name: wb.name }] }),
    ),
    await malformed(
      "a witness twice, by key",
      v1({ quorum: 2, witnesses: [wb, { ...wc, ed25519: wb.ed25519 }] }),
    ),
    await malformed(
      "its own witness, by member",
      v2({ quorum: 1, witnesses: [{ ...wb, member: a.id }] }),
    ),
    await malformed(
      "its own witness, by key",
      v1({ quorum: 1, witnesses: [{ ...wb, ed25519: a.root.witnessKey.ed25519 }] }),
    ),
    await malformed(
      "one key for log and node",
      v1({ nodeKey: { ed25519: a.root.logKey.ed25519 } }),
    ),
    await malformed("one key for root and node", v1({ nodeKey: { ed25519: key!.ed25519 } })),
    await malformed(
      "one ML-DSA key for log and witness",
      v1({ witnessKey: { ...a.root.witnessKey, mldsa44: a.root.logKey.mldsa44 } }),
    ),
    await malformed(
      "members taken over from in another order",
      v2({ succeeds: [filled(32, 2), filled(32, 1)] }),
    ),
    await malformed("takes over from itself", v2({ succeeds: [a.id] })),
    await malformed("version 2 without member", v2({ member: undefined as never })),
    await malformed("version 2 without prev", v2({ prev: undefined as never })),
    ["a node key of small order", await v1({ nodeKey: { ed25519: weak } }), "key.weak"],
    [
      "a log key of mixed order",
      await v1({ logKey: { ...a.root.logKey, ed25519: mixed } }),
      "key.weak",
    ],
    [
      "a witness's key of small order",
      await v1({ quorum: 1, witnesses: [{ ...wb, ed25519: weak }] }),
      "key.weak",
    ],
    ["a root key of small order", await v1({ rootKeys: [{ ...key!, ed25519: weak }] }), "key.weak"],
  ]
}

async function signatures(): Promise<Cases["hostile"]> {
  const twoKeys = [a.rootPairs[0]!.key, rootPair("second", 0, 0).key]
  const lines = (change: (line: { signature: string }) => object, number = 0) =>
    chain(alteredLine(first, change as never, number))
  const flipped = (bit: number) => (line: { signature: string }) => ({
    signature: encodeBase64url(flipBit(decodeBase64url(line.signature), bit)),
  })
  const only = (...kept: readonly number[]) =>
    chain(altered(first, ({ signatures: all }) => ({ signatures: kept.map((i) => all[i]) })))
  const exchanged = altered(first, ({ signatures: [one, two] }) => ({
    signatures: [
      { ...one, signature: two!.signature },
      { ...two, signature: one!.signature },
    ],
  }))
  return [
    [
      "half a root pair: Ed25519",
      edit("version 1", ["/documents/0/signatures/1"]),
      "root.threshold",
    ],
    [
      "half a root pair: ML-DSA-65",
      edit("version 1", ["/documents/0/signatures/0"]),
      "root.threshold",
    ],
    ["lines out of order", only(1, 0), "signed.malformed"],
    ["a line twice", only(0, 0, 1), "signed.malformed"],
    ["no line", edit("version 1", ["/documents/0/signatures", []]), "signed.malformed"],
    ["one bit of the Ed25519 signature", lines(flipped(77)), "root.invalid"],
    ["one bit of the ML-DSA signature", lines(flipped(5000), 1), "root.invalid"],
    ["the two signatures exchanged", chain(exchanged), "root.invalid"],
    [
      "edited after signing",
      edit("version 1", ["/documents/0/payload/state", "XB"]),
      "root.invalid",
    ],
    [
      "a signature of a key nobody named",
      chain(await signRoot(a.root, [...a.rootPairs, ...thief])),
      "signed.unknown-key",
    ],
    ["signed by another key alone", chain(await signRoot(a.root, thief)), "signed.unknown-key"],
    [
      "one signature where two are needed",
      await v1({ rootKeys: twoKeys, threshold: 2 }),
      "root.threshold",
    ],
    [
      "another network in a header",
      edit("version 1", ["/documents/0/signatures/0/protected/network", "operational"]),
      "network.mismatch",
    ],
    [
      "a header of another object",
      edit("version 1", ["/documents/0/signatures/0/protected/typ", "comity-order+jws"]),
      "root.malformed",
    ],
  ]
}

/** Closed by version 2, and by version 3 no more. */
async function reopened(): Promise<Input> {
  const closing = { answers: "", day: "2027-01-01", keep: true }
  const closed = await nextRoot(a, { fields: { closing } })
  const { closing: _, ...fields } = nextRootPayload(closed)
  return then(closed.roots[1]!, await signRoot(fields, a.rootPairs))
}

async function succession(): Promise<Cases["hostile"]> {
  const second = await nextRoot(a)
  const third = await nextRoot(second)
  const [, two, three] = third.roots as [Uint8Array, Uint8Array, Uint8Array]
  const replaced = nextRootPayload(a, { replaceRootKeys: true })
  const by = async (...pairs: readonly RootPair[]) => then(await signRoot(replaced, pairs))
  const chained = async (name: string, input: Promise<Input>) =>
    [name, await input, "root.chain"] as const
  const rotated = await nextRoot(a, { replaceRootKeys: true })
  const after = nextRootPayload(rotated)
  return [
    ["begins with version 2", chain(two), "root.chain"],
    ["version 1 twice", then(first), "root.chain"],
    ["version 2 twice", then(two, two), "root.chain"],
    ["a version left out", then(three), "root.chain"],
    ["versions in another order", then(three, two), "root.chain"],
    ["a version of another member", then((await nextRoot(b)).roots[1]!), "root.chain"],
    await chained("another prev", v2({ prev: filled(32, 0) })),
    await chained("prev over the document", v2({ prev: encodeHex(sha256(first)) })),
    await chained("another member", v2({ member: b.id })),
    await chained("version 3 after 1", v2({ version: 3 })),
    await chained("next changed without new root keys", v2({ next: filled(32, 0) })),
    await chained(
      "new root keys to which next did not commit",
      v2({ rootKeys: thief.map(({ key }) => key) }, [...a.rootPairs, ...thief]),
    ),
    await chained(
      "one root key more",
      v2({ rootKeys: [...a.root.rootKeys, thief[0]!.key] }, [...a.rootPairs, ...thief]),
    ),
    ["new root keys without the old ones", await by(...a.nextPairs), "root.threshold"],
    ["new root keys without the new ones", await by(...a.rootPairs), "root.threshold"],
    [
      "the old root keys alone, after they were replaced",
      then(rotated.roots[1]!, await signRoot(after, a.rootPairs)),
      "signed.unknown-key",
    ],
    [
      "the old root keys beside the new ones, after they were replaced",
      then(rotated.roots[1]!, await signRoot(after, [...a.rootPairs, ...rotated.rootPairs])),
      "signed.unknown-key",
    ],
    ["another network from version 2 on", await v2({ network: "operational" }), "network.mismatch"],
    await chained("another log key in the same epoch", v2({ logKey: c.root.logKey })),
    await chained("another epoch with the same log key", v2({ epoch: 2, survives: head })),
    await chained(
      "another epoch that says nothing of the last",
      v2({ epoch: 2, logKey: c.root.logKey }),
    ),
    await chained("an epoch left out", v2({ epoch: 3, logKey: c.root.logKey, survives: head })),
    await chained(
      "what survives of another epoch",
      v2({ epoch: 2, logKey: c.root.logKey, survives: { ...head, epoch: 2 } }),
    ),
    [
      "the log key of the last epoch revoked without a root",
      await v2({
        epoch: 2,
        logKey: c.root.logKey,
        revoked: [{ from: { epoch: 1, size: 3 }, kid: kidOf(a.root.logKey) }],
        survives: head,
      }),
      "root.malformed",
    ],
    await chained("what survives without a new epoch", v2({ survives: head })),
    await chained("a closing taken back", reopened()),
  ]
}

async function cases(): Promise<Cases> {
  const second = await nextRoot(a, { fields: { name: "Authority XA, renamed" } })
  const third = await nextRoot(second, { replaceRootKeys: true, newNodeKey: true })
  const pairs = await makeMember({
    seed: "vector member D",
    state: "XD",
    rootPairs: 3,
    threshold: 2,
  })
  const { kid } = officer(a, "p2")
  const revoked = [
    { from: { epoch: 1, size: 7 }, kid },
    { from: { epoch: 1, root: filled(32, 0x66), size: 2 }, kid: kidOf(a.root.logKey) },
  ]
  const closing = { answers: "Ministry of XA", day: "2027-01-01", keep: false, successor: b.id }
  const closed = await nextRoot(a, { fields: { closing } })
  const succeeds = [filled(32, 1), filled(32, 2)]
  const two = pairs.rootPairs.slice(1)
  return {
    about:
      "root documents of one member from version 1 on; where its log of each epoch ends, if it does",
    valid: [
      ["version 1", chain(first)],
      ["three versions, the last with new root and node keys", then(...third.roots.slice(1))],
      ["two of three root keys", chain(await signRoot(pairs.root, two))],
      ["all three root keys, where two are enough", chain(pairs.roots[0]!)],
      ["a second epoch", await v2({ epoch: 2, logKey: c.root.logKey, survives: head })],
      [
        "a second epoch whose first log is revoked from earlier on",
        await v2({ epoch: 2, logKey: c.root.logKey, revoked, survives: head }),
      ],
      ["an officer and the log key revoked", await v2({ revoked })],
      ["two witnesses", await v1({ quorum: 2, witnesses: [witnessEntry(b), witnessEntry(c)] })],
      ["one that closes, with a successor", then(...closed.roots.slice(1))],
      ["one that takes over from two members", await v2({ succeeds })],
    ],
    hostile: [...form(), ...(await coherence()), ...(await signatures()), ...(await succession())],
  }
}

export const member: Format = { run, cases }
