import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { lintRules, lintText } from "../../../node/order/lint-rules.ts"

function rulesOf(text: string, facility = false): readonly string[] {
  return lintText(text, { facility }).map(({ rule }) => rule)
}

describe("what should not leave is found", () => {
  test.each<[string, string]>([
    ["secret", "The password: hunter2 opens it"],
    ["secret", "mot de passe : soleil"],
    ["secret", "密码：abc123"],
    ["secret", "-----BEGIN OPENSSH PRIVATE KEY-----"],
    ["marking.ceiling", "TOP SECRET"],
    ["marking.ceiling", "سري للغاية"],
    ["marking.national", "VS-NfD"],
    ["threat", "The design basis threat assumes 6 persons."],
    ["response", "The response time is below 12 minutes."],
    ["response", "Le délai d'intervention est de 8 minutes."],
    ["response", "响应时间为 8 分钟"],
    ["response", "زمن الاستجابة ٨ دقائق"],
    ["guards", "There are 14 armed guards."],
    ["guards", "Shifts change at 6."],
    ["position", "Two cameras are mounted behind the gate."],
    ["coordinates", "59.32930, 18.06860"],
    ["coordinates", "59°19'45\"N 18°04'07\"E"],
    ["coordinates", "https://maps.example/?q=59.3293,18.0686"],
    ["network", "the server at 10.20.0.7"],
    ["network", "10.20.0.0/16"],
    ["network", "fe80::1ff:fe23:4567:890a"],
    ["network", "00:1b:44:11:3a:b7"],
    ["network", "host scada1.internal"],
    ["serial", "serial number: KX-20441"],
    ["serial", "序列号 AB12345"],
    ["contact", "write to duty.officer@authority.example"],
    ["contact", "+43 1 2600 0000"],
    ["contact", "هاتف: ٠١٢٣٤٥٦٧٨"],
    ["person", "Dr. Maria Example explained it."],
    ["person", "王某某先生"],
    ["person", "الدكتور/ فلان"],
    ["weakness", "CVE-2024-12345"],
    ["weakness", "The gap is not yet closed."],
    ["facility", "At Exampleville Nuclear Power Plant this works."],
    ["facility", "Exampleville-2 NPP"],
    ["hidden", "a\u202eb"],
    ["image", "![plan](https://a.example/plan.png)"],
  ])("%s: %s", (rule, text) => {
    expect(rulesOf(text)).toContain(rule)
  })

  test("a weakness counts only beside a named facility", () => {
    expect(rulesOf("Vulnerabilities are rated by an independent group.")).toEqual([])
    expect(rulesOf("Vulnerabilities are rated by an independent group.", true)).toEqual([
      "weakness.facility",
    ])
  })

  test("a facility named under its own key is no oversight", () => {
    expect(rulesOf("Exampleville NPP", true)).toEqual([])
  })

  test("full-width digits hide nothing", () => {
    expect(rulesOf("１０．２０．０．７")).toEqual(["network"])
  })

  test("a finding gives the line and never what it found", () => {
    const findings = lintText("\n\npassword: hunter2\n", { facility: false })
    expect(findings).toMatchObject([{ line: 3, rule: "secret", severity: "error" }])
    expect(JSON.stringify(findings)).not.toContain("hunter2")
  })

  test("a finding at the end of a very long line is found", () => {
    expect(rulesOf(`${"word ".repeat(2000)}password: hunter2`)).toEqual(["secret"])
  })
})

describe("what is said in every good practice is left alone", () => {
  test.each([
    "INFCIRC/225/Rev.5, para 4.2.1.3; NSS 13, paragraph 3.26.1.10",
    "The nuclear power plant and each research reactor take part.",
    "Response times are measured in every exercise.",
    "The design basis threat is reviewed every year.",
    "Passwords are kept by two people. Password rules are published.",
    "The guards' union agreed. 3 exercises, 12 findings, 2019-2023.",
    "In 2015 the mission made 3 recommendations, 30 suggestions, 21 good practices.",
    "https://www.neimagazine.com/news/iaea-osart-team-completes-review-5767241/",
    "Secret sharing is not meant; information stays confidential.",
    "The ratio is 1.125, 2.250 at most 12:30:45.",
    "机密性、完整性和可用性",
    "السيدات والسادة",
    "Prof. development is a plan. Mr and Mrs are forms of address.",
  ])("%s", (text) => {
    expect(rulesOf(text)).toEqual([])
  })
})

test("no text makes a rule slow or throw", () => {
  const hostile = ["1.", "a@", ":", "é", "'", "A", "0 ", "°", "Dr ", "response time ", "0.000"]
  for (const piece of hostile) expect(() => rulesOf(piece.repeat(5_000), true)).not.toThrow()
  // Processor time, as the machine may be busy; each of these once took from one place to the next.
  for (const piece of ["f", "a-", "B’", "Ab ", "1.", "é"]) {
    const before = process.cpuUsage()
    rulesOf(piece.repeat(2_000), true)
    const { user } = process.cpuUsage(before)
    expect(user / 1000, `milliseconds for ${piece}`).toBeLessThan(60)
  }
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      for (const { line } of lintText(text, { facility: true })) expect(line).toBeGreaterThan(0)
    }),
    { numRuns: 50 },
  )
})

test("every rule has one name", () => {
  expect(new Set(lintRules.map(({ rule }) => rule)).size).toBe(lintRules.length)
})
