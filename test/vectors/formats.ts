import { ProtocolError } from "../../protocol/errors.ts"
import { canonical } from "./cases/canonical.ts"
import { padding } from "./cases/crypto/padding.ts"
import { sealed } from "./cases/crypto/seal.ts"
import { evidence } from "./cases/evidence.ts"
import { card } from "./cases/exchange/card.ts"
import { delivery } from "./cases/exchange/delivery.ts"
import { frames } from "./cases/exchange/frames.ts"
import { parcel } from "./cases/exchange/parcel.ts"
import { receipts } from "./cases/exchange/receipt.ts"
import { returned } from "./cases/exchange/returned.ts"
import { explanation } from "./cases/explanation.ts"
import { httpRequest } from "./cases/http/request.ts"
import { httpResponse } from "./cases/http/response.ts"
import { inconsistency } from "./cases/inconsistency.ts"
import { checkpoint } from "./cases/log/checkpoint.ts"
import { cosignature } from "./cases/log/cosignature.ts"
import { entry } from "./cases/log/entry.ts"
import { merkle } from "./cases/log/merkle.ts"
import { note } from "./cases/log/note.ts"
import { tile } from "./cases/log/tile.ts"
import { tlogProof } from "./cases/log/tlog-proof.ts"
import { witnessPolicy } from "./cases/log/witness-policy.ts"
import { key } from "./cases/member/key.ts"
import { keys } from "./cases/member/keys.ts"
import { officer } from "./cases/member/officer.ts"
import { policy } from "./cases/member/policy.ts"
import { member } from "./cases/member/root.ts"
import { profile } from "./cases/profiles/profile.ts"
import { group } from "./cases/record/group.ts"
import { interest } from "./cases/record/interest.ts"
import { record } from "./cases/record/record.ts"
import { consent } from "./cases/release/consent.ts"
import { grant } from "./cases/release/grant.ts"
import { grantTree } from "./cases/release/grant-tree.ts"
import { order } from "./cases/release/order.ts"
import { precedence } from "./cases/release/precedence.ts"
import { signed } from "./cases/signed.ts"
import { words } from "./cases/words.ts"
import type { Format, Input, Vector } from "./format.ts"

/** Every format, by the name of its file. */
export const formats: { readonly [name: string]: Format } = {
  canonical,
  signed,
  key,
  words,
  member,
  keys,
  officer,
  policy,
  record,
  profile,
  group,
  interest,
  padding,
  sealed,
  grant,
  "grant-tree": grantTree,
  order,
  consent,
  precedence,
  entry,
  merkle,
  note,
  checkpoint,
  cosignature,
  "tlog-proof": tlogProof,
  "witness-policy": witnessPolicy,
  tile,
  parcel,
  delivery,
  frames,
  receipts,
  card,
  returned,
  evidence,
  inconsistency,
  explanation,
  "http-request": httpRequest,
  "http-response": httpResponse,
}

/** What a vector gives: its output, or the code it is refused with. */
export async function answer(
  format: string,
  input: Input,
): Promise<Pick<Vector, "output" | "code">> {
  const { run } = formats[format]!
  try {
    return { output: JSON.parse(JSON.stringify(await run(input))) }
  } catch (cause) {
    if (cause instanceof ProtocolError) return { code: cause.code }
    throw cause
  }
}
