import { kemKeyPair } from "../../protocol/crypto/kem.ts"
import { decodeHex, encodeHex } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { parsePin, verifyEvidence } from "../../protocol/evidence.ts"
import { joinEpoch, openParcel, parcelEnc } from "../../protocol/exchange/parcel.ts"
import { isAuthorised } from "../../protocol/member/policy.ts"
import { newestRoot, rootVersion, verifyRoots } from "../../protocol/member/root.ts"
import { signoffOf } from "../../protocol/profiles/profile.ts"
import { findProfile } from "../../protocol/profiles/registry.ts"
import { approvalsOf, decodeOrder } from "../../protocol/release/order.ts"
import { verifyPermitted, versionInForce } from "../../protocol/standing.ts"
import {
  bytesField,
  bytesListField,
  integerField,
  malformed,
  type Op,
  type OpInput,
  textField,
} from "./fields.ts"

export const objectOps = {
  "evidence.verify": (input) => {
    const pins = textListField(input, "pins").map(parsePin)
    const { verdict, code, origin, record, ground } = verifyEvidence(
      bytesField(input, "bytes"),
      pins,
    )
    if (verdict === "failed") throw new ProtocolError(code ?? "evidence.malformed")
    return { verdict, origin, record: record?.id, ground }
  },

  // Whether the officers who signed satisfy the policy in force at `index`, and the profile's sign-off.
  "order.verify": (input) => {
    const indexes = input.rootIndexes
    if (!Array.isArray(indexes) || !indexes.every((i) => Number.isSafeInteger(i) && i >= 0))
      throw malformed("rootIndexes")
    const index = integerField(input, "index")
    const order = decodeOrder(bytesField(input, "order"))
    const member = verifyRoots(bytesListField(input, "roots"))
    const { payload } = order
    if (payload.origin !== member.id)
      throw new ProtocolError("order.malformed", { detail: "origin" })
    if (payload.network !== member.network) throw new ProtocolError("network.mismatch")
    if (payload.base.size > index) throw new ProtocolError("order.base")
    const { epoch } = payload.base
    const version = versionInForce(member, epoch, indexes as readonly number[], index)
    const counts =
      payload.act === "withdraw" ? payload.rootVersion <= version : payload.rootVersion === version
    const document = counts ? rootVersion(member, version) : null
    if (document === null) throw new ProtocolError("order.root-version")
    const root = document.payload
    const { revoked } = newestRoot(member).payload
    const approvals = approvalsOf(order, root, { revoked, epoch, index })
    const profile = findProfile(payload.rule.profile)?.profile
    if (profile === undefined) throw new ProtocolError("profile.unknown")
    verifyPermitted(payload, root)
    const signoff = signoffOf(profile, payload.act, payload.rule.kind)
    return { satisfied: isAuthorised(root.policy, signoff, payload.act, payload.rule, approvals) }
  },

  "parcel.open": async (input) => {
    const seed = bytesField(input, "seed")
    if (seed.length !== 32) throw malformed("seed")
    const parcel = bytesField(input, "parcel")
    const sender = memberField(input, "sender")
    const recipient = memberField(input, "recipient")
    const epoch = await joinEpoch(sender, recipient, kemKeyPair(seed), parcelEnc(parcel))
    return encodeHex(openParcel(epoch, parcel))
  },

  "root.verify": (input) => {
    const pin = parsePin(textField(input, "pin"))
    const member = verifyRoots(bytesListField(input, "documents"))
    const isPinned =
      "id" in pin
        ? pin.id === member.id
        : encodeHex(pin.words) === member.id.slice(0, 2 * pin.words.length)
    if (!isPinned) throw new ProtocolError("root.pin")
    return { version: newestRoot(member).payload.version }
  },
} satisfies Record<string, Op>

function textListField(input: OpInput, name: string): readonly string[] {
  const list = input[name]
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string")) throw malformed(name)
  return list
}

function memberField(input: OpInput, name: string): string {
  const id = textField(input, name)
  try {
    if (decodeHex(id).length === 32) return id
  } catch {
    // falls through to the refusal
  }
  throw malformed(name)
}
