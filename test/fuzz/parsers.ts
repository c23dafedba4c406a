import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import SQLite from "better-sqlite3"
import { answerLine } from "../../cli/conform/line.ts"
import { ops } from "../../cli/conform/ops.ts"
import { describeChanges, readProposal } from "../../node/authority/ceremony.ts"
import { reviewExport } from "../../node/authority/officer.ts"
import { renderMarkdown } from "../../node/console/markdown.ts"
import { parseFeedQuery } from "../../node/exchange/deliver.ts"
import { readConfig } from "../../node/home.ts"
import { type RequestChecking, verifyRequest } from "../../node/http/message-signature.ts"
import { peerUrl } from "../../node/http/peer-url.ts"
import { parseRawMessage, splitTarget } from "../../node/http/raw-message.ts"
import { parseSignatureInput, signatureBase } from "../../node/http/signature-base.ts"
import { openKeyFile, sealKeyFile } from "../../node/keys/keystore.ts"
import { memoryFiles } from "../../node/memory-env.ts"
import { safeAttachmentName } from "../../node/order/attachment-name.ts"
import { buildRecord, hasErrors, parseDraft } from "../../node/order/draft.ts"
import { csvCell } from "../../node/reading/csv-cell.ts"
import { searchQuery, searchTerms } from "../../node/reading/search-text.ts"
import { encodeCanonical, ingest } from "../../protocol/canonical.ts"
import { sha256 } from "../../protocol/crypto/hash.ts"
import { openSealed, sealObject } from "../../protocol/crypto/seal.ts"
import { concat, decodeUtf8, encodeBase64url, encodeHex, utf8 } from "../../protocol/encoding.ts"
import {
  decodeEvidence,
  encodeEvidence,
  parsePin,
  verifyEvidence,
} from "../../protocol/evidence.ts"
import { encodeCard, verifyCard } from "../../protocol/exchange/card.ts"
import { encodeDelivery, firstPrev } from "../../protocol/exchange/delivery.ts"
import {
  decodeEntries,
  decodeFrames,
  encodeEntries,
  encodeFrame,
  formatHead,
  framesHeader,
  parseHead,
} from "../../protocol/exchange/frames.ts"
import {
  decodeParcelContent,
  encodeParcelContent,
  openEpoch,
  openParcel,
  sealParcel,
} from "../../protocol/exchange/parcel.ts"
import { receiptsFormat, verifyReceipts } from "../../protocol/exchange/receipt.ts"
import { decodeReturned, encodeReturned } from "../../protocol/exchange/returned.ts"
import { encodeInconsistency, verifyInconsistency } from "../../protocol/inconsistency.ts"
import { signCheckpoint, verifyCheckpoint } from "../../protocol/log/checkpoint.ts"
import { formatCheckpoint, parseCheckpoint } from "../../protocol/log/checkpoint-body.ts"
import { blindedEntry, logOrigin, openEntry, parseLogOrigin } from "../../protocol/log/entry.ts"
import { leafHash, proveInclusion, treeRoot } from "../../protocol/log/merkle.ts"
import { formatNote, formatVkey, parseNote, parseVkey } from "../../protocol/log/note.ts"
import {
  decodeEntryBundle,
  encodeEntryBundle,
  formatTilePath,
  parseTilePath,
} from "../../protocol/log/tile.ts"
import { formatTlogProof, parseTlogProof } from "../../protocol/log/tlog-proof.ts"
import { formatWitnessPolicy, parseWitnessPolicy } from "../../protocol/log/witness-policy.ts"
import { keysFormat } from "../../protocol/member/keys.ts"
import { logKeyOf, rootFormat, verifyRoots } from "../../protocol/member/root.ts"
import { decodeProfile, encodeProfile } from "../../protocol/profiles/profile.ts"
import { builtInProfiles } from "../../protocol/profiles/registry.ts"
import { decodeRecord, encodeRecord } from "../../protocol/record/record.ts"
import { decodeKeptConsent, verifyConsents } from "../../protocol/release/consent.ts"
import { decodeGrant, encodeGrant } from "../../protocol/release/grant.ts"
import { decodeOrder, type Order } from "../../protocol/release/order.ts"
import type { SignatureHeader, Signed } from "../../protocol/signed.ts"
import { decodeSigned } from "../../protocol/signed.ts"
import { parseLanguage, parseTime } from "../../protocol/time.ts"
import { parseWords, wordsOf } from "../../protocol/words.ts"
import { comity } from "../support/command-line.ts"
import { reviewProfile } from "../support/review-profile.ts"
import { checking, signed } from "../support/signed-request.ts"
import { vectorPath } from "../support/vectors.ts"
import {
  logSigners,
  makeMember,
  nextRoot,
  orderOf,
  seededRandom,
  signOrder,
  signReceipts,
} from "../support/world.ts"
import { bytes, resolve, type VectorFile } from "../vectors/format.ts"
import type { Parser } from "./fuzz.ts"

