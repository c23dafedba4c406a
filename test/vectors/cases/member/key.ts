import { decodeHex, encodeBase64url } from "../../../../protocol/encoding.ts"
import {
  enrol,
  kidOf,
  type LogKeyFields,
  type RootKey,
  type SigningKey,
} from "../../../../protocol/member/key.ts"
import { officer } from "../../../support/world.ts"
import { a } from "../../cast.ts"
import type { Cases, Format, Run } from "../../format.ts"

const run: Run = (input) => {
  const key = input.key as SigningKey | RootKey | LogKeyFields
  enrol(key)
  return { kid: kidOf(key) }
}

function cases(): Cases {
  const encoded = (hexKey: string) => ({ key: { ed25519: encodeBase64url(decodeHex(hexKey)) } })
  return {
    about: "kid of a key or key pair; hostile: Ed25519 keys that are refused when enrolled",
    valid: [
      ["officer", { key: officer(a, "p1").key }],
      ["node", { key: a.root.nodeKey }],
      ["root pair", { key: a.root.rootKeys[0] }],
      ["log pair", { key: a.root.logKey }],
      ["the base point", encoded(`58${"66".repeat(31)}`)],
    ],
    hostile: [
      ["the neutral element", encoded(`01${"00".repeat(31)}`), "key.weak"],
      ["order 2", encoded(`ec${"ff".repeat(30)}7f`), "key.weak"],
      ["order 4", encoded("00".repeat(32)), "key.weak"],
      [
        "order 8",
        encoded("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        "key.weak",
      ],
      [
        "order 8, the other",
        encoded("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        "key.weak",
      ],
      [
        "order 8, with the other sign",
        encoded("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        "key.weak",
      ],
      ["order 4, with the other sign", encoded(`${"00".repeat(31)}80`), "key.weak"],
      ["the neutral element with a sign", encoded(`01${"00".repeat(30)}80`), "key.weak"],
      ["order 2, not canonical", encoded(`ec${"ff".repeat(31)}`), "key.weak"],
      ["y = p", encoded(`ed${"ff".repeat(30)}7f`), "key.weak"],
      ["a point whose y is not reduced", encoded(`f0${"ff".repeat(30)}7f`), "key.weak"],
      ["the largest encoding", encoded("ff".repeat(32)), "key.weak"],
      [
        "a weak key in a pair",
        { key: { ...a.root.logKey, ed25519: encodeBase64url(new Uint8Array(32)) } },
        "key.weak",
      ],
      ["the neutral element, not canonical", encoded(`ee${"ff".repeat(30)}7f`), "key.weak"],
      [
        "mixed order",
        encoded("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"),
        "key.weak",
      ],
      ["no point of the curve", encoded(`02${"00".repeat(31)}`), "key.weak"],
    ],
  }
}

export const key: Format = { run, cases }
