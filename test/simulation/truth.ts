import { createHash } from "node:crypto"
import type { Published, Scheduled } from "../../node/log/sequencer.ts"
import { everybody } from "../../protocol/release/grant.ts"
import type { Place } from "./books.ts"
import { personsNeeded } from "./founding.ts"

/** One version of a record to one member, under an act. */
export type Meant = {
  readonly act: "release" | "withdraw"
  readonly origin: string
  readonly record: string
  readonly version: number
  readonly recipient: string
}

/** An order as its officers know it. */
export type Authorised = {
  readonly origin: string
  readonly order: string
  readonly grants: readonly Meant[]
  /** who signed exactly these bytes, by the officer's own will */
  readonly persons: Set<string>
}

/** An order that its origin was told to be published. */
export type Acknowledged = Pick<Published, "order" | "index"> & { readonly origin: string }

/** What an author and the officers of a member agreed on, apart from any server. */
export type Intent = {
  readonly act: Meant["act"]
  readonly record: string
  /** stands in the text that is to go */
  readonly mark: string
  readonly recipients: ReadonlySet<string>
}

/**
 * What is true, whatever the nodes say: known from outside, from what people did and were told. Against
 * it the nodes are judged.
 */
export class Truth {
  /** by hex digest of the payload */
  readonly authorised = new Map<string, Authorised>()
  /** `order` → what it is for, for those who asked for it */
  readonly intents = new Map<string, Intent>()
  acknowledged: readonly Acknowledged[] = []
  /** record id → the mark in its text, of every text ever written for it */
  readonly marks = new Map<string, string[]>()
  /** `origin record version`: what no honest member may ever hold */
  readonly poison = new Set<string>()
  /** orders of adversaries that stand for all that: another's record under the same id is in nobody's way */
  readonly sound = new Set<string>()
  /** `origin kid` → the index from which its signatures do not count, and the root version that says so */
  readonly revoked = new Map<string, { readonly from: number; readonly by: number }>()

  /** members that have signed two histories */
  readonly equivocators = new Set<string>()

  acknowledge(origin: string, published: Published | Scheduled): void {
    if (!("index" in published)) return
    const { order, index } = published
    this.acknowledged = [...this.acknowledged, { origin, order, index }]
  }

  authorise(payload: Uint8Array, order: Omit<Authorised, "persons">, person: string): void {
    const digest = payloadDigest(payload)
    const known = this.authorised.get(digest) ?? { ...order, persons: new Set() }
    known.persons.add(person)
    this.authorised.set(digest, known)
  }

  /** Whether enough persons have released it to this member, ever. */
  isMeantFor(recipient: string, { origin, id, version }: Place): boolean {
    return [...this.authorised.values()].some(
      ({ persons, grants }) =>
        persons.size >= personsNeeded &&
        grants.some(
          (one) =>
            one.act === "release" &&
            (one.recipient === recipient || one.recipient === everybody) &&
            one.origin === origin &&
            one.record === id &&
            one.version === version,
        ),
    )
  }

  mark(record: string, mark: string): void {
    this.marks.set(record, [...(this.marks.get(record) ?? []), mark])
  }
}

export function payloadDigest(payload: Uint8Array): string {
  return createHash("sha256").update(payload).digest("hex")
}