/** Every place where bytes of somebody else's become a value of ours. */

const text = (input: Uint8Array) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(input)
const random = seededRandom("fuzz")

/** Signed objects of one member, as its peers get them. */
const member = await makeMember({ seed: "fuzz" })
const later = await nextRoot(member, { newNodeKey: true })
const other = await makeMember({ seed: "fuzz other", state: "XB" })
const order = await signOrder(
  member,
  orderOf(member, {
    id: "0".repeat(32),
    root: "1".repeat(64),
    rule: { conditions: [], kind: "any", profile: builtInProfiles[0]!.digest },
  }),
  ["p1", "p2"],
)
const receipts = await signReceipts(member, other.id, [
  { day: "2026-11-23", leaf: "2".repeat(64), order: "3".repeat(32), state: "delivered" },
])
const entries = [
  openEntry(sha256(member.roots[0]!)),
  openEntry(sha256(member.keys)),
  blindedEntry(1, random(32), random(32)),
]
const leaves = entries.map(leafHash)
const checkpoint = await signCheckpoint(
  { origin: member.origin, size: leaves.length, root: treeRoot(leaves) },
  logSigners(member),
)
const proof = formatTlogProof({ index: 1, proof: proveInclusion(leaves, 1), checkpoint })
const otherLeaves = [leaves[0]!, leaves[1]!, leafHash(blindedEntry(1, random(32), random(32)))]
const twoHistories = encodeInconsistency({
  kind: "checkpoints",
  larger: await signCheckpoint(
    { origin: member.origin, size: otherLeaves.length, root: treeRoot(otherLeaves) },
    logSigners(member),
  ),
  proof: [],
  root: encodeHex(treeRoot(otherLeaves)),
  roots: member.roots.map((bytes) => JSON.parse(text(bytes))),
  smaller: checkpoint,
})
const card = encodeCard({ roots: member.roots, keys: member.keys, proof })
const epoch = await openEpoch(member.id, other.id, other.kem.publicKey, random(64))
const contentKey = random(32)
const rawKey = random(32)
const keyFile = await sealKeyFile(utf8('{"a":"b"}'), rawKey, random)
const config = encodeCanonical({
  cipher: "aegis",
  markings: {},
  type: "comity/home/v1",
  url: "https://comity.xa.example",
})

/** The bytes that our own vectors give in these fields, good and bad. */
function vectorBytes(format: string, ...fields: readonly string[]): Uint8Array[] {
  const path = join(import.meta.dirname, `../vectors/${format}.json`)
  const { valid, hostile } = JSON.parse(readFileSync(path, "utf8")) as VectorFile
  return [...valid, ...hostile].flatMap((vector) => {
    const input = resolve(vector.input, valid)
    return fields.filter((field) => input[field] !== undefined).map((field) => bytes(input, field))
  })
}

