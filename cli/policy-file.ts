import type { PolicyLine } from "../protocol/member/policy.ts"
import { UsageError } from "./usage-error.ts"

/**
 * A policy as people write it: YAML, a list of lines; what a line leaves out is `any`, and one person. A
 * profile is named by its id.
 */
export async function parsePolicyFile(source: string): Promise<readonly PolicyLine[]> {
  const { parse } = await import("yaml")
  const { policyShape } = await import("../protocol/member/policy.ts")
  const { decodeShape } = await import("../protocol/shape.ts")
  try {
    const lines: unknown = parse(source)
    if (!Array.isArray(lines)) throw new TypeError("a policy is a list of lines")
    const filled = await Promise.all(lines.map(fill))
    return decodeShape(policyShape, filled as never, "root.malformed")
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n")[0] : ""
    throw new UsageError("usage.invalid", `This is not a policy: ${why}.`, {
      hint: "Lines as in: - {act: release, profile: ippas, role: competentAuthority, persons: 1}",
      cause,
    })
  }
}

async function fill(line: unknown): Promise<unknown> {
  const { findProfile, findProfileById } = await import("../protocol/profiles/registry.ts")
  if (typeof line !== "object" || line === null) throw new TypeError("a line is a list of fields")
  const given = { act: "any", kind: "any", persons: 1, profile: "any", role: "any", ...line }
  if (given.profile === "any") return given
  const found = findProfileById(String(given.profile)) ?? findProfile(String(given.profile))
  if (found === null) throw new TypeError(`no profile ${String(given.profile)}`)
  return { ...given, profile: found.digest }
}
