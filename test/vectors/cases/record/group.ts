import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { groupOf, verifySuccession } from "../../../../protocol/record/group.ts"
import { decodeRecord } from "../../../../protocol/record/record.ts"
import { a, b, sampleRecord } from "../../cast.ts"
import {
  bytes,
  type Cases,
  edit,
  edited,
  type Format,
  filled,
  type Run,
  shown,
} from "../../format.ts"

const run: Run = (input) => {
  const record = decodeRecord(bytes(input, "record"))
  const group = groupOf(record)
  if (input.before === undefined) return group
  verifySuccession(groupOf(decodeRecord(bytes(input, "before"))), group, record.origin)
  return group
}

const c = filled(32, 0xcc)
const first = {
  ...sampleRecord,
  areas: [],
  fields: { convener: a.id, members: a.id, name: "harbours" },
  kind: "group",
  profile: { digest: sampleRecord.profile.digest, id: "liaison" },
  title: "Group harbours",
}
const previous = filled(32, 7)
const second = {
  ...first,
  fields: { ...first.fields, members: [a.id, b.id, c].sort().join("\n"), previous },
  version: 2,
}
const passed = { ...second, fields: { ...second.fields, convener: b.id }, version: 3 }
const taken = { ...second, origin: b.id, fields: passed.fields, version: 1 }
const name = "three members"

function cases(): Cases {
  const of = (record: object, before?: object) => ({
    record: shown(encodeCanonical(record as never)),
    ...(before === undefined ? {} : { before: shown(encodeCanonical(before as never)) }),
  })
  const code = "group.malformed"
  const fields = "/record/fields"
  return {
    about: "a version of a group, and whether it follows from the one before it",
    valid: [
      ["the convener alone", of(first)],
      [name, of(second, first)],
      ["convening passes to a member", of(passed, second)],
      ["the first version by the next convener", of(taken, passed)],
      ["250 members", of({ ...first, fields: { ...first.fields, members: many(250) } })],
    ],
    hostile: [
      ...edited(name, code, [
        ["no convener", `${fields}/convener`],
        ["no members", `${fields}/members`],
        ["no name", `${fields}/name`],
        ["a second version without the one before it", `${fields}/previous`],
        ["a field that nobody defined", `${fields}/purpose`, "ports"],
        ["members out of order", `${fields}/members`, [a.id, b.id, c].sort().reverse().join("\n")],
        ["a member twice", `${fields}/members`, [a.id, a.id].join("\n")],
        ["a member by its words", `${fields}/members`, "abandon ability able"],
        ["members separated by spaces", `${fields}/members`, [a.id, b.id].sort().join(" ")],
        ["251 members", `${fields}/members`, many(251)],
        ["a name in capitals", `${fields}/name`, "Harbours"],
        ["a name of 33 characters", `${fields}/name`, "x".repeat(33)],
        ["a name with an at sign", `${fields}/name`, "@harbours"],
        ["convening passes to somebody else", `${fields}/convener`, filled(32, 0xdd)],
        ["the version before by its number", `${fields}/previous`, "1"],
      ]),
      ["from another than the convener", of(taken, second), "group.succession"],
      ["by the one who passed it on", of({ ...second, version: 4 }, passed), "group.succession"],
      ["under another name", edit(name, [`${fields}/name`, "ports"]), "group.succession"],
    ],
  }
}

function many(count: number): string {
  const others = Array.from({ length: count - 1 }, (_, i) => i.toString(16).padStart(64, "0"))
  return [...others, a.id].sort().join("\n")
}

export const group: Format = { run, cases }
