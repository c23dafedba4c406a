import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  stringify,
  visit,
} from "yaml"
import { ProtocolError } from "../../protocol/errors.ts"
import type { NamingRule } from "../../protocol/profiles/naming.ts"
import {
  checkRecord,
  findKind,
  findViolations,
  type Judged,
  type Profile,
} from "../../protocol/profiles/profile.ts"
import { builtInProfiles, findProfile, findProfileById } from "../../protocol/profiles/registry.ts"
import { type About, aboutShape, translationShape } from "../../protocol/record/link.ts"
import { type Marking, markings } from "../../protocol/record/marking.ts"
import { hasBidiControls, hasControls } from "../../protocol/record/plain-text.ts"
import {
  bodyLength,
  type ComityRecord,
  decodeRecord,
  encodeRecord,
  fieldLength,
  titleLength,
} from "../../protocol/record/record.ts"
import { decodeShape, type Shape } from "../../protocol/shape.ts"
import { parseLanguage } from "../../protocol/time.ts"
import { type Finding, lintText } from "./lint-rules.ts"
import { statesNamed } from "./state-names.ts"

/** A record before it has an origin: what the author's file says, the rest by default. */
export type DraftFields = Judged & Pick<ComityRecord, "profile" | "title" | "translationOf">
export type Draft = { readonly fields: DraftFields; readonly findings: readonly Finding[] }

/** Characters of a draft file, and of its front matter. */
const draftLength = 512 * 1024
const frontMatterLength = 64 * 1024

const recordKeys = [
  ...(["title", "profile", "kind", "language", "areas", "marking", "stage"] as const),
  ...(["about", "translationOf"] as const),
]

/**
 * An author's Markdown with YAML front matter (the example in docs/mechanisms.md). Whatever is wrong
 * in it comes back as a finding with its line, never as an exception; a draft with a finding of
 * severity `error` can't be released. `profileId` stands for a `profile:` line; `adopted` are the digests
 * of the profiles in force for its member.
 *
 * @throws `draft.malformed` only for a file of more than 512 Ki characters
 */
export function parseDraft(
  text: string,
  options: { readonly profileId?: string; readonly adopted?: readonly string[] } = {},
): Draft {
  if (text.length > draftLength) throw new ProtocolError("draft.malformed", { detail: "too large" })
  const source = text
    .replace(/^\ufeff/, "")
    .replace(/\r\n?/g, "\n")
    .normalize("NFC")
  const findings: Finding[] = []
  const report: Report = (rule, line, message, severity = "error") =>
    findings.push({ rule, line, severity, text: message })

  const { matter, body, bodyLine } = splitFrontMatter(source, report)
  const entries = readFrontMatter(matter, report)
  // Of front matter that can't be read, that is all there is to say.
  const isUnread = entries.size === 0 && findings.length > 0
  const reportFields = isUnread ? () => {} : report
  const fields = readFields(entries, { body, bodyLine }, options, reportFields)

  const facility = Object.hasOwn(fields.fields, "facility")
  const profile = findProfile(fields.profile.digest)?.profile
  const rule = profile === undefined ? null : findKind(profile, fields.kind)
  const severe = new Set(profile?.lint)
  // What nobody may read in such a record is no matter of care.
  if (rule?.naming?.facility.members === "never") severe.add("facility")
  for (const finding of lintText(source, { facility }))
    findings.push(severe.has(finding.rule) ? { ...finding, severity: "error" } : finding)
  if (rule?.naming !== undefined) findings.push(...stateFindings(source, rule.naming.state))
  return { fields, findings: findings.toSorted((a, b) => a.line - b.line) }
}

/** States named in a text that speaks of none, somewhere or anywhere. */
function stateFindings(source: string, naming: NamingRule["state"]): readonly Finding[] {
  if (Object.values(naming).every((how) => how === "named")) return []
  const isNowhere = naming.members !== "named"
  return statesNamed(source).map((line) => ({
    rule: "state",
    line,
    severity: isNowhere ? "error" : "warning",
    text: isNowhere
      ? "a State that is named: such a record names none"
      : "a State that is named: the record can't go where none may be",
  }))
}

/** Whether it may become a record. */
export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === "error")
}

