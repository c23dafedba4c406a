import { expect, test } from "vitest"
import { sync } from "../../node/exchange/subscribe.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { requestRelease } from "../../node/order/release.ts"
import { forgetSearch, runSaved, savedSearches, saveSearch } from "../../node/reading/saved.ts"
import { practiceText } from "../support/hostile.ts"
import { authoriseAndPublish, network } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

test("a saved search finds what has come since, and is known to nobody else", async () => {
  await using net = await network(["xa", "xb"])
  const { xa, xb } = net.nodes
  const { context } = xb!
  await saveSearch(context, { name: "gates", query: "canary gates" })
  await saveSearch(context, { name: "ворота", query: "ворота" })
  expect((await runSaved(context, "gates")).records).toEqual([])
  const { record } = await addDraft(xa!.context, practiceText("Canary, gates and pairs"))
  const made = await requestRelease(xa!.context, { records: [record], to: ["xb"] })
  await authoriseAndPublish(xa!, made.orders)
  await sync(context)
  expect((await runSaved(context, "gates")).records).toMatchObject([{ record }])

  await saveSearch(context, { name: "gates", query: "doors" })
  expect((await savedSearches(context)).map(({ name, query }) => [name, query])).toEqual([
    ["gates", "doors"],
    ["ворота", "ворота"],
  ])
  await forgetSearch(context, "gates")
  expect(await codeOf(runSaved(context, "gates"))).toBe("search.unknown")
  expect(await codeOf(forgetSearch(context, "gates"))).toBe("search.unknown")
  expect(await codeOf(saveSearch(context, { name: "two words", query: "a" }))).toBe("search.name")
  expect(await codeOf(saveSearch(context, { name: "empty", query: " " }))).toBe("query.malformed")
  expect(xb!.journal.join("\n")).not.toMatch(/canary|doors/i)
})
