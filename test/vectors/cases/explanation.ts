import { signEd25519 } from "../../../protocol/crypto/sign.ts"
import {
  encodeExplanation,
  explanationTyp,
  verifyExplanation,
} from "../../../protocol/explanation.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { verifyRoots } from "../../../protocol/member/root.ts"
import { encodeSigned, signLine } from "../../../protocol/signed.ts"
import type { TestMember } from "../../support/world.ts"
import { a, b } from "../cast.ts"
import {
  bytes,
  bytesList,
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
  const member = verifyRoots(bytesList(input, "roots"))
  const { digest, payload } = verifyExplanation(bytes(input, "bytes"), member)
  return { digest, text: payload.text }
}

async function cases(): Promise<Cases> {
  const payload = {
    day: "2026-11-24",
    member: a.id,
    network: a.network,
    subject: filled(32, 0x81),
    text: "An old backup was started beside the running node.",
    type: "comity/explanation/v1" as const,
  }
  const line = (by: TestMember, network = a.network) => {
    const header = {
      alg: "Ed25519",
      kid: kidOf(by.root.nodeKey),
      network,
      typ: explanationTyp,
    } as const
    return signLine(header, encodeExplanation(payload), (message) =>
      signEd25519(message, by.nodeSeed),
    )
  }
  const sign = async (...by: readonly TestMember[]) =>
    encodeSigned(encodeExplanation(payload), await Promise.all(by.map((one) => line(one))))
  const one = "an explanation"
  const roots = a.roots.map(shown)
  const at = (document: Uint8Array) => ({ bytes: shown(document), roots })
  const own = await sign(a)
  const code = "inconsistency.malformed"
  return {
    about:
      "what a member says to a proof of inconsistency, under the node key of its newest root version",
    valid: [[one, at(own)]],
    hostile: [
      ...misshapen(one, "/bytes/payload", payload, code),
      ...edited(one, code, [
        ["another type", "/bytes/payload/type", "comity/explanation/v2"],
        ["typ of another object", "/bytes/signatures/0/protected/typ", "comity-keys+jws"],
        ["about half a digest", "/bytes/payload/subject", filled(16, 1)],
        ["without a word", "/bytes/payload/text", ""],
        ["4,001 characters", "/bytes/payload/text", "x".repeat(4001)],
        ["an escape sequence", "/bytes/payload/text", "\u001b[2J"],
        ["a day that does not exist", "/bytes/payload/day", "2026-11-31"],
        ["of another member", "/bytes/payload/member", b.id],
      ]),
      [
        "edited after signing",
        edit(one, ["/bytes/payload/text", "Nothing happened."]),
        "signed.invalid",
      ],
      ["signed by another node", at(await sign(b)), "signed.unknown-key"],
      ["a second signature", at(await sign(a, b)), "signed.superfluous"],
      ["no signature", edit(one, ["/bytes/signatures", []]), "signed.malformed"],
      ["under another member's root documents", { ...edit(one), roots: b.roots.map(shown) }, code],
      [
        "another network in the header",
        edit(one, ["/bytes/signatures/0/protected/network", "operational"]),
        "network.mismatch",
      ],
      [
        "another network throughout",
        edit(
          one,
          ["/bytes/signatures/0/protected/network", "operational"],
          ["/bytes/payload/network", "operational"],
        ),
        "network.mismatch",
      ],
      [
        "one byte more than it may have",
        { bytes: repeated("20", 262_145), roots },
        "json.too-large",
      ],
    ],
  }
}

export const explanation: Format = { run, cases }
