import { describe, expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft, draftById, freezeDraft } from "../../node/order/drafts.ts"
import { askersOf, listInterests, stateInterest } from "../../node/order/interests.ts"
import { requestRelease, requestWithdrawal } from "../../node/order/release.ts"
import { searchContent } from "../../node/reading/search.ts"
import { isFoundBy, searchQuery } from "../../node/reading/search-text.ts"
import {
  ForgedFeed,
  forgeOrder,
  logForged,
  practiceText,
  releaseGrant,
  serveForged,
} from "../support/hostile.ts"
import { authoriseAndPublish, network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

type Nodes = Record<"xa" | "xb" | "xc" | "xd", TestNode>
const nothing = { mechanisms: [], areas: [], kinds: [], languages: [], words: "" }
const told = { kind: "interest", text: "For our review.", language: "en" } as const

async function tell(
  node: TestNode,
  wanted: Partial<Parameters<typeof stateInterest>[1]> & { readonly to: readonly string[] },
) {
  const made = await stateInterest(node.context, {
    ...nothing,
    ...told,
    title: "What we look for",
    ...wanted,
  })
  await authoriseAndPublish(node, made.orders)
  return made.preview[0]!.record
}

const practice = (title: string, lines: readonly string[]) =>
  ["---", `title: ${title}`, ...lines, "---", "What is done.", ""].join("\n")

describe("what members look for", () => {
  test("ends with its last day, at whoever was told and at home", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Nodes
    const until = "2026-12-31"
    await tell(xb, { words: "gates", to: ["xa"], until })
    await tell(xb, { words: "pairs", to: ["xa"] })
    await sync(xa.context)
    const { record } = await addDraft(xa.context, practiceText("Gates are watched in pairs"))
    const words = async ({ context }: TestNode) =>
      (await listInterests(context)).map((one) => [one.words, one.until ?? null])
    for (const node of [xa, xb])
      expect(await words(node)).toEqual([
        ["gates", until],
        ["pairs", null],
      ])
    net.clock.now = Date.parse(`${until}T23:59:59Z`)
    expect(await askersOf(xa.context, record)).toHaveLength(2)
    net.clock.now += 1000
    expect(await askersOf(xa.context, record)).toHaveLength(1)
    for (const node of [xa, xb]) expect(await words(node)).toEqual([["pairs", null]])
    expect(await codeOf(tell(xb, { words: "locks", to: ["xa"], until }))).toBe("terms.invalid")
  })

  test("is seen by the officers who choose an audience, and by nobody whom it was not told", async () => {
    await using net = await network(["xa", "xb", "xc", "xd"])
    const { xa, xb, xc, xd } = net.nodes as Nodes
    const byXb = await tell(xb, { words: "gates", kinds: ["good-practice"], to: ["xa"] })
    await tell(xc, { words: "reactors", to: ["xa"] })
    await tell(xd, { kind: "request", title: "Who watches gates?", words: "gates", to: ["xb"] })
    for (const node of [xa, xb, xc, xd]) await sync(node.context)

    const { record } = await addDraft(xa.context, practiceText("Gates are watched in pairs"))
    expect(await askersOf(xa.context, record)).toMatchObject([{ peer: "xb", by: byXb }])
    const to = (...names: string[]) =>
      requestRelease(xa.context, { records: [record], to: names, dryRun: true })
    expect((await to("xc")).asked).toMatchObject([{ peer: "xb", by: byXb, record, named: false }])
    expect((await to("xb", "xc")).asked).toMatchObject([{ peer: "xb", named: true }])

    // Asked of XB alone: XA has never heard of it.
    expect((await listInterests(xa.context)).map(({ peer }) => peer).sort()).toEqual(["xb", "xc"])
    expect(await listInterests(xb.context)).toMatchObject([
      { peer: "xb", kind: "interest" },
      { peer: "xd", kind: "request", title: "Who watches gates?" },
    ])

    const over = await requestWithdrawal(xb.context, { record: byXb, reason: "found" })
    await authoriseAndPublish(xb, over.orders)
    await sync(xa.context)
    expect((await to("xc")).asked).toEqual([])
  })

  test("asks for one of each list and every word", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Nodes
    const { record } = await addDraft(
      xa.context,
      practice("Gardes à deux", ["language: fr", "areas: [BO, X.1]"]),
    )
    const asked = async (wanted: Partial<Parameters<typeof stateInterest>[1]>) => {
      const by = await tell(xb, { ...wanted, to: ["xa"] })
      await sync(xa.context)
      return (await askersOf(xa.context, record)).some((one) => one.by === by)
    }
    expect(await asked({ languages: ["en", "fr"] })).toBe(true)
    expect(await asked({ languages: ["en"] })).toBe(false)
    expect(await asked({ areas: ["ZZ", "X.1"] })).toBe(true)
    expect(await asked({ areas: ["X"], languages: ["fr"] })).toBe(false)
    expect(await asked({ mechanisms: ["general"], words: "GARDES a deux" })).toBe(true)
    expect(await asked({ mechanisms: ["ippas"] })).toBe(false)
    expect(await asked({ words: "gardes trois" })).toBe(false)
    // It asks in words alone: nobody is shown as if it looked for everything.
    expect(await asked({ kind: "request", title: "Does anyone have a practice?" })).toBe(false)
  })

  test("is refused where it says nothing", async () => {
    await using net = await network(["xa", "xb"])
    const { xa } = net.nodes as Nodes
    expect(await codeOf(tell(xa, { to: ["xb"] }))).toBe("interest.malformed")
    const lines = ["profile: liaison", "kind: interest"]
    const { record } = await addDraft(xa.context, practice("Nothing", lines))
    expect(await codeOf(requestRelease(xa.context, { records: [record], to: ["xb"] }))).toBe(
      "interest.malformed",
    )
  })

  test("is refused by a recipient, too, where it says nothing", async () => {
    await using net = await network(["xa", "xb"])
    const { xa, xb } = net.nodes as Nodes
    const lines = ["profile: liaison", "kind: interest"]
    const { record } = await addDraft(xa.context, practice("Nothing", lines))
    await xa.context.db.transaction().execute(async (trx) => {
      await freezeDraft(xa.context, trx, await draftById(xa.context, record, trx))
    })
    const order = await forgeOrder(xa, [await releaseGrant(xa, record, xb.context.self.id)])
    const entry = await logForged(xa, order.order)
    const feed = new ForgedFeed("ab".repeat(16)).add({ ...order, entry })
    using hostile = serveForged(net, xa, xb, feed)
    await sync(xb.context, "xa")
    expect(hostile.receipts()).toMatchObject([{ state: "refused", code: "interest.malformed" }])
    expect(await listInterests(xb.context)).toEqual([])
  })
})

