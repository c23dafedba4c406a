import { encodeHex } from "../../../../protocol/encoding.ts"
import {
  blindedEntry,
  dummyEntry,
  type EntryType,
  entrySalt,
  logOrigin,
  openEntry,
  openEntryDigest,
  parseLogOrigin,
  withdrawalTag,
} from "../../../../protocol/log/entry.ts"
import { a } from "../../cast.ts"
import {
  bytes,
  type Cases,
  type Format,
  filled,
  insist,
  number,
  type Run,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const saltKey = () => bytes(input, "saltKey")
  switch (input.kind) {
    case "blinded": {
      const type = number(input, "type") as EntryType
      const salt = entrySalt(saltKey(), type, bytes(input, "digest"))
      const entry = blindedEntry(type, salt, bytes(input, "digest"))
      return { salt: encodeHex(salt), entry: encodeHex(entry) }
    }
    case "dummy":
      return { entry: encodeHex(dummyEntry(saltKey(), number(input, "index"))) }
    case "withdrawal tag":
      return { entry: encodeHex(withdrawalTag(bytes(input, "contentKey"))) }
    case "open":
      return { entry: encodeHex(openEntry(bytes(input, "digest"))) }
    case "read":
      return { digest: encodeHex(openEntryDigest(bytes(input, "entry"))) }
    default: {
      const { network, member, epoch } = parseLogOrigin(text(input, "origin"))
      insist(logOrigin(network, member, epoch) === input.origin, "checkpoint.origin")
      return { network, member, epoch }
    }
  }
}

function cases(): Cases {
  const saltKey = filled(32, 0x51)
  const digest = filled(32, 0xd1)
  const origin = (text: string) => ({ kind: "origin", origin: text })
  return {
    about: "log entries of 33 bytes, their salts, and origin lines",
    valid: [
      ["an order", { kind: "blinded", saltKey, type: 1, digest }],
      ["the same digest as a dummy", { kind: "blinded", saltKey, type: 2, digest }],
      ["a dummy at index 0", { kind: "dummy", saltKey, index: 0 }],
      ["a dummy beyond 2³²", { kind: "dummy", saltKey, index: 4294967297 }],
      ["a withdrawal tag", { kind: "withdrawal tag", contentKey: filled(32, 0x4b) }],
      ["a document", { kind: "open", digest }],
      ["the digest of a document, read", { kind: "read", entry: `02${digest}` }],
      [
        "an order of another salt key",
        { kind: "blinded", saltKey: filled(32, 0x52), type: 1, digest },
      ],
      ["a dummy at index 1", { kind: "dummy", saltKey, index: 1 }],
      ["origin line of the operational network", origin(`comity/operational/${a.id}/1000000`)],
      ["origin line", origin(a.origin)],
      ["origin line of an exercise", origin(`comity/exercise:spring-27/${a.id}/2`)],
    ],
    hostile: [
      [
        "the document of a blinded entry",
        { kind: "read", entry: `01${digest}` },
        "entry.malformed",
      ],
      ["an entry of another kind", { kind: "read", entry: `03${digest}` }, "entry.malformed"],
      ["an entry of 32 bytes", { kind: "read", entry: digest }, "entry.malformed"],
      ["an entry of 34 bytes", { kind: "read", entry: `02${digest}00` }, "entry.malformed"],
      ["no entry", { kind: "read", entry: "" }, "entry.malformed"],
      ["another label", origin(a.origin.replace("comity", "Comity")), "checkpoint.origin"],
      [
        "an id in capitals",
        origin(a.origin.replace(a.id, a.id.toUpperCase())),
        "checkpoint.origin",
      ],
      ["an epoch beyond the limit", origin(`comity/training/${a.id}/1000001`), "checkpoint.origin"],
      ["an epoch below zero", origin(`comity/training/${a.id}/-1`), "checkpoint.origin"],
      ["no epoch", origin(`comity/training/${a.id}`), "checkpoint.origin"],
      ["a line feed behind it", origin(`${a.origin}\n`), "checkpoint.origin"],
      ["a space in front", origin(` ${a.origin}`), "checkpoint.origin"],
      ["an exercise with a slash", origin(`comity/exercise:a/b/${a.id}/1`), "checkpoint.origin"],
      ["nothing", origin(""), "checkpoint.origin"],
      ["no such network", origin(`comity/test/${a.id}/1`), "checkpoint.origin"],
      ["epoch 0", origin(`comity/training/${a.id}/0`), "checkpoint.origin"],
      ["epoch 01", origin(`comity/training/${a.id}/01`), "checkpoint.origin"],
      ["half an id", origin(`comity/training/${a.id.slice(32)}/1`), "checkpoint.origin"],
      ["one part more", origin(`${a.origin}/1`), "checkpoint.origin"],
      ["an exercise without a name", origin(`comity/exercise:/${a.id}/1`), "checkpoint.origin"],
    ],
  }
}

export const entry: Format = { run, cases }
