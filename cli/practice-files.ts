import { readdir } from "node:fs/promises"
import { join } from "node:path"
import type { DraftView } from "../node/order/drafts.ts"
import { decodeUtf8 } from "../protocol/encoding.ts"
import type { CliContext } from "./context.ts"
import { readFileArgument } from "./file-argument.ts"
import type { NodeClient } from "./node-client.ts"
import { UsageError } from "./usage-error.ts"

/** What authors have written: one file, or many in a folder or a list. */

export type Practice = { readonly name: string; readonly source: string }
export type Added = DraftView & { readonly name: string; readonly isNew: boolean }

const draftBytes = 1024 * 1024
const listBytes = 64 * 1024 * 1024
const filesAtMost = 4096
/** Together in one request to the node. */
const togetherAtMost = { count: 256, characters: 8 * 1024 * 1024 }

/** Whether the path holds more than one practice: a folder of Markdown files, or a list (.csv). */
export async function holdsMany(path: string): Promise<boolean> {
  return path.endsWith(".csv") || (await entriesOf(path)) !== null
}

/** Every practice of a folder, with those of its folders, or of a list, in order of their names. */
export async function practicesIn(context: CliContext, path: string): Promise<readonly Practice[]> {
  if (path.endsWith(".csv")) {
    const { draftsOfList } = await import("../node/order/list-file.ts")
    return draftsOfList(await readSource(context, path, listBytes))
  }
  const found: Practice[] = []
  for (const name of await markdownIn(path))
    found.push({ name, source: await readSource(context, join(path, name)) })
  if (found.length === 0)
    throw new UsageError("file.missing", `There is no Markdown file in ${path}.`, {
      hint: "A folder of practices holds files whose names end with .md.",
    })
  return found
}

export async function readSource(
  context: CliContext,
  file: string,
  maxBytes = draftBytes,
): Promise<string> {
  const bytes = await readFileArgument(file, maxBytes, context.stdin)
  const text = textIn(bytes, file)
  if (isObject(text))
    throw new UsageError("file.unreadable", `${file} is no practice: it is made for programs.`, {
      hint: "A practice is lines such as title: between two lines ---, then its text; demo/practices/ has some.",
    })
  return text
}

/** A card, an order or a proof has been taken for a practice. */
function isObject(text: string): boolean {
  if (!text.startsWith("{")) return false
  try {
    return typeof JSON.parse(text) === "object"
  } catch {
    return false
  }
}

function textIn(bytes: Uint8Array, file: string): string {
  try {
    return decodeUtf8(bytes)
  } catch (cause) {
    throw new UsageError("file.unreadable", `${file} is not text in UTF-8.`, {
      hint: "Save it as plain text in UTF-8; a word processor's file is something else.",
      cause,
    })
  }
}

async function markdownIn(folder: string, within = ""): Promise<readonly string[]> {
  const entries = (await entriesOf(join(folder, within))) ?? []
  const names: string[] = []
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = join(within, entry.name)
    // What is hidden, or lies elsewhere by a link, was not put here to be released.
    if (entry.name.startsWith(".")) continue
    if (entry.isDirectory()) names.push(...(await markdownIn(folder, name)))
    else if (entry.isFile() && entry.name.endsWith(".md")) names.push(name)
    if (names.length > filesAtMost)
      throw new UsageError("file.unreadable", `More than ${filesAtMost} practices in ${folder}.`, {
        hint: "Take them in folder by folder.",
      })
  }
  return names
}

/** Null for what is no folder. */
async function entriesOf(path: string) {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === "ENOTDIR" || code === "ENOENT") return null
    throw new UsageError("file.unreadable", `The folder ${path} cannot be read.`, { cause })
  }
}

/** Keeps each as a draft, all of a request or none; a text that is a draft already stays that one. */
export async function addAll(
  node: NodeClient,
  practices: readonly Practice[],
  profile?: string,
): Promise<readonly Added[]> {
  const added: Added[] = []
  for (let at = 0; at < practices.length; ) {
    let [count, characters] = [0, 0]
    while (count < togetherAtMost.count && at + count < practices.length) {
      characters += practices[at + count]!.source.length
      if (count > 0 && characters > togetherAtMost.characters) break
      count++
    }
    const some = practices.slice(at, at + count)
    const { drafts } = await node.call<{ drafts: readonly Omit<Added, "name">[] }>("draft.addAll", {
      sources: some.map(({ source }) => source),
      ...(profile === undefined ? {} : { profile }),
    })
    added.push(...drafts.map((view, i) => ({ name: some[i]!.name, ...view })))
    at += count
  }
  return added
}