describe("words of an interest", () => {
  const texts = [
    "Two-person rule at gates",
    "La règle des deux personnes",
    "Правило двух лиц",
    "核材料实物保护",
    "قاعدة الشخصين في المنشأة",
    "Regla de dos personas",
    "A rule for two persons",
  ]
  const queries = [
    "rule",
    '"person rule"',
    '"rule person"',
    "REGLE",
    "правило",
    "核材料",
    "材料",
    "الشخصين",
    "منشاه",
    "personas regla",
    "gate",
    "?",
  ]

  test("find what search finds", async () => {
    await using net = await network(["xa", "xb"])
    const { xa } = net.nodes as Nodes
    const words = "In words of its own."
    for (const text of texts) {
      const { record } = await addDraft(xa.context, practiceText(text, words))
      await requestRelease(xa.context, { records: [record], to: ["xb"] })
    }
    const titles = await xa.context.db.selectFrom("content").select(["rid", "title"]).execute()
    let found = 0
    for (const query of queries) {
      expect(() => searchQuery(query)).not.toThrow()
      const { rids } = await searchContent(xa.context, query, 100)
      const searched = titles.filter(({ rid }) => rids.includes(rid)).map(({ title }) => title)
      const matched = titles.filter(({ title }) => isFoundBy(query, [title, words]))
      expect(matched.map(({ title }) => title).sort(), query).toEqual(searched.sort())
      found += searched.length
    }
    expect(found).toBeGreaterThan(8)
  })
})