/** Consents in files of evidence, each with the release that it is for; the last one rests on silence. */
function consentsIn(): readonly { readonly consent: Uint8Array; readonly release: Order }[] {
  const { valid } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../vectors/evidence.json"), "utf8"),
  ) as VectorFile
  return valid
    .flatMap((vector) => {
      const { consents, order: document } = JSON.parse(
        text(bytes(resolve(vector.input, valid), "bytes")),
      )
      const release = decodeOrder(encodeCanonical(document)).payload
      return (consents as object[]).map((one) => ({ consent: encodeCanonical(one), release }))
    })
    .toSorted((a, b) => Number(isTacit(a.consent)) - Number(isTacit(b.consent)))
}

function isTacit(consent: Uint8Array): boolean {
  return JSON.parse(text(consent)).type === "comity/tacit/v1"
}

/** A file of the outside vectors, where they are. */
function outside(path: string): string {
  const file = vectorPath(path)
  return existsSync(file) ? readFileSync(file, "utf8") : ""
}

function goCorpus(name: string): Uint8Array[] {
  return outside(`go-fuzz-corpus/${name}.jsonl`)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => new Uint8Array(Buffer.from(JSON.parse(line).b64 as string, "base64")))
    .filter((bytes) => bytes.length < 4096)
    .slice(0, 300)
}

function naughtyStrings(): Uint8Array[] {
  const file = outside("text/blns.json")
  return file === "" ? [] : (JSON.parse(file) as string[]).map(utf8)
}

function lines(path: string): Uint8Array[] {
  return outside(path)
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map(utf8)
}

/** The one byte form of a signed object, from what was read of it. */
function signedAgain(document: Signed<object & { network: string }, SignatureHeader>): Uint8Array {
  return encodeCanonical({
    payload: encodeBase64url(encodeCanonical(document.payload)),
    signatures: document.signatures.map(({ header, signature }) => ({
      protected: encodeBase64url(encodeCanonical(header)),
      signature: encodeBase64url(signature),
    })),
  })
}

const database = new SQLite(":memory:")
database.exec(`CREATE VIRTUAL TABLE search USING fts5 (title, body, content = '',
  tokenize = "unicode61 remove_diacritics 2", prefix = '2 3')`)
database
  .prepare("INSERT INTO search (rowid, title, body) VALUES (1, ?, ?)")
  .run("a practice", "of two")
const searching = database.prepare("SELECT rowid FROM search WHERE search MATCH ?")

const logExpected = { origin: member.origin, logKey: logKeyOf(member.root) }
const consented = consentsIn()
const delivered = vectorBytes("delivery", "bytes", "delivery")
const parcelContent = encodeParcelContent(
  encodeDelivery({
    entry: { index: 2, salt: new Uint8Array(32).fill(4) },
    feed: "5".repeat(32),
    grants: [
      {
        bytes: vectorBytes("grant", "bytes", "grant")[0]!,
        path: Array<Uint8Array>(10).fill(new Uint8Array(32).fill(6)),
        position: 3,
      },
    ],
    n: 1,
    order,
    prev: firstPrev,
  }),
  [],
)

