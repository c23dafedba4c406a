import { expect, test } from "vitest"
import { differences } from "../../../protocol/profiles/difference.ts"
import { ippas } from "../../../protocol/profiles/ippas.ts"
import type { Profile } from "../../../protocol/profiles/profile.ts"
import { wano } from "../../../protocol/profiles/wano.ts"

const practice = ippas.kinds["good-practice"]!
const withPractice = (change: Partial<typeof practice>): Profile => ({
  ...ippas,
  kinds: { ...ippas.kinds, "good-practice": { ...practice, ...change } },
})
const toNobody = { members: "never", network: "never", public: "never" } as const
const { localMark: _mark, onward: _onward, ...without } = ippas

test("a profile differs in nothing from itself", () => {
  expect(differences(ippas, ippas)).toEqual([])
})

/** Each of these is stricter, and looser the other way round. */
test.each<[string, Profile, Profile]>([
  [
    "a signature more",
    ippas,
    {
      ...ippas,
      signoff: [...ippas.signoff, { act: "release", kind: "any", persons: 1, role: "regulator" }],
    },
  ],
  [
    "a field that must be there",
    ippas,
    withPractice({
      optional: practice.optional.filter((one) => one !== "since"),
      required: ["basis", "since", "whyBetter"],
    }),
  ],
  ["a field that may not be there", ippas, withPractice({ optional: [] })],
  [
    "a marking less",
    ippas,
    withPractice({ marking: { allowed: ["TLP:RED"], default: "TLP:RED" } }),
  ],
  ["an area more", ippas, withPractice({ areas: 2 })],
  ["readers fewer", ippas, withPractice({ audience: { ceiling: ["state"], default: ["state"] } })],
  ["nobody by default", ippas, withPractice({ audience: { ...practice.audience!, default: [] } })],
  [
    "nobody may be named",
    ippas,
    withPractice({ naming: { facility: toNobody, person: toNobody, state: toNobody } }),
  ],
  ["a test to pass", ippas, withPractice({ tests: ["whyBetter"] })],
  ["passed on by nobody", ippas, { ...ippas, onward: [] }],
  ["passed on by consent only", without as Profile, { ...without, onward: ["consent"] } as Profile],
  ["a mark of one's own", without as Profile, { ...without, localMark: true } as Profile],
  ["languages named", ippas, { ...ippas, languages: ["en"] }],
  ["a rating that is sealed", { ...wano, rating: { ...wano.rating!, sealed: false } }, wano],
  [
    "larger cells",
    wano,
    { ...wano, comparison: { ...wano.comparison!, k: 5 } as Profile["comparison"] & object },
  ],
  ["a kind less", ippas, { ...ippas, kinds: { "good-practice": practice } }],
  [
    "a consent",
    ippas,
    { ...ippas, consent: [{ kind: "any", members: ["mission"], mode: "explicit" }] },
  ],
])("%s", (_name, a, b) => {
  const is = (from: Profile, to: Profile) => new Set(differences(from, to).map((one) => one.is))
  expect(is(a, b)).toEqual(new Set(["stricter"]))
  expect(is(b, a)).toEqual(new Set(["looser"]))
})

test("what neither asks nor allows is other", () => {
  expect(differences(ippas, { ...ippas, title: "Another", version: 2 })).toEqual([
    { what: "title", is: "other" },
    { what: "version", is: "other" },
  ])
})