/** A text that reads back as this record's fields: for records whose draft was lost, or that we word. */
export function formatDraft(
  record: Judged &
    Pick<ComityRecord, "translationOf"> & {
      readonly title: string
      readonly profile: { readonly id: string }
    },
): string {
  const { title, profile, kind, areas, language, marking, fields, body } = record
  const { about, translationOf } = record
  const matter = {
    ...{ title, profile: profile.id, kind, areas, language, marking },
    ...(about === undefined ? {} : { about: formatLink(about.relation, about) }),
    ...(translationOf === undefined
      ? {}
      : { translationOf: formatLink(translationOf.status, translationOf) }),
    ...fields,
  }
  return `---\n${stringify(matter)}---\n${body}\n`
}

/** `RELATION ORIGIN ID VERSION DIGEST`, the last two left out where any version is meant. */
function formatLink(word: string, link: Omit<About, "relation">): string {
  const { origin, id, version, digest } = link
  return [word, origin, id, version, digest].filter((part) => part !== undefined).join(" ")
}

type RecordIdentity = Pick<ComityRecord, "network" | "origin" | "id" | "version"> &
  Partial<Pick<ComityRecord, "attachments">>

/**
 * The record of a draft, as a recipient will check it.
 *
 * @throws `record.malformed`, `profile.unknown`, `profile.violated`, `json.*`
 */
export function buildRecord(
  { fields }: Pick<Draft, "fields">,
  { attachments = [], ...identity }: RecordIdentity,
): ComityRecord {
  const known = findProfile(fields.profile.digest)
  if (known === null) throw new ProtocolError("profile.unknown")
  // Decoded again, so that the names stand in the order of JCS.
  const record = decodeRecord(
    encodeRecord({
      ...fields,
      ...identity,
      attachments,
      type: "comity/record/v1",
    }),
  )
  checkRecord(known.profile, record)
  return record
}

type Report = (rule: string, line: number, text: string, severity?: Finding["severity"]) => void

function splitFrontMatter(source: string, report: Report) {
  const lines = source.split("\n")
  if (lines[0]?.trimEnd() !== "---") return { matter: "", body: source, bodyLine: 1 }
  const end = lines.findIndex((line, i) => i > 0 && /^(---|\.\.\.)\s*$/.test(line))
  if (end < 0) {
    report("front-matter", 1, "the front matter has no closing line `---`")
    return { matter: "", body: lines.slice(1).join("\n"), bodyLine: 2 }
  }
  const body = lines.slice(end + 1).join("\n")
  return { matter: lines.slice(1, end).join("\n"), body, bodyLine: end + 2 }
}

type Entry = { readonly line: number; readonly texts: readonly string[] }
type Entries = ReadonlyMap<string, Entry>

/** Line 1 of the YAML is line 2 of the file. */
const matterLine = 2

function readFrontMatter(matter: string, report: Report): Entries {
  const entries = new Map<string, Entry>()
  if (matter.length > frontMatterLength || nestsDeeply(matter)) {
    report("front-matter", 1, "the front matter is too large or too deeply nested")
    return entries
  }
  const counter = new LineCounter()
  const document = parseDocument(matter, {
    schema: "core",
    version: "1.2",
    customTags: [],
    uniqueKeys: true,
    lineCounter: counter,
    prettyErrors: false,
    logLevel: "silent",
  })
  const lineAt = (offset: number): number => counter.linePos(offset).line - 1 + matterLine
  const lineOf = (node: Node): number => lineAt(node.range?.[0] ?? 0)
  for (const { pos, message } of document.errors)
    report("front-matter", lineAt(pos[0]), `not YAML as expected here: ${message}`)
  if (document.errors.length > 0) return entries

  visit(document, {
    Node: (_key, node) => {
      // A document that refers to itself, or says what its values mean, is more than answers.
      if (isAlias(node) || node.anchor !== undefined || node.tag !== undefined)
        report("front-matter", lineOf(node), "no anchors, aliases or tags")
    },
  })
  if (document.contents === null) return entries
  if (!isMap(document.contents)) {
    report("front-matter", matterLine, "expected lines of the form `key: text`")
    return entries
  }
  for (const { key, value } of document.contents.items) {
    if (!isScalar(key) || typeof key.value !== "string") {
      report("front-matter", matterLine, "a key is one word")
      continue
    }
    const line = lineOf(key)
    const texts = textsOf(value)
    if (texts === null) report("front-matter", line, `${key.value}: expected text or a list of it`)
    else if (texts.length > 0) entries.set(key.value, { line, texts })
  }
  return entries
}