export const parsers: readonly Parser[] = [
  {
    name: "json",
    form: "json",
    seeds: () => [
      card,
      order,
      utf8("[]"),
      utf8('{"a":1,"b":[true,null,"é"]}'),
      ...goCorpus("json"),
    ],
    read: (input) => encodeCanonical(ingest(input, 65_536) as object),
  },
  {
    name: "record",
    form: "json",
    seeds: () => vectorBytes("record", "bytes", "record"),
    read: (input) => encodeRecord(decodeRecord(input)),
  },
  {
    name: "grant",
    form: "json",
    seeds: () => vectorBytes("grant", "bytes", "grant"),
    read: (input) => encodeGrant(decodeGrant(input)),
  },
  {
    name: "order",
    form: "json",
    seeds: () => [order],
    read: (input) => signedAgain(decodeOrder(input)),
  },
  {
    name: "root",
    form: "json",
    seeds: () => later.roots,
    read: (input) => signedAgain(decodeSigned(rootFormat, input)),
  },
  {
    name: "root-chain",
    form: "json",
    seeds: () => member.roots,
    read: (input) => {
      const { documents } = verifyRoots([input])
      return documents[0]!.bytes
    },
  },
  {
    name: "keys",
    form: "json",
    seeds: () => [member.keys],
    read: (input) => signedAgain(decodeSigned(keysFormat, input)),
  },
  {
    name: "receipts",
    form: "json",
    seeds: () => [receipts],
    read: (input) => {
      const document = decodeSigned(receiptsFormat, input)
      const verified = refused(() =>
        verifyReceipts(input, { from: member.id, to: other.id, root: member.root }),
      )
      return verified ? signedAgain(document) : signedAgain(document)
    },
  },
  {
    name: "profile",
    form: "json",
    seeds: () => builtInProfiles.map(({ profile }) => encodeProfile(profile)),
    read: (input) => encodeProfile(decodeProfile(input)),
  },
  {
    name: "card",
    form: "json",
    seeds: () => [card],
    read: (input) => {
      const { member: introduced, keys } = verifyCard(input)
      const { proof: logged } = JSON.parse(text(input)) as { proof: string }
      const roots = introduced.documents.map(({ bytes }) => bytes)
      return encodeCard({ roots, keys: keys.bytes, proof: logged })
    },
  },
  {
    name: "evidence",
    form: "json",
    seeds: () => evidenceSeeds(),
    read: (input) => {
      const { verdict } = verifyEvidence(input, [{ id: member.id }])
      if (!["verified", "pending", "failed"].includes(verdict)) throw new TypeError(verdict)
      const evidence = decodeEvidence(input)
      const { type: _, consents: __, custody: ___, ...fields } = JSON.parse(text(input))
      return evidence.record.length > 0 ? encodeEvidence(fields) : null
    },
  },
  {
    name: "kept-consent",
    form: "json",
    seeds: () => consented.map(({ consent }) => consent),
    read: (input) => {
      const consent = decodeKeptConsent(input)
      const knowing = { members: new Map(), takenBack: new Set<string>() }
      verifyConsents([consent], consented.at(-1)!.release, reviewProfile, knowing)
      return consent.bytes
    },
  },
  {
    name: "inconsistency",
    form: "json",
    seeds: () => [twoHistories],
    read: (input) => {
      verifyInconsistency(input)
      return null
    },
  },
  {
    name: "proposal",
    form: "json",
    seeds: () => [
      encodeCanonical({
        payload: JSON.parse(decodeUtf8(later.member.documents[1]!.payloadBytes)),
        roots: member.roots.map((bytes) => JSON.parse(text(bytes))),
        type: "comity/root-proposal/v1",
      }),
    ],
    read: (input) => {
      describeChanges(readProposal(input))
      return null
    },
  },
  {
    name: "order-export",
    form: "json",
    seeds: () => [exportSeed()],
    read: (input) => {
      reviewExport(input, new Map(), null)
      return null
    },
  },
  {
    name: "config",
    form: "json",
    seeds: () => [config],
    read: (input) => {
      readConfig(memoryFiles(new Map([["comity.json", input]])))
      return null
    },
  },
  {
    name: "key-file",
    form: "json",
    seeds: () => [keyFile],
    read: async (input) => {
      await openKeyFile(input, rawKey)
      return null
    },
  },
  {
    name: "conform",
    form: "json",
    seeds: () => [
      utf8('{"bytes":"7b7d","id":1,"op":"json.ingest"}'),
      utf8('{"id":1,"op":"url.peer","url":"https://example.org"}'),
      utf8('{"id":1,"leaves":["00"],"op":"merkle.root"}'),
      utf8('{"id":1,"markdown":"# a","op":"html.render"}'),
      utf8(
        '{"label":"comity","message":"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n","op":"httpsig.base"}',
      ),
    ],
    read: async (input) => {
      JSON.stringify(await answerLine(input, ops))
      return null
    },
  },
  {
    name: "parcel-content",
    form: "json",
    seeds: () => [parcelContent],
    read: (input) => {
      const { deliveryBytes, keys } = decodeParcelContent(input)
      const held = [...keys].map(([grant, key]) => ({ grant, key: encodeHex(key) }))
      return encodeParcelContent(deliveryBytes, held)
    },
  },
  {
    name: "note",
    form: "lines",
    seeds: () => [utf8(checkpoint), utf8("a\n\n— n AAAAAAA=\n")],
    read: (input) => {
      const { text: body, signatures } = parseNote(decodeUtf8(input))
      return formatNote(body, signatures)
    },
  },
  {
    name: "checkpoint",
    form: "lines",
    seeds: () => [utf8(checkpoint.slice(0, checkpoint.indexOf("\n\n") + 1))],
    read: (input) => formatCheckpoint(parseCheckpoint(decodeUtf8(input))),
  },
  {
    name: "signed-checkpoint",
    form: "lines",
    seeds: () => [utf8(checkpoint)],
    read: (input) => {
      verifyCheckpoint(decodeUtf8(input), logExpected)
      return null
    },
  },
  {
    name: "tlog-proof",
    form: "lines",
    seeds: () => [utf8(proof)],
    read: (input) => formatTlogProof(parseTlogProof(decodeUtf8(input))),
  },
  {
    name: "vkey",
    form: "bytes",
    seeds: () =>
      logSigners(member).map(({ name, algorithm, publicKey }) =>
        utf8(formatVkey(name, algorithm, publicKey)),
      ),
    read: (input) => {
      const { name, algorithm, publicKey } = parseVkey(decodeUtf8(input))
      return formatVkey(name, algorithm, publicKey)
    },
  },
  {
    name: "witness-policy",
    form: "lines",
    seeds: () => [
      utf8(
        `witness W1 ${formatVkey("w1", 0x04, random(32))}\nwitness W2 ${formatVkey("w2", 0x04, random(32))}\ngroup G 1 W1 W2\nquorum G\n`,
      ),
      utf8("# nobody\nquorum none\n"),
    ],
    read: (input) => {
      const written = formatWitnessPolicy(parseWitnessPolicy(decodeUtf8(input)))
      if (formatWitnessPolicy(parseWitnessPolicy(written)) !== written)
        throw new TypeError("a policy is written otherwise than it is read")
      return null
    },
  },
  {
    name: "log-origin",
    form: "bytes",
    seeds: () => [utf8(member.origin), utf8(logOrigin("exercise:a-b", member.id, 12))],
    read: (input) => {
      const { network, member: of, epoch: number } = parseLogOrigin(decodeUtf8(input))
      return logOrigin(network, of, number)
    },
  },
  {
    name: "tile-path",
    form: "bytes",
    seeds: () => ["tile/0/000", "tile/3/x001/x234/067.p/8", "tile/entries/000.p/1"].map(utf8),
    read: (input) => formatTilePath(parseTilePath(decodeUtf8(input))),
  },
  {
    name: "entry-bundle",
    form: "bytes",
    seeds: () => [encodeEntryBundle(entries), encodeEntryBundle([new Uint8Array(0)])],
    read: (input) => {
      for (const width of [1, 3, 256])
        if (refused(() => decodeEntryBundle(input, width)))
          return encodeEntryBundle(decodeEntryBundle(input, width))
      return null
    },
  },
  {
    name: "frames",
    form: "bytes",
    seeds: () => [
      concat(
        framesHeader(),
        encodeFrame("checkpoint", utf8(checkpoint)),
        encodeFrame("head", utf8("x")),
      ),
      ...vectorBytes("frames", "bytes", "stream"),
    ],
    read: async (input) => {
      const decoded = await decodeFrames(input)
      return concat(framesHeader(), ...decoded.map(({ type, bytes }) => encodeFrame(type, bytes)))
    },
  },
  {
    name: "returned",
    form: "json",
    seeds: () => vectorBytes("returned", "bytes"),
    read: (input) => {
      const { order: released } = decodeReturned(input)
      const { type: _, order: __, ...fields } = JSON.parse(text(input))
      const again = JSON.parse(text(signedAgain(released)))
      return encodeReturned({ ...fields, order: again })
    },
  },
  {
    name: "entries",
    form: "bytes",
    seeds: () => [
      encodeEntries({ origin: member.origin, start: 0, entries }),
      ...vectorBytes("frames", "entries"),
    ],
    read: (input) => encodeEntries(decodeEntries(input)),
  },
  {
    name: "head",
    form: "bytes",
    seeds: () => [utf8(formatHead({ feed: "ab".repeat(16), n: 3, size: 8 }))],
    read: (input) => formatHead(parseHead(decodeUtf8(input))),
  },
  {
    name: "feed-query",
    form: "bytes",
    seeds: () => [
      utf8(`feed=${"ab".repeat(16)}&after=3&epoch=1&size=9&live`),
      utf8("after=0x10&size=1e3"),
    ],
    read: (input) => {
      const position = parseFeedQuery(new URLSearchParams(text(input)))
      if (position === null) return null
      const { after, size } = position
      if (![after, size].every((n) => Number.isSafeInteger(n) && n >= 0))
        throw new TypeError("a position that is none")
      return null
    },
  },
  {
    name: "parcel",
    form: "bytes",
    seeds: () => [sealParcel(epoch, random(24), parcelContent)],
    read: (input) => {
      openParcel(epoch, input)
      return input
    },
  },
  {
    name: "sealed",
    form: "bytes",
    seeds: () => [
      sealObject(contentKey, 0, utf8("a record")),
      sealObject(contentKey, 0, random(70_000)),
    ],
    read: (input) => sealObject(contentKey, 0, openSealed(contentKey, 0, input)),
  },
  {
    name: "signature-input",
    form: "bytes",
    seeds: async () => [
      utf8((await signed()).headers.get("signature-input")!),
      utf8('a=("@method" "x";req;key="b");created=1, b=("@path")'),
      ...goCorpus("url").slice(0, 20),
    ],
    read: (input) =>
      parseSignatureInput(text(input))
        .map(({ label, list, parameters }) => `${label}=${list}${parameters}`)
        .join(", "),
  },
  {
    name: "http-message",
    form: "lines",
    seeds: async () => [
      utf8(await rawRequest()),
      utf8("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
      utf8('POST /a?b HTTP/1.1\r\nHost: a\r\nSignature-Input: a=("@path")\r\n\r\n'),
    ],
    read: (input) => {
      const message = parseRawMessage(text(input))
      if (message.kind === "response") return null
      const { path, query } = splitTarget(message.target)
      const { method, headers } = message
      const parts = { method, authority: headers.get("host") ?? "", path, query, headers }
      const field = headers.get("signature-input")
      if (field !== null) signatureBase(parts, parseSignatureInput(field)[0]!)
      return null
    },
  },
  {
    name: "signed-request",
    form: "lines",
    seeds: async () => [utf8(await rawRequest())],
    read: (input) => {
      const message = parseRawMessage(text(input))
      if (message.kind === "response") return null
      const { path, query } = splitTarget(message.target)
      const { method, headers, body } = message
      const authority = headers.get("host") ?? ""
      verifyRequest({ method, authority, path, query, headers, body }, checking as RequestChecking)
      return null
    },
  },
  {
    name: "peer-url",
    form: "bytes",
    seeds: () => [
      utf8("https://comity.xa.example"),
      utf8("http://[::ffff:127.0.0.1]:80/a"),
      ...["https://8.8.8.8:8440/", "https://[2606:4700::1111]/", "https://a.b.example/x/y"].map(
        utf8,
      ),
      ...["https://xn--mnchen-3ya.example", "https://münchen.example", "https://A.Example."].map(
        utf8,
      ),
      ...goCorpus("url"),
    ],
    read: (input) => {
      const policy = { allowPrivate: false }
      const url = peerUrl(text(input), policy)
      if (peerUrl(url, policy) !== url)
        throw new TypeError("an address that changes when read again")
      return null
    },
  },
  {
    name: "search-query",
    form: "bytes",
    seeds: () => [
      utf8("two vault"),
      utf8('"a b" 运行经验 OR NEAR('),
      utf8("الرقابية"),
      ...naughtyStrings(),
    ],
    read: (input) => {
      searching.all(searchQuery(text(input)))
      return null
    },
  },
  {
    name: "search-text",
    form: "bytes",
    seeds: () => [utf8("Formation du personnel 核安全 การฝึก"), ...naughtyStrings()],
    read: (input) => {
      searchTerms(text(input))
      return null
    },
  },
  {
    name: "draft",
    form: "lines",
    seeds: () => [
      utf8(
        "---\ntitle: A practice\nprofile: ippas\nkind: good-practice\nlanguage: en\nareas: [M2]\nbasis: x\nwhyBetter: y\n---\n## What\n\n- a\n",
      ),
      utf8("no front matter"),
      utf8("---\ntitle: &a [*a]\n---\nb"),
      ...naughtyStrings().slice(0, 200),
    ],
    read: (input) => {
      const draft = parseDraft(text(input))
      if (hasErrors(draft.findings)) return null
      const { id } = member
      const record = buildRecord(draft, {
        network: "training",
        origin: id,
        id: "0".repeat(32),
        version: 1,
      })
      return encodeRecord(record).length > 0 ? null : null
    },
  },
  {
    name: "words",
    form: "bytes",
    seeds: () => [utf8(wordsOf(member.id)), utf8(wordsOf(other.id))],
    read: (input) => {
      const bits = parseWords(text(input))
      const again = wordsOf(encodeHex(bits) + "0".repeat(32))
      if (encodeHex(parseWords(again)) !== encodeHex(bits)) throw new TypeError("other words")
      return null
    },
  },
  {
    name: "pin",
    form: "bytes",
    seeds: () => [utf8(wordsOf(member.id)), utf8(member.id)],
    read: (input) => {
      parsePin(text(input))
      return null
    },
  },
  {
    name: "time",
    form: "bytes",
    seeds: () => [
      utf8("2026-11-23T09:00:00Z"),
      ...lines("datetime-language/datetime_syntax_valid.txt"),
      ...lines("datetime-language/datetime_syntax_invalid.txt"),
    ],
    read: (input) => {
      const time = parseTime(text(input))
      if (parseTime(time) !== time) throw new TypeError("a time that changes when read again")
      return null
    },
  },
  {
    name: "language",
    form: "bytes",
    seeds: () => [
      utf8("zh-Hant-TW"),
      ...lines("datetime-language/language_syntax_valid.txt"),
      ...lines("datetime-language/language_syntax_invalid.txt"),
    ],
    read: (input) => {
      const tag = parseLanguage(text(input))
      if (parseLanguage(tag) !== tag) throw new TypeError("a language that changes when read again")
      return null
    },
  },
  {
    name: "attachment-name",
    form: "bytes",
    seeds: () => [utf8("report.pdf"), utf8("..\\con.txt"), ...naughtyStrings()],
    read: (input) => {
      const name = safeAttachmentName(text(input))
      if (safeAttachmentName(name) !== name)
        throw new TypeError("a name that changes when read again")
      return null
    },
  },
  {
    name: "csv-cell",
    form: "bytes",
    seeds: () => [utf8("=1+1"), ...naughtyStrings()],
    read: (input) => {
      csvCell(text(input))
      return null
    },
  },
  {
    name: "markdown",
    form: "lines",
    seeds: () => [
      utf8("# A\n\n[a](b) ![c](d) `e` <f>\n\n| g | h |\n|---|---|\n"),
      ...naughtyStrings(),
    ],
    read: (input) => {
      const left = renderMarkdown(text(input)).replaceAll(harmlessTag, "")
      if (/[<>]/.test(left)) throw new TypeError("markup of the author's own")
      return null
    },
  },
  {
    name: "cli-arguments",
    form: "lines",
    seeds: () =>
      [
        "peer\nverify\nxb\n--words\na b",
        "release\nrequest\nabc\n--to\nxb,xc\n--until\n2026-12-31",
        "verify\n/nowhere\n--pin\nx",
        "serve\n--listen\n127.0.0.1:99999",
        "--json\n--home\n/nowhere\ninbox",
        "init\n--state\nXA\n--name\nA\n--officer\np1:operator",
      ].map(utf8),
    read: async (input) => {
      const args = text(input).split("\n", 20)
      // Neither founds a member nor serves: only what is made of the words is looked at.
      const isReal = args.some((one) => ["demo", "serve", "init", "conform", "-"].includes(one))
      const home = isReal ? ["--help"] : ["--home", "/nowhere/comity"]
      const { exit, stderr } = await comity([...args, ...home])
      if (/internal\.unexpected|Something unexpected/.test(stderr))
        throw new TypeError(stderr.slice(0, 200))
      if (!Number.isInteger(exit)) throw new TypeError(`exit ${exit}`)
      return null
    },
  },
]

const harmlessTag =
  /<\/?(?:h[1-6]|p|a|em|strong|s|code|pre|blockquote|ol|ul|li|table|thead|tbody|tr|th|td|hr|br)(?: dir="auto"| href="https?:[^"<>]*"| rel="noopener noreferrer nofollow"| start="\d+"| title="[^"<>]*")*>/g

/** Whether it reads: a coded refusal is none, anything else goes on its way. */
function refused(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch (cause) {
    if ((cause as { name?: string }).name === "ProtocolError") return false
    throw cause
  }
}

async function rawRequest(): Promise<string> {
  const { method, authority, path, query, headers } = await signed()
  const fields = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("")
  return `${method} ${path}${query} HTTP/1.1\r\nhost: ${authority}\r\n${fields}\r\n`
}

function exportSeed(): Uint8Array {
  const grant = JSON.parse(text(vectorBytes("grant", "bytes", "grant")[0]!))
  const record = JSON.parse(text(vectorBytes("record", "bytes", "record")[0]!))
  return encodeCanonical({
    baseProof: [],
    checkpoint,
    earlier: [],
    grants: [{ grant, position: 3 }],
    payload: JSON.parse(text(decodeOrder(order).payloadBytes)),
    recipients: [{ member: other.id, name: "xb" }],
    records: [record],
    roots: member.roots.map((bytes) => JSON.parse(text(bytes))),
    seed: "7".repeat(64),
    seenProof: [],
    type: "comity/order-export/v1",
  })
}

/** Not a proof of anything, but of the form: its parts are good ones. */
function evidenceSeeds(): readonly Uint8Array[] {
  const grant = JSON.parse(text(vectorBytes("grant", "bytes", "grant")[0]!))
  const record = JSON.parse(text(vectorBytes("record", "bytes", "record")[0]!))
  return [
    encodeEvidence({
      base: [],
      grant,
      order: JSON.parse(text(order)),
      path: Array(10).fill("8".repeat(64)) as string[],
      position: 3,
      profile: JSON.parse(text(encodeProfile(builtInProfiles[0]!.profile))),
      proof,
      record,
      roots: member.roots.map((bytes) => ({ document: JSON.parse(text(bytes)) })),
      salt: "9".repeat(64),
    }),
    ...delivered,
  ]
}
