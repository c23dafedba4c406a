import { describe, expect, test } from "vitest"
import { PeerUnreachable } from "../../../node/env.ts"
import { connectablePeer, isPublicAddress, peerUrl } from "../../../node/http/peer-url.ts"

const outside = { allowPrivate: false }
const refused = expect.objectContaining({ code: "url.refused" })

describe("a peer's URL", () => {
  test.each([
    ["https://node.aland.example", "https://node.aland.example/"],
    ["HTTPS://Node.Aland.Example:443/comity", "https://node.aland.example/comity"],
    ["https://node.aland.example:8443/", "https://node.aland.example:8443/"],
    ["https://node.aland.example./", "https://node.aland.example/"],
    ["https://bücher.example/", "https://xn--bcher-kva.example/"],
    ["https://ｎｏｄｅ。aland.example/", "https://node.aland.example/"],
    ["https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"],
    ["https://8.8.8.8/", "https://8.8.8.8/"],
    ["https://0x08.8.2056/", "https://8.8.8.8/"],
    ["https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"],
    ["https://internal.example/", "https://internal.example/"],
    ["https://localhost.example/", "https://localhost.example/"],
  ])("%s is %s", (text, normalised) => {
    expect(peerUrl(text, outside)).toBe(normalised)
    expect(peerUrl(normalised, outside)).toBe(normalised)
  })

  // biome-ignore format: one hazard a line would fill two screens
  const inside = [
    "http://node.aland.example/", "ftp://node.aland.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "data:,x",
    "javascript:alert(1)", "//node.aland.example/", "node.aland.example", "", "https://", "https:///node.aland.example/",
    "https:node.aland.example", "https:/node.aland.example/", "https:\\\\node.aland.example/", "https://\\127.0.0.1/",
    "https://user@node.aland.example/", "https://user:pass@node.aland.example/", "https://@node.aland.example/",
    "https://node.aland.example#@127.0.0.1/", "https://node.aland.example/#f", "https://node.aland.example/?q=1", "https://node.aland.example/?",
    "https://node.aland.example:0/", "https://node.aland.example:65536/", "https://node.aland.example\\@127.0.0.1/",
    " https://node.aland.example/", "https://node.aland.example/ ", "https://node.al\tand.example/", "https://node.aland.example/\r\nHost: x",
    "https://node.al\u00adand.example/", "https://node.al\u200band.example/", "https://localhost/", "https://LOCALHOST/", "https://localhost./",
    "https://localhost:8443/", "https://a.localhost/", "https://printer.local/", "https://printer.local./", "https://metadata.google.internal/",
    "https://vault.internal/", "https://router.home.arpa/", "https://intranet/", "https://metadata/", "https://db.svc/", "https://db.svc.cluster.local/",
    "https://127.0.0.1.nip.io/", "https://localtest.me/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "https://ｌｏｃａｌｈｏｓｔ/", "https://%6c%6f%63alhost/",
    "https://127.0.0.1/", "https://127.0.0.1./", "https://127.1/", "https://127.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://0x7f.0x0.0x0.0x1/", "https://127.255.255.254/", "https://①②⑦.0.0.1/", "https://127。0。0。1/",
    "https://%31%32%37.0.0.1/", "https://0/", "https://0.0.0.0/", "https://10.0.0.1/", "https://012.0.0.1/", "https://167772161/", "https://172.16.0.1/",
    "https://172.31.255.255/", "https://192.168.1.1/", "https://0xc0a80101/", "https://100.64.0.1/", "https://100.100.100.200/", "https://169.254.169.254/",
    "https://0xa9fea9fe/", "https://2852039166/", "https://0251.0376.0251.0376/", "https://168.63.129.16/", "https://192.0.0.192/", "https://192.0.2.1/",
    "https://192.88.99.1/", "https://198.18.0.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://224.0.0.1/", "https://239.255.255.250/",
    "https://240.0.0.1/", "https://255.255.255.255/", "https://256.0.0.1/", "https://1.2.3.4.5/", "https://[::]/", "https://[::1]/", "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::ffff:8.8.8.8]/", "https://[::127.0.0.1]/", "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::a00:1]/", "https://[100::1]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fec0::1]/",
    "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2001::1]/", "https://[2001:0:4136:e378::1]/", "https://[2001:10::1]/",
    "https://[2001:2::1]/", "https://[2001:db8::1]/", "https://[2002:7f00:1::]/", "https://[2002:a00:1::1]/", "https://[3fff::1]/", "https://[5f00::1]/",
    "https://[2606:4700::5efe:a00:1]/", "https://[2606:4700::200:5efe:a00:1]/", "https://[127.0.0.1]/", "https://[::1", "https://xn--/", "https://a..b.example/",
    "https://-.-/", `https://${"a".repeat(64)}.example/`, `https://${"a.".repeat(200)}example/`, `https://node.aland.example/${"a".repeat(4096)}`,
  ]
  test.each(inside.map((text) => [text]))("%j is refused", (text) => {
    expect(() => peerUrl(text, outside)).toThrow(refused)
  })

  test("a node that is itself on loopback may reach any address, over plain http too", () => {
    const policy = { allowPrivate: true }
    expect(peerUrl("http://127.0.0.1:8700", policy)).toBe("http://127.0.0.1:8700/")
    expect(peerUrl("http://[::1]:8700/", policy)).toBe("http://[::1]:8700/")
    for (const text of ["ftp://127.0.0.1/", "http://a@127.0.0.1/", "http://127.0.0.1:0/"])
      expect(() => peerUrl(text, policy)).toThrow(refused)
  })

  test("the operator vouches for exact hosts only", () => {
    const policy = { allowPrivate: false, allow: ["node-b", "10.0.0.7:8443"] }
    expect(peerUrl("http://node-b:8700/", policy)).toBe("http://node-b:8700/")
    expect(peerUrl("https://10.0.0.7:8443/", policy)).toBe("https://10.0.0.7:8443/")
    for (const text of [
      "https://10.0.0.7/",
      "https://10.0.0.7:8444/",
      "http://a.node-b/",
      "https://node-bb/",
    ])
      expect(() => peerUrl(text, policy)).toThrow(refused)
  })
})