/** Parsers of YAML recurse: depth is bounded on the text, a little too strictly. */
function nestsDeeply(matter: string): boolean {
  let depth = 0
  for (const bracket of matter.match(/[[\]{}]/g) ?? []) {
    depth += bracket === "[" || bracket === "{" ? 1 : -1
    if (depth > 16) return true
  }
  return /^ *(?:[-?:] +){16}/m.test(matter)
}

/** As written, so that 3.10 stays 3.10; no text for a value that is left empty. */
function textsOf(value: unknown): readonly string[] | null {
  if (value === null || value === undefined) return []
  if (isSeq(value)) {
    const found = value.items.map((member) => (isScalar(member) ? textsOf(member) : null))
    return found.includes(null) ? null : found.flatMap((texts) => texts ?? [])
  }
  if (!isScalar(value)) return null
  if (value.value === null) return []
  const text = typeof value.value === "string" ? value.value : (value.source ?? String(value.value))
  return [text.normalize("NFC").trim()].filter((line) => line !== "")
}

function readFields(
  entries: Entries,
  written: { readonly body: string; readonly bodyLine: number },
  { profileId, adopted }: { readonly profileId?: string; readonly adopted?: readonly string[] },
  report: Report,
): DraftFields {
  const line = (key: string): number => entries.get(key)?.line ?? 1
  const single = (key: string): string | undefined => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    if (entry.texts.length > 1) report("value", entry.line, `${key}: expected one text, not a list`)
    return entry.texts[0]
  }

  const writtenProfile = single("profile")
  const wanted = profileId ?? writtenProfile ?? "general"
  if (writtenProfile !== undefined && writtenProfile !== wanted)
    report("profile", line("profile"), `profile: ${wanted} was asked for instead`, "warning")
  const found = findProfileById(wanted, adopted)
  const ids = builtInProfiles.map(({ profile }) => profile.id)
  if (found === null) report("profile", line("profile"), `profile: expected ${among(ids, wanted)}`)
  const { profile, digest } = found ?? builtInProfiles[0]!

  const kind = single("kind") ?? "good-practice"
  const rule = findKind(profile, kind)
  if (!/^[a-z][a-z0-9-]{0,40}$/.test(kind))
    report("kind", line("kind"), "kind: expected small letters, digits and hyphens")

  const { title, body } = readTitleAndBody(single("title"), line("title"), written, report)
  const draft: DraftFields = {
    ...readLinks(entries, report),
    areas: [...new Set(entries.get("areas")?.texts)].sort(),
    body,
    fields: readProfileFields(entries, profile, found !== null, report),
    kind,
    language: readLanguage(single("language"), line("language"), report),
    marking: readMarking(single("marking"), rule?.marking.default, line("marking"), report),
    profile: { digest, id: profile.id },
    title,
  }
  if (found !== null) readStage(profile, single("stage"), line("stage"), report)
  if (draft.areas.length > 64 || draft.areas.some((area) => area.length > 64 || !isLine(area)))
    report("areas", line("areas"), "areas: expected at most 64 short codes")
  if (found !== null)
    for (const { field, expected } of findViolations(profile, draft)) {
      const at = field === "body" ? written.bodyLine : line(field)
      const meant = field === "kind" ? didYouMean(Object.keys(profile.kinds), kind) : ""
      report("profile.violated", at, `${field}: expected ${expected}${meant}`)
    }
  return draft
}

/** Where the author says how far it has come, it is released no sooner than its mechanism does. */
function readStage(
  profile: Profile,
  stage: string | undefined,
  line: number,
  report: Report,
): void {
  if (stage === undefined) return
  const { stages, release } = profile.lifecycle ?? { stages: [], release: "" }
  const at = stages.indexOf(stage)
  if (at < 0)
    report("stage", line, `stage: expected ${stages.length === 0 ? "none" : among(stages, stage)}`)
  else if (at < stages.indexOf(release))
    report("stage", line, `stage: it is released from ${release} on`)
}

/** What it speaks of, as `comity draft add --about` writes it: nobody types digests. */
function readLinks(entries: Entries, report: Report): Pick<DraftFields, "about" | "translationOf"> {
  const read = <T>(key: string, word: string, shape: Shape<T>): T | undefined => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    const [first, origin, id, version, digest, ...rest] = entry.texts.join(" ").split(/\s+/)
    const link = {
      ...(digest === undefined ? {} : { digest, version: Number(version) }),
      ...{ id: id ?? "", origin: origin ?? "", [word]: first ?? "" },
    }
    try {
      if (rest.length > 0) throw new ProtocolError("draft.malformed")
      return decodeShape(shape, link, "draft.malformed")
    } catch (cause) {
      if (!(cause instanceof ProtocolError)) throw cause
      report("link", entry.line, `${key}: expected ${word.toUpperCase()} ORIGIN ID VERSION DIGEST`)
      return undefined
    }
  }
  const about = read("about", "relation", aboutShape)
  const translationOf = read("translationOf", "status", translationShape)
  return {
    ...(about === undefined ? {} : { about }),
    ...(translationOf === undefined ? {} : { translationOf }),
  }
}

