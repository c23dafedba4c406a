import { Command } from "commander"
import { describe, expect, test } from "vitest"
import { commandGroups } from "../../cli/command-table.ts"
import { laterNames } from "../../cli/commands/later.ts"
import type { CliContext } from "../../cli/context.ts"
import { comity } from "../support/command-line.ts"

const nowhere = ["--home", "/nowhere/comity", "--json"]

async function codeOf(form: string): Promise<string> {
  const args = [...form.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
  const { exit, stderr } = await comity([...args, ...nowhere], { stdin: "text" })
  return exit === 0 ? "ok" : JSON.parse(stderr).error.code
}

describe("the forms that are fixed", () => {
  test.each([
    "id show",
    "id show --card FILE",
    "peer add -",
    "peer add https://comity.xb.example",
    'peer verify xb --words "w w w"',
    "peer list",
    "peer rename xb harbour",
    "peer block xb",
    "peer remove xb",
    "draft add - --profile ippas",
    "draft list",
    "draft show 4f1c",
    "draft edit 4f1c -",
    "draft rm 4f1c",
    "release request 4f1c 90ab --to xb,xc,@group --onward no --evidence members --until 2099-12-31 --dry-run",
    "release request 4f1c --to public",
    "group list",
    "group create harbours --purpose ports --invite xb,xc",
    "group pass @harbours xb",
    "interest list",
    "interest match 4f1c",
    "interest state --to xb --mechanism ippas --area S.2 --words gates",
    'interest ask "Does anyone watch gates in pairs?" --to xb',
    "order list",
    "order show 7c2e",
    "order refuse 7c2e --reason no",
    "order cancel 7c2e",
    "order sign 7c2e --as p1 --yes",
    "order export 7c2e -o -",
    "publish 7c2e",
    "consent give 7c2e -o -",
    'consent back 7c2e --reason "names a case"',
    'consent object 5d0a --reason "names a person"',
    "serve --listen 127.0.0.1:8440",
    "subscribe xb",
    "sync",
    "sync xb",
    "release request 4f1c --to xb --beyond-default",
    "profile adopt ippas -o FILE",
    "mark list",
    "inbox",
    "search physical inventory",
    "notify --webhook http://127.0.0.1:9000/comity --digest /var/spool/comity",
    "saved add gates gate watched",
    "saved list",
    "saved run gates",
    "saved rm gates",
    "show 4f1c",
    "why 4f1c --peer xb",
    'ask xb "why two persons?" --about 4f1c',
    'answer 4f1c "because"',
    'comment 4f1c "We do the same in ports."',
    'reserve 4f1c "Not in transit."',
    "adopt 4f1c --status adopted",
    "agree 4f1c",
    'follow-up 4f1c "Done in May." --status closed-implemented',
    "translate 4f1c - --status official",
    "trends ippas --together --least 7",
    "calendar list",
    "calendar set cns review-meeting 2027-03-15 --about 4f1c",
    "calendar met 0a12",
    "calendar export -o FILE",
    "receipts 4f1c",
    "hold list",
    "receipts --overdue",
    "outbox",
    "outbox --send xb",
    "peer push xb --off",
    'withdraw 4f1c --reason "superseded"',
    "evidence 4f1c -o FILE",
    "log head",
    "log proof 2",
    "log export DIR",
    "log audit xb",
    "log policy xb",
    "witness add xb xc --sign --yes",
    "witness list",
    "backup FILE",
    "doctor",
    "metrics",
  ])("`%s` gets as far as asking for the home", async (form) => {
    expect(await codeOf(form)).toBe("home.missing")
  })

  test.each([
    ["profile list", "ok"],
    ["profile show ippas", "ok"],
    ["profile show nowhere", "profile.unknown"],
    ["profile check -", "profile.malformed"],
    ["profile diff ippas insserv", "ok"],
    ["draft check -", "draft.errors"],
    ["verify -", "json.malformed"],
    ["restore FILE", "file.missing"],
    ["conform", "ok"],
  ])("`%s` needs none", async (form, code) => {
    expect(await codeOf(form)).toBe(code)
  })

  test.each(["attach 4f1c FILE", "bundle create --to xb -o FILE", "bundle import FILE"])(
    "`%s` belongs to later work, and says so",
    async (form) => {
      expect(await codeOf(form)).toBe("feature.later")
    },
  )
})

describe("help", () => {
  const all = commandGroups.flatMap(({ entries }) => entries)

  async function everyCommand(): Promise<readonly string[][]> {
    const program = new Command("comity")
    for (const { load } of all) (await load())(program, {} as CliContext)
    const paths = (command: Command, path: readonly string[]): string[][] =>
      command.commands.flatMap((sub) => {
        const isHidden = !command.createHelp().visibleCommands(command).includes(sub)
        const own = [...path, sub.name()]
        return isHidden ? [] : [own, ...paths(sub, own)]
      })
    return paths(program, [])
  }

  test("of every command has an example of that command", async () => {
    const paths = await everyCommand()
    expect(paths.length).toBeGreaterThan(50)
    for (const path of paths) {
      const { exit, stdout } = await comity(["help", ...path])
      expect(exit, path.join(" ")).toBe(0)
      expect(stdout).toMatch(new RegExp(`Examples?:\\n[^]*[$|] comity ${path.join(" ")}\\b`))
    }
  })

  test("lists the commands in the order of use, and those of later work not at all", async () => {
    const { stdout } = await comity(["help"])
    const listed = [...stdout.matchAll(/^ {2}([a-z]+)(?: [<[].*?)? {2,}/gm)].map(([, name]) => name)
    const inUse = ["init", "id", "peer", "serve", "draft", "release", "order", "publish"]
    const reading = ["sync", "inbox", "show", "evidence", "verify", "log", "demo"]
    expect(listed.filter((name) => [...inUse, ...reading].includes(name!))).toEqual([
      ...inUse,
      ...reading,
    ])
    for (const name of laterNames) expect(stdout).not.toMatch(new RegExp(`^  ${name}\\b`, "m"))
    expect(await comity(["--help"])).toEqual(await comity(["help"]))
  })

  test("every name in the table is registered by the file that it names", async () => {
    for (const { names, load } of all) {
      const program = new Command("comity")
      ;(await load())(program, {} as CliContext)
      expect(program.commands.map((command) => command.name()).sort()).toEqual([...names].sort())
    }
  })
})
