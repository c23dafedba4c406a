import { expect, test } from "vitest"
import { search } from "../../../node/reading/records.ts"
import {
  countBy,
  errorsIn,
  holds,
  membersOf,
  rewrite,
  share,
  tell,
  write,
} from "../../support/mechanism.ts"

const party = { roles: ["foreignMinistry", "competentAuthority"] }

test("a Party tells of its laws and points of contact, in a language of the Convention, and finds others' by principle", async () => {
  await using net = await membersOf({
    xa: party,
    xb: party,
    xd: { kind: "secretariat", roles: ["moderator"] },
  })
  const { xa, xb, xd } = net.nodes
  const law = { citation: "Loi 2026-12", inForceFrom: "2026-07-01" }
  const told = await tell(xa, [xb, xd], "cppnm-14", "law-regulation-notice", {
    ...law,
    title: "Loi sur la protection physique",
    areas: ["Art.7", "FP-C"],
    language: "fr",
    status: "current",
  })
  await tell(xa, [xb, xd], "cppnm-14", "point-of-contact", {
    title: "Point of contact",
    role: "Duty officer of the authority",
    channel: "through this node",
  })
  expect(await holds(xb)).toEqual(["Loi sur la protection physique", "Point of contact"])
  expect((await search(xb.context, "CPPNM-A:FP-C")).records).toHaveLength(1)

  // The law changes: the notice in a new version says so to those who had the first.
  const amended = { title: "Loi sur la protection physique", areas: ["Art.7", "FP-C"] }
  const notice = { ...law, ...amended, language: "fr", status: "amended" }
  await rewrite(xa, told, "cppnm-14", "law-regulation-notice", notice)
  await share(xa, told, [xb, xd])
  expect(await countBy(xb, [told], "status")).toEqual({ amended: 1 })
  expect(await holds(xb)).toHaveLength(2)

  const german = { ...law, areas: ["FP-C"], language: "de" }
  expect(errorsIn(await write(xa, "cppnm-14", "law-regulation-notice", german))).toEqual([
    "profile.violated",
  ])
  const person = {
    title: "Contact",
    role: "Duty officer",
    channel: "through this node",
    body: "Ask Dr. Example.",
  }
  expect(errorsIn(await write(xa, "cppnm-14", "point-of-contact", person))).toEqual(["person"])
  const open = { role: "Duty officer", channel: "through this node", marking: "TLP:CLEAR" }
  expect(errorsIn(await write(xa, "cppnm-14", "point-of-contact", open))).toEqual([
    "profile.violated",
  ])
})
