import type { Json } from "../../../protocol/canonical.ts"
import { decodeHex, decodeUtf8, encodeHex } from "../../../protocol/encoding.ts"
import { encodeInconsistency, verifyInconsistency } from "../../../protocol/inconsistency.ts"
import { blindedEntry, dummyEntry, openEntry } from "../../../protocol/log/entry.ts"
import { newestRoot } from "../../../protocol/member/root.ts"
import { decodeOrder, type Order } from "../../../protocol/release/order.ts"
import { cosign, testLog } from "../../support/test-log.ts"
import {
  nextRoot,
  orderOf,
  signOrder,
  type TestMember,
  witnessSigners,
} from "../../support/world.ts"
import { a, b, c, rule } from "../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  misshapen,
  type Run,
  repeated,
  shown,
} from "../format.ts"

const run: Run = (input) => {
  const { digest, kind, member } = verifyInconsistency(bytes(input, "bytes"))
  return { digest, kind, member: member.id }
}

type Fields = Parameters<typeof encodeInconsistency>[0]
const at = (fields: Fields) => ({ bytes: shown(encodeInconsistency(fields)) })
const json = (document: Uint8Array): Json => JSON.parse(decodeUtf8(document))
const rootsOf = (member: TestMember) => member.roots.map(json)
const shape = (fields: Fields): object => json(encodeInconsistency(fields)) as object
const malformed = "inconsistency.malformed"
const unproven = "inconsistency.unproven"

/** A log of so many dummies under this salt key, after `common` of another. */
function logOf(size: number, salt: Uint8Array, common: readonly Uint8Array[] = []) {
  const log = testLog(a)
  log.append(...common)
  while (log.entries.length < size) log.append(dummyEntry(salt, log.entries.length))
  return log
}

async function checkpoints(): Promise<Cases> {
  const one = logOf(7, a.saltKey)
  const other = logOf(9, b.saltKey, one.entries.slice(0, 4))
  const proven = async (small: number, large: number, smaller = one, larger = other) => ({
    kind: "checkpoints" as const,
    larger: await larger.checkpoint(large),
    proof: small === large ? [] : larger.consistency(small, large).map(encodeHex),
    root: encodeHex(larger.root(small)),
    roots: rootsOf(a),
    smaller: await smaller.checkpoint(small),
  })
  const of = "two trees of different sizes"
  const fields = await proven(6, 9)
  const second = (await proven(4, 9)).smaller
  return {
    about: "",
    valid: [
      [of, at(fields)],
      ["two trees of one size", at(await proven(7, 7))],
      ["two trees that part at their last entry", at(await proven(5, 5))],
    ],
    hostile: [
      ...misshapen(of, "/bytes", shape(fields), malformed),
      ...edited(of, malformed, [
        ["another type", "/bytes/type", "comity/inconsistency/v2"],
        ["another kind", "/bytes/kind", "words"],
        ["no root document", "/bytes/roots", []],
        ["an empty note", "/bytes/larger", ""],
        ["a root of 31 bytes", "/bytes/root", filled(31, 1)],
        ["64 hashes", "/bytes/proof", Array.from({ length: 64 }, () => filled(32, 1))],
      ]),
      ...edited(of, unproven, [
        ["one history: the smaller is the larger's beginning", "/bytes/smaller", second],
        ["another root than proven", "/bytes/root", filled(32, 1)],
        ["no proof", "/bytes/proof", []],
        ["a hash more", "/bytes/proof/9", filled(32, 1)],
        ["the same checkpoint twice", "/bytes/larger", fields.smaller],
      ]),
      [
        "smaller and larger exchanged",
        edit(of, ["/bytes/smaller", fields.larger], ["/bytes/larger", fields.smaller]),
        unproven,
      ],
      [
        "an empty tree",
        edit(of, ["/bytes/smaller", await logOf(0, a.saltKey).checkpoint(0)]),
        unproven,
      ],
      [
        "another member's root documents",
        edit(of, ["/bytes/roots", rootsOf(b)]),
        "checkpoint.origin",
      ],
      [
        "another member's checkpoint",
        edit(of, ["/bytes/larger", await testLog(b).checkpoint(0)]),
        "checkpoint.origin",
      ],
      [
        "one signature of the log alone",
        edit(of, ["/bytes/larger", fields.larger.replace(/— .*\n$/, "")]),
        "checkpoint.unverified",
      ],
      [
        "an edited size",
        edit(of, ["/bytes/larger", fields.larger.replace("\n9\n", "\n8\n")]),
        "checkpoint.unverified",
      ],
      [
        "a witness's line",
        edit(of, ["/bytes/larger", await cosign(fields.larger, witnessSigners(b), 1_795_000_000)]),
        "note.unverified",
      ],
      ["no note", edit(of, ["/bytes/larger", "hello\n"]), "note.malformed"],
      ["a root document edited", edit(of, ["/bytes/roots/0/payload/state", "XB"]), "root.invalid"],
      ["a root document that is a number", edit(of, ["/bytes/roots/0", 1]), malformed],
      ["white space", { bytes: `${at(fields).bytes} ` }, "json.noncanonical"],
      ["one byte more than it may have", { bytes: repeated("20", 4_194_305) }, "json.too-large"],
    ],
  }
}

