import { BlockList, isIPv4, isIPv6 } from "node:net"
import { ProtocolError } from "../../protocol/errors.ts"
import { PeerUnreachable } from "../env.ts"

/**
 * Where a node may connect to. A peer names its own URLs, so each one is a wish of somebody else that
 * our node send requests from inside our network.
 */
export type PeerUrlPolicy = {
  /** True where the node's own URL is loopback: plain http and any address. */
  readonly allowPrivate: boolean
  /** Hosts (`name` or `name:port`, as `URL` writes them) that the operator vouches for, likewise. */
  readonly allow?: readonly string[]
}

/** All A and AAAA addresses of a name. */
export type Lookup = (hostname: string) => Promise<readonly string[]>

const maxLength = 2048

/** Names that by their definition, or by wide custom, lead inside; the address is checked anyway. */
const insideSuffixes = [
  ...["localhost", "local", "internal", "home.arpa"], // RFC 6761, RFC 6762, ICANN, RFC 8375
  ...["localdomain", "lan", "home", "corp", "intranet", "private", "svc", "onion", "invalid"],
  ...["nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me"], // spell an address, or loopback
]

/**
 * The URL as WHATWG normalises it (octal, hexadecimal and shortened IPv4, IDN, case, default port),
 * without a trailing dot of its host.
 *
 * @throws `url.refused`
 */
export function peerUrl(text: string, policy: PeerUrlPolicy): string {
  // What the URL parser repairs (white space, backslashes, missing slashes), filters read otherwise.
  if (text.length > maxLength || !/^https?:\/\/[^/\\?#@\s]+(?:\/[^\\?#\s]*)?$/i.test(text))
    throw refused("form")
  if (/[\p{Cc}\p{Cf}\p{Zs}]/u.test(text)) throw refused("form")
  const url = parseUrl(text)
  if (url.hostname.endsWith(".")) url.hostname = url.hostname.slice(0, -1)
  if (url.port === "0") throw refused("port")
  if (isVouchedFor(url, policy)) return url.href
  if (url.protocol !== "https:") throw refused("scheme")
  if (!isPublicHost(url.hostname)) throw refused("host")
  return url.href
}

/**
 * Resolves once, for one connection: whoever connects uses these addresses and asks no second time, so a
 * name cannot show one address to the check and another to the socket.
 *
 * @throws `url.refused` when any address is not public; PeerUnreachable when the name has none
 */
export async function connectablePeer(
  text: string,
  lookup: Lookup,
  policy: PeerUrlPolicy,
): Promise<{ readonly url: string; readonly addresses: readonly string[] }> {
  const url = new URL(peerUrl(text, policy))
  const literal = url.hostname.replace(/^\[(.*)\]$/, "$1")
  if (isIPv4(literal) || isIPv6(literal)) return { url: url.href, addresses: [literal] }
  const addresses = await lookup(url.hostname)
  if (addresses.length === 0) throw new PeerUnreachable("the name has no address")
  if (!isVouchedFor(url, policy) && !addresses.every(isPublicAddress)) throw refused("address")
  return { url: url.href, addresses }
}

/** False for every address that is special by the IANA registries, and for text that is no address. */
export function isPublicAddress(ip: string): boolean {
  if (isIPv4(ip)) return !specialIPv4.check(ip, "ipv4")
  // An interface name after a percent sign says that the address is link-local, whatever it looks like.
  if (!isIPv6(ip) || ip.includes("%")) return false
  return globalIPv6.check(ip, "ipv6") && !specialIPv6.check(ip, "ipv6") && !isIsatap(ip)
}

function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return isPublicAddress(hostname.slice(1, -1))
  if (isIPv4(hostname)) return isPublicAddress(hostname)
  // A name of one label is completed by the resolver's search list: it never leaves the house.
  if (hostname.length > 253 || !/^(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}$/.test(hostname))
    return false
  return !insideSuffixes.some((suffix) => hostname === suffix || hostname.endsWith(`.${suffix}`))
}

function isVouchedFor(url: URL, policy: PeerUrlPolicy): boolean {
  if (policy.allowPrivate) return true
  return policy.allow?.some((host) => host === url.host || host === url.hostname) ?? false
}

function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch (cause) {
    throw new ProtocolError("url.refused", { detail: "form", cause })
  }
}

/** IANA IPv4 Special-Purpose Address Registry, multicast, and one cloud's public metadata address. */
const specialIPv4 = blockList("ipv4", [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"],
  ...["172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"],
  ...["198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ...["168.63.129.16/32"],
])

/** RFC 4291 §2.4: all else is loopback, mapped, translated (NAT64), local or multicast. */
const globalIPv6 = blockList("ipv6", ["2000::/3"])

/** Inside it: protocol assignments (Teredo, ORCHID, benchmarking), documentation, 6to4. */
const specialIPv6 = blockList("ipv6", [...["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"]])

function blockList(family: "ipv4" | "ipv6", subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = "", prefix] = subnet.split("/")
    list.addSubnet(network, Number(prefix), family)
  }
  return list
}

/** RFC 5214 §6.1: an IPv4 address tunnelled behind any prefix. */
function isIsatap(ip: string): boolean {
  const normalised = new URL(`http://[${ip}]`).hostname
  return /:(?:200|0)?:?5efe:[0-9a-f]{1,4}:[0-9a-f]{1,4}\]$/.test(normalised)
}

function refused(detail: string): ProtocolError {
  return new ProtocolError("url.refused", { detail })
}
