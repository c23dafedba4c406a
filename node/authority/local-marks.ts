import { encodeCanonical, ingest, jsonOf } from "../../protocol/canonical.ts"
import { type Marking, markings } from "../../protocol/record/marking.ts"
import { textLine } from "../../protocol/record/plain-text.ts"
import { decodeShape, json, object, text } from "../../protocol/shape.ts"
import type { Context } from "../context.ts"
import { NodeError } from "../errors.ts"
import { readMeta, writeMeta } from "../store/queries/members.ts"
import type { Db } from "../store/schema.ts"
import { verifyDecision } from "./decision.ts"

/**
 * The marks under which this member handles what others have marked, shown beside theirs. Each is a
 * decision that an officer for information security has signed: nobody else knows what a mark means at
 * home. docs/mechanisms.md
 */

const markShape = textLine({ min: 1, max: 80 })
const storedShape = object({
  day: text({ max: 10 }),
  mark: markShape,
  person: text({ max: 64 }),
  reason: text({ max: 2000 }),
  statement: json,
})

export type LocalMark = {
  readonly marking: Marking
  readonly mark: string
  readonly person: string
  readonly day: string
  readonly reason: string
}

/** What an officer signs to decide on it. */
export function markSubject(marking: Marking, mark: string): string {
  return `${marking} ${mark}`
}

const nameOf = (marking: Marking) => `mark ${marking}`

export async function readLocalMarks(db: Db): Promise<readonly LocalMark[]> {
  const found: LocalMark[] = []
  for (const marking of markings) {
    const bytes = await readMeta(db, nameOf(marking))
    if (bytes === null) continue
    const stored = decodeShape(storedShape, ingest(bytes, 65_536), "statement.malformed")
    const { mark, person, day, reason } = stored
    found.push({ marking, mark, person, day, reason })
  }
  return found
}

/**
 * From now on records marked so are taken in and shown under our own mark too.
 *
 * @throws as verifyDecision; `officer.role` when it is not one for information security
 */
export async function decideLocalMark(
  context: Context,
  wanted: { readonly marking: Marking; readonly mark: string },
  statement: Uint8Array,
): Promise<{ readonly marks: readonly LocalMark[] }> {
  const { marking } = wanted
  const mark = decodeShape(markShape, wanted.mark, "statement.malformed")
  const subject = markSubject(marking, mark)
  const decision = verifyDecision(context, statement, { act: "map-marking", subject })
  const { person, roles } = decision.officer
  if (!roles.includes("informationSecurity"))
    throw new NodeError("officer.role", `${person} is no officer for information security.`)
  const { day, reason } = decision
  const stored = { day, mark, person, reason, statement: jsonOf(statement) }
  await writeMeta(context.db, nameOf(marking), encodeCanonical(stored))
  context.localMarks.set(marking, mark)
  return { marks: await readLocalMarks(context.db) }
}