describe("the address of a peer", () => {
  test.each(["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1", "2a00::1"])(
    "%s is public",
    (ip) => expect(isPublicAddress(ip)).toBe(true),
  )

  test.each(["", "localhost", "127.1", "8.8.8.8 ", "2606:4700::1%eth0", "::ffff:8.8.8.8"])(
    "%j is not",
    (ip) => expect(isPublicAddress(ip)).toBe(false),
  )

  test("is asked for once, and what was checked is what is connected to", async () => {
    let asked = 0
    const rebinding = async () => (asked++ === 0 ? ["8.8.8.8"] : ["127.0.0.1"])
    const peer = await connectablePeer("https://a.example/", rebinding, outside)
    expect(peer).toEqual({ url: "https://a.example/", addresses: ["8.8.8.8"] })
    expect(asked).toBe(1)
  })

  test("one inside address among good ones refuses the name", async () => {
    for (const hidden of ["127.0.0.1", "fd00::1", "::ffff:10.0.0.1", "169.254.169.254"]) {
      const lookup = async () => ["8.8.8.8", hidden, "2606:4700::1"]
      await expect(connectablePeer("https://a.example/", lookup, outside)).rejects.toEqual(refused)
    }
  })

  test("a host that the operator vouches for may be inside", async () => {
    const policy = { allowPrivate: false, allow: ["node-b"] }
    const peer = await connectablePeer("http://node-b:8700/", async () => ["10.0.0.7"], policy)
    expect(peer.addresses).toEqual(["10.0.0.7"])
  })

  test("an address needs no lookup", async () => {
    const lookup = () => Promise.reject(new Error("asked"))
    const peer = await connectablePeer("https://[2606:4700::1]:8443/", lookup, outside)
    expect(peer.addresses).toEqual(["2606:4700::1"])
  })

  test("a name without address is unreachable, which says nothing about the peer", async () => {
    const lookup = async () => []
    await expect(connectablePeer("https://a.example/", lookup, outside)).rejects.toBeInstanceOf(
      PeerUnreachable,
    )
  })
})