async function roots(): Promise<Cases> {
  const last = (member: TestMember) => json(member.roots.at(-1)!)
  const first = last(await nextRoot(a, { fields: { name: "First" } }))
  const second = last(await nextRoot(a, { fields: { name: "Second" } }))
  const of = "two root documents of one version"
  const fields = { first, kind: "roots" as const, roots: rootsOf(a), second }
  const third = await nextRoot(await nextRoot(a))
  return {
    about: "",
    valid: [[of, at(fields)]],
    hostile: [
      ...misshapen(of, "/bytes", shape(fields), malformed, { what: "roots: " }).filter(
        ([name]) => !["roots: first null", "roots: second null"].includes(name),
      ),
      ["one root document twice", edit(of, ["/bytes/second", first]), unproven],
      ["no root document for the second", edit(of, ["/bytes/second", null]), malformed],
      ["the second edited", edit(of, ["/bytes/second/payload/name", "Third"]), "root.invalid"],
      [
        "the second of another member",
        edit(of, ["/bytes/second", last(await nextRoot(b))]),
        "root.chain",
      ],
      ["the second of a later version", edit(of, ["/bytes/second", last(third)]), "root.chain"],
      ["the second by half a pair", edit(of, ["/bytes/second/signatures/0"]), "root.threshold"],
      ["versions before left out", edit(of, ["/bytes/roots", []]), malformed],
    ],
  }
}

async function order(): Promise<Cases> {
  const later = await nextRoot(a)
  const salt = filled(32, 0x44)
  const proven = async (changes: Partial<Order> = {}, signer: TestMember = a) => {
    const payload = orderOf(a, { id: filled(16, 0x11), root: filled(32, 0x22), rule, ...changes })
    const document = decodeOrder(await signOrder(signer, payload, ["p1", "p2"]))
    const log = testLog(a)
    log.append(
      openEntry(decodeHex(a.member.documents[0]!.digest)),
      openEntry(decodeHex(newestRoot(later.member).digest)),
      dummyEntry(a.saltKey, 2),
      blindedEntry(1, decodeHex(salt), decodeHex(document.digest)),
    )
    return {
      checkpoint: await log.checkpoint(),
      index: 3,
      kind: "order" as const,
      order: json(document.bytes),
      path: log.inclusion(3).map(encodeHex),
      rootIndex: 1,
      rootPath: log.inclusion(1).map(encodeHex),
      roots: rootsOf(later),
      salt,
    }
  }
  const of = "an order behind a later root version"
  const fields = await proven()
  return {
    about: "",
    valid: [[of, at(fields)]],
    hostile: [
      ...misshapen(of, "/bytes", shape(fields), malformed, { what: "order: " }).filter(
        ([name]) => name !== "order: order null",
      ),
      ...edited(of, unproven, [
        ["another place", "/bytes/index", 2],
        ["another place of the root document", "/bytes/rootIndex", 0],
        ["another salt", "/bytes/salt", filled(32, 0x45)],
        ["another path", "/bytes/path/0", filled(32, 1)],
        ["another path of the root document", "/bytes/rootPath/0", filled(32, 1)],
        ["the later version left out", "/bytes/roots/1"],
      ]),
      ["the version that was in force", at(await proven({ rootVersion: 2 })), unproven],
      ["a withdrawal, which outlives its version", at(await proven({ act: "withdraw" })), unproven],
      ["of another network", at(await proven({ network: "operational" })), unproven],
      ["of another member", at(await proven({ origin: c.id })), unproven],
      [
        "logged before its base",
        at(await proven({ base: { epoch: 1, root: filled(32, 1), size: 4 } })),
        unproven,
      ],
      ["by no officer of the member", at(await proven({}, b)), "signed.unknown-key"],
      [
        "with a signature that fails",
        edit(of, ["/bytes/order/signatures/0/signature", "A".repeat(86)]),
        unproven,
      ],
      ["no order", edit(of, ["/bytes/order", {}]), "signed.malformed"],
      [
        "order: one signature of the log alone",
        edit(of, ["/bytes/checkpoint", fields.checkpoint.replace(/— .*\n$/, "")]),
        "checkpoint.unverified",
      ],
    ],
  }
}

async function cases(): Promise<Cases> {
  const kinds = [await checkpoints(), await roots(), await order()]
  return {
    about: "one file that proves that a member has told two histories: its digest, kind and member",
    valid: kinds.flatMap(({ valid }) => valid),
    hostile: kinds.flatMap(({ hostile }) => hostile),
  }
}

export const inconsistency: Format = { run, cases }
