import { expect, test } from "vitest"
import { addPeerByUrl } from "../../node/authority/peers.ts"
import { encodeCanonical } from "../../protocol/canonical.ts"
import { utf8 } from "../../protocol/encoding.ts"
import { network, type TestNode } from "../support/network.ts"
import { codeOf } from "../support/refusal.ts"

test("a node of another suite, or none, is refused by what its open page says", async () => {
  await using net = await network(["xa", "xb"], { acquainted: false })
  const { xa } = net.nodes as Record<"xa" | "xb", TestNode>
  const real = net.hosts.get("xb.example")!
  const page = await (await real(new Request("https://xb.example/.well-known/comity"))).json()
  const adding = (body: Uint8Array) => {
    net.hosts.set("xb.example", async (request) =>
      new URL(request.url).pathname === "/.well-known/comity"
        ? new Response(body as Uint8Array<ArrayBuffer>)
        : real(request),
    )
    return codeOf(addPeerByUrl(xa.context, "https://xb.example"))
  }
  expect(await adding(encodeCanonical({ ...page, suite: "comity-2" }))).toBe("suite.unknown")
  expect(await adding(encodeCanonical({ suite: "comity-2", version: 2 }))).toBe("suite.unknown")
  expect(await adding(encodeCanonical({ ...page, suite: 1 }))).toBe("suite.unknown")
  expect(await adding(encodeCanonical({ ...page, more: 1 }))).toBe("card.malformed")
  const { suite: _, ...suiteless } = page
  expect(await adding(encodeCanonical(suiteless))).toBe("card.malformed")
  expect(await adding(utf8("null"))).toBe("card.malformed")
  expect(await adding(utf8("<html>"))).toBe("json.malformed")
  expect(await adding(encodeCanonical({ ...page, rootVersion: 2 }))).toBe("peer.refused")
  expect(await adding(encodeCanonical(page))).toBeNull()
})
