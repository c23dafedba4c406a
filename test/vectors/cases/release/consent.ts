import {
  decodeProfile,
  encodeProfile,
  profileDigest,
} from "../../../../protocol/profiles/profile.ts"
import {
  consentSubject,
  decodeConsent,
  takingBack,
  verifyConsentOrder,
} from "../../../../protocol/release/consent.ts"
import { reviewProfile } from "../../../support/review-profile.ts"
import { consentOf, makeStory } from "../../../support/story.ts"
import { makeMember, nextRoot, witnessEntry, witnessSigners } from "../../../support/world.ts"
import { b, c } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Input,
  misshapen,
  type Run,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const consent = decodeConsent(bytes(input, "bytes"))
  const profile = decodeProfile(bytes(input, "profile"))
  const agreed = verifyConsentOrder(consent, profile, { members: new Map() })
  const { payload } = consent.proven.order
  return {
    member: agreed.member,
    subject: payload.subject,
    index: agreed.index,
    rootVersion: agreed.root.version,
    approvals: agreed.approvals,
    isQuorate: agreed.witnessing.isQuorate,
    payload: consentSubject(payload),
    takenBackBy: takingBack(payload),
  }
}

async function cases(): Promise<Cases> {
  const profile = encodeProfile(reviewProfile)
  const profiles = [profileDigest(profile)]
  const origin = await makeMember({ seed: "vector member A", profiles })
  const by = await makeMember({ seed: "vector member D", state: "XD", profiles })
  const { order } = (await makeStory({ origin, profile: reviewProfile })).claim
  const release = order.payload
  const of = async (
    changes: Partial<Parameters<typeof consentOf>[1]> = {},
    more: Input = {},
  ): Promise<Input> => ({
    bytes: shown(await consentOf(release, { by, ...changes })),
    profile: shown(profile),
    ...more,
  })
  const one = "to a release of another member"
  const whole = JSON.parse((await of()).bytes as string)
  const watched = await makeMember({
    seed: "vector member D",
    state: "XD",
    profiles,
    fields: { quorum: 2, witnesses: [witnessEntry(b), witnessEntry(c)] },
  })
  const renewed = await nextRoot(by)
  const closed = await nextRoot(by, {
    fields: { closing: { answers: "", day: "2027-01-01", keep: true } },
  })
  const stranger = await makeMember({ seed: "vector member D", state: "XD" })
  const empty = {
    epoch: 1,
    root: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    size: 0,
  }
  const code = "consent.malformed"
  const payload = (field: string) => `/bytes/order/payload/${field}`
  return {
    about:
      "a consent of one member, proven in its own log, under the profile beside it; `takenBackBy` is the subject of the order that takes it back",
    valid: [
      [one, await of()],
      ["on a base of nothing", await of({ order: { base: empty } })],
      ["by three officers", await of({ signers: ["p1", "p2", "p3"] })],
      ["under root version 2", await of({ by: renewed })],
      [
        "cosigned by two witnesses",
        await of({ by: watched, cosigners: [b, c].flatMap(witnessSigners) }),
      ],
      ["pending", await of({ by: watched, cosigners: witnessSigners(b) })],
    ],
    hostile: [
      ...misshapen(one, "/bytes", whole, code, {}).filter(([name]) => name !== "order null"),
      ...edited(one, code, [
        ["another type", "/bytes/type", "comity/consent/v2"],
        ["no root document", "/bytes/roots", []],
        ["a root document without its path", "/bytes/roots/0/path"],
        ["a root document that is a text", "/bytes/roots/0/document", "root"],
        ["a salt of 16 bytes", "/bytes/salt", filled(16, 1)],
      ]),
      [
        "a release",
        edit(
          one,
          [payload("act"), "release"],
          [payload("root"), filled(32, 1)],
          [payload("subject")],
        ),
        code,
      ],
      ["without a subject", edit(one, [payload("subject")]), "order.malformed"],
      ["of another member", await of({ order: { origin: origin.id } }), code],
      ["for another network", await of({ order: { network: "operational" } }), "network.mismatch"],
      ["another salt", edit(one, ["/bytes/salt", filled(32, 1)]), "inclusion.invalid"],
      ["by one officer of two", await of({ signers: ["p1"] }), "order.unauthorised"],
      [
        "without the role that the profile asks for",
        await of({ signers: ["p2", "p3"] }),
        "order.unauthorised",
      ],
      ["under another root version", await of({ order: { rootVersion: 2 } }), "order.root-version"],
      ["after its member closed", await of({ by: closed }), "root.closed"],
      [
        "under a profile that its member has not adopted",
        await of({ by: stranger }),
        "profile.unadopted",
      ],
      [
        "on a base of another log",
        await of({ order: { base: { ...empty, root: filled(32, 1) } } }),
        "order.base",
      ],
    ],
  }
}

export const consent: Format = { run, cases }
