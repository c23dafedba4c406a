import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { sha256 } from "../../../../protocol/crypto/hash.ts"
import { decodeBase64url, encodeBase64url, encodeHex } from "../../../../protocol/encoding.ts"
import { type KeysPayload, kemKeyFor, verifyKeys } from "../../../../protocol/member/keys.ts"
import type { Root } from "../../../../protocol/member/root.ts"
import { encodeSigned } from "../../../../protocol/signed.ts"
import { wordsOf } from "../../../../protocol/words.ts"
import { alteredPayload, envelopeOf } from "../../../support/envelope.ts"
import { keysPayload, signByNode, signKeys, today } from "../../../support/world.ts"
import { a, b } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  misshapen,
  type Run,
  shown,
  text,
} from "../../format.ts"

const run: Run = (input) => {
  const root = input.root as Root
  const { digest, payload } = verifyKeys(bytes(input, "bytes"), text(input, "member"), root)
  return { digest, kemKeyDigest: encodeHex(sha256(kemKeyFor(payload, text(input, "today")))) }
}

async function cases(): Promise<Cases> {
  const { network, version, nodeKey } = a.root
  const root = { network, version, nodeKey }
  const at = (bytes: Uint8Array) => ({ bytes: shown(bytes), member: a.id, root, today })
  const signedAs = async (changes: Partial<KeysPayload>) => at(await signKeys(a, changes))
  const [kem] = keysPayload(a).kem
  const both = encodeSigned(decodeBase64url(envelopeOf(a.keys).payload), [
    ...envelopeOf(a.keys).signatures,
    ...envelopeOf(await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a))))
      .signatures,
  ])
  const later = {
    key: encodeBase64url(b.kem.publicKey),
    notBefore: "2026-11-20",
    notAfter: "2027-01-10",
  }
  const one = "one KEM key"
  return {
    about:
      "a keys document under the node key of a root version (of which the fields needed are here)",
    valid: [
      [one, at(a.keys)],
      ["sixty days", await signedAs({ kem: [{ ...kem!, notBefore: "2026-11-02" }] })],
      ["no address and an empty card", await signedAs({ card: {}, urls: [] })],
      ["of two live keys the one that ends last", await signedAs({ kem: [kem!, later] })],
    ],
    hostile: [
      ...misshapen(one, "/bytes/payload", keysPayload(a), "keys.malformed"),
      ...misshapen(one, "/bytes/payload/kem/0", kem!, "keys.malformed", { what: "KEM key: " }),
      ...edited(one, "keys.malformed", [
        ["another type", "/bytes/payload/type", "comity/root/v1"],
        ["another typ in the header", "/bytes/signatures/0/protected/typ", "comity-receipts+jws"],
        ["root version 0", "/bytes/payload/rootVersion", 0],
        ["a member by its words", "/bytes/payload/member", wordsOf(a.id)],
        ["no such network", "/bytes/payload/network", "test"],
        ["an address of another scheme", "/bytes/payload/urls", ["file:///etc/passwd"]],
        [
          "an address with an escape sequence",
          "/bytes/payload/urls",
          ["https://xa.example/\u001b[2J"],
        ],
        ["an address in another script", "/bytes/payload/urls", ["https://х.example"]],
        ["an address of 513 characters", "/bytes/payload/urls", [`https://${"x".repeat(505)}`]],
        [
          "nine addresses",
          "/bytes/payload/urls",
          Array.from({ length: 9 }, () => "https://xa.example"),
        ],
        ["a card line with a line feed", "/bytes/payload/card/contact", "one\ntwo"],
        ["a card line of 257 characters", "/bytes/payload/card/contact", "x".repeat(257)],
        ["a card line that is no text", "/bytes/payload/card/contact", 7],
        ["a card line under a name with a space", "/bytes/payload/card", { "the contact": "one" }],
        [
          "seventeen card lines",
          "/bytes/payload/card",
          Object.fromEntries(
            Array.from({ length: 17 }, (_, i) => [`line${String.fromCharCode(97 + i)}`, "x"]),
          ),
        ],
        ["a KEM key in hex", "/bytes/payload/kem/0/key", filled(32, 1)],
        ["stray bits in a KEM key", "/bytes/payload/kem/0/key", `${"A".repeat(1621)}B`],
        ["days the other way about", "/bytes/payload/kem/0/notBefore", "2027-01-01"],
        ["61 days", "/bytes/payload/kem/0/notBefore", "2026-11-01"],
        ["a time for a day", "/bytes/payload/kem/0/notAfter", "2026-12-31T23:59:59Z"],
      ]),
      [
        "nine KEM keys",
        at(alteredPayload(a.keys, { kem: Array.from({ length: 9 }, () => kem) })),
        "keys.malformed",
      ],
      ["no signature", edit(one, ["/bytes/signatures", []]), "signed.malformed"],
      [
        "the network of the header alone",
        edit(one, ["/bytes/signatures/0/protected/network", "operational"]),
        "network.mismatch",
      ],
      [
        "the kid of another key",
        edit(one, ["/bytes/signatures/0/protected/kid", filled(32, 1)]),
        "signed.unknown-key",
      ],
      [
        "a signature cut short",
        edit(one, ["/bytes/signatures/0/signature", "AAAA"]),
        "signed.invalid",
      ],
      [
        "a signature of zeros",
        edit(one, ["/bytes/signatures/0/signature", "A".repeat(86)]),
        "signed.invalid",
      ],
      [
        "signed by another node",
        at(await signByNode(b, "comity-keys+jws", encodeCanonical(keysPayload(a)))),
        "signed.unknown-key",
      ],
      ["a second signature", at(both), "signed.superfluous"],
      [
        "edited after signing",
        at(alteredPayload(a.keys, { urls: ["https://thief.example"] })),
        "signed.invalid",
      ],
      ["of another member", await signedAs({ member: b.id }), "keys.invalid"],
      ["of another root version", await signedAs({ rootVersion: 2 }), "keys.invalid"],
      ["no KEM key", await signedAs({ kem: [] }), "keys.malformed"],
      [
        "a KEM key one byte short",
        await signedAs({ kem: [{ ...kem!, key: encodeBase64url(a.kem.publicKey.slice(1)) }] }),
        "keys.malformed",
      ],
      [
        "ends before it begins",
        await signedAs({ kem: [{ ...kem!, notAfter: "2026-11-14" }] }),
        "keys.malformed",
      ],
      [
        "a day that does not exist",
        await signedAs({ kem: [{ ...kem!, notAfter: "2026-11-31" }] }),
        "keys.malformed",
      ],
      ["no key on that day", { ...at(a.keys), today: "2027-01-01" }, "keys.expired"],
      [
        "another network",
        { ...at(a.keys), root: { ...root, network: "operational" } },
        "network.mismatch",
      ],
    ],
  }
}

export const keys: Format = { run, cases }
