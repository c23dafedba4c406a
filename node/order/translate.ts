import type { TranslationStatus } from "../../protocol/record/link.ts"
import { decodeRecord, recordDigest } from "../../protocol/record/record.ts"
import type { Context } from "../context.ts"
import { contentOf, findRecord } from "../reading/records.ts"
import { formatDraft, parseDraft } from "./draft.ts"
import { addDraft, type DraftView } from "./drafts.ts"

/**
 * Keeps a draft that says the same in another language: title, text and fields are the translator's, the
 * rest is the original's, so that the same officers sign it and the same members may read it.
 *
 * @throws `record.*`
 */
export async function translate(
  context: Context,
  request: {
    readonly record: string
    readonly source: string
    readonly status: TranslationStatus
  },
): Promise<DraftView> {
  const { bytes } = await contentOf(context, await findRecord(context, request.record))
  const { id, origin, version, profile, kind, areas, marking } = decodeRecord(bytes)
  const { fields } = parseDraft(request.source, { profileId: profile.id })
  const translationOf = {
    digest: recordDigest(bytes),
    ...{ id, origin, status: request.status, version },
  }
  return addDraft(context, formatDraft({ ...fields, profile, kind, areas, marking, translationOf }))
}