function readTitleAndBody(
  given: string | undefined,
  titleLine: number,
  { body: written, bodyLine }: { readonly body: string; readonly bodyLine: number },
  report: Report,
) {
  const lines = written.split("\n")
  let at = titleLine
  let title = given
  if (title === undefined) {
    const heading = lines.findIndex((line) => /^# +\S/.test(line))
    if (heading >= 0) {
      title = (lines[heading] ?? "").replace(/^# +/, "").replace(/\s+#+\s*$/, "")
      at = bodyLine + heading
      // A heading at the top has become the title; further down it is part of the text.
      if (lines.slice(0, heading).every((line) => line.trim() === "")) lines.splice(0, heading + 1)
    }
  }
  const text = (title ?? "").replace(/\s+/g, " ").trim()
  if (text === "") report("title", at, "title: expected a `title:` line or a `# heading`")
  else if (text.length > titleLength || !isLine(text))
    report("title", at, `title: expected one line of at most ${titleLength} characters`)
  const body = lines
    .join("\n")
    .replace(/^(?:[ \t]*\n)+/, "")
    .trimEnd()
  if (body.length > bodyLength) report("body", bodyLine, `body: at most ${bodyLength} characters`)
  written.split("\n").forEach((line, i) => {
    if (hasControls(line)) report("body", bodyLine + i, "body: control characters")
  })
  return { title: text, body }
}

function readProfileFields(
  entries: Entries,
  profile: Profile,
  isProfileKnown: boolean,
  report: Report,
): { readonly [name: string]: string } {
  const known = [...recordKeys, ...Object.keys(profile.fields)]
  const fields: [string, string][] = []
  for (const [key, { line, texts }] of entries) {
    if ((recordKeys as readonly string[]).includes(key)) continue
    if (!Object.hasOwn(profile.fields, key)) {
      if (isProfileKnown) report("key", line, `unknown key ${quote(key)}${didYouMean(known, key)}`)
      continue
    }
    const text = texts.join("\n")
    if (text.length > fieldLength || hasControls(text))
      report("value", line, `${key}: expected at most ${fieldLength} characters of text`)
    fields.push([key, text])
  }
  return Object.fromEntries(fields)
}

function readLanguage(given: string | undefined, line: number, report: Report): string {
  try {
    return parseLanguage(given ?? "en")
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    report("language", line, "language: expected a tag of BCP 47, such as en, fr or zh-Hans")
    return "en"
  }
}

function readMarking(
  given: string | undefined,
  byDefault: Marking = "TLP:AMBER",
  line: number,
  report: Report,
): Marking {
  if (given === undefined) return byDefault
  const name = given
    .toUpperCase()
    .replaceAll(" ", "")
    .replace(/^(?:TLP:?)?/, "TLP:")
  const found = markings.find((marking) => marking === name)
  if (found === undefined) report("marking", line, `marking: expected ${among(markings, name)}`)
  // What is not understood travels least far.
  return found ?? "TLP:RED"
}

function isLine(text: string): boolean {
  return !hasControls(text) && !hasBidiControls(text) && !/[\t\n\u2028\u2029]/.test(text)
}

function quote(key: string): string {
  return JSON.stringify(key.slice(0, 60))
}

function among(allowed: readonly string[], given: string): string {
  return `one of ${allowed.join(", ")}${didYouMean(allowed, given)}`
}

/** The allowed word that the author most likely meant, where one is near. */
function didYouMean(allowed: readonly string[], given: string): string {
  const word = given.slice(0, 60).toLowerCase()
  const ranked = allowed.map((candidate) => ({
    candidate,
    changes: editDistance(candidate.toLowerCase(), word),
  }))
  const nearest = ranked.reduce((best, next) => (next.changes < best.changes ? next : best))
  return nearest.changes <= Math.max(2, word.length / 3)
    ? `; did you mean ${nearest.candidate}?`
    : ""
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)),
      )
    row = next
  }
  return row[b.length]!
}
