import { encodeCanonical } from "../../../../protocol/canonical.ts"
import { interestOf } from "../../../../protocol/record/interest.ts"
import { decodeRecord } from "../../../../protocol/record/record.ts"
import { sampleRecord } from "../../cast.ts"
import { bytes, type Cases, edit, edited, type Format, type Run, shown } from "../../format.ts"

const run: Run = (input) => interestOf(decodeRecord(bytes(input, "record")))

const whole = "every list there is"
const sample = {
  ...sampleRecord,
  fields: {
    kinds: "good-practice\nreport",
    languages: "en\nzh-Hans",
    mechanisms: "general\nippas",
    words: "two-person rule",
  },
  kind: "interest",
  profile: { digest: sampleRecord.profile.digest, id: "liaison" },
  title: "What we look for",
}

function cases(): Cases {
  const at = (record: object) => ({ record: shown(encodeCanonical(record as never)) })
  const fields = "/record/fields"
  const lines = (count: number) => Array.from({ length: count }, (_, i) => `k${i}`).join("\n")
  return {
    about: "what a member looks for",
    valid: [
      [whole, at(sample)],
      ["words alone", edit(whole, [fields, { words: "harbour" }], ["/record/areas", []])],
      ["an area alone", edit(whole, [fields, {}])],
      ["64 kinds", edit(whole, [`${fields}/kinds`, lines(64)])],
      [
        "a request that names nothing but its own words",
        edit(whole, [fields, {}], ["/record/areas", []], ["/record/kind", "request"]),
      ],
    ],
    hostile: [
      ...edited(whole, "interest.malformed", [
        ["a field that nobody defined", `${fields}/states`, "XA"],
        ["a kind in capitals", `${fields}/kinds`, "Report"],
        ["an empty line", `${fields}/kinds`, "report\n\ngood-practice"],
        ["65 kinds", `${fields}/kinds`, lines(65)],
        ["a language by its name", `${fields}/languages`, "English"],
        ["a mechanism with a space", `${fields}/mechanisms`, "ip pas"],
        ["words on two lines", `${fields}/words`, "one\ntwo"],
        ["257 characters of words", `${fields}/words`, "x".repeat(257)],
      ]),
      [
        "an interest in everything",
        edit(whole, [fields, {}], ["/record/areas", []]),
        "interest.malformed",
      ],
    ],
  }
}

export const interest: Format = { run, cases }
