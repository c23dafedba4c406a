import {
  type Founded,
  foundMember,
  makeKemKey,
  publicKemKey,
  publicRootKey,
  type RootPair,
  signKeys,
} from "../../../node/authority/found.ts"
import { logSigners, makeNodeKeys } from "../../../node/keys/keys.ts"
import { commitEntries } from "../../../node/log/append.ts"
import { entriesFrom, logOf } from "../../../node/store/queries/logs.ts"
import { encodeCanonical } from "../../../protocol/canonical.ts"
import { sha256 } from "../../../protocol/crypto/hash.ts"
import { signEd25519, signMlDsa } from "../../../protocol/crypto/sign.ts"
import { utf8 } from "../../../protocol/encoding.ts"
import { encodeEntries, type Frame } from "../../../protocol/exchange/frames.ts"
import { signCheckpoint } from "../../../protocol/log/checkpoint.ts"
import { blindedEntry, openEntry } from "../../../protocol/log/entry.ts"
import { leafHash, treeRoot } from "../../../protocol/log/merkle.ts"
import type { NoteSigner } from "../../../protocol/log/note.ts"
import { kidOf } from "../../../protocol/member/key.ts"
import { newestRoot, payloadDigest, type Root } from "../../../protocol/member/root.ts"
import { encodeSigned, type SignatureLine, signLine } from "../../../protocol/signed.ts"
import { headFrame, signedAnswer } from "../../support/hostile.ts"
import type { Behaviour } from "./behaviour.ts"
import { expectRefusal, type Stage } from "./stage.ts"

/** What a member says of its own log, and of who speaks for it. */

type Tree = { readonly origin: string; readonly entries: readonly Uint8Array[] }

async function trueTree({ villain }: Stage): Promise<Tree> {
  const { db, self } = villain.context
  const log = (await logOf(db, self.id))!
  return { origin: log.origin, entries: await entriesFrom(db, log.id, 0, log.range.size) }
}

/** An entry that nobody can tell from an honest one. */
const someEntry = ({ villain }: Stage) =>
  blindedEntry(1, villain.env.random(32), villain.env.random(32))

function sign(
  { villain }: Stage,
  { origin, entries }: Tree,
  signers: readonly NoteSigner[] = logSigners(villain.context.keys, origin),
): Promise<string> {
  const root = treeRoot(entries.map(leafHash))
  return signCheckpoint({ origin, size: entries.length, root }, signers)
}

/** The frames that show `tree` to one who holds `from` entries of it. */
async function frames(stage: Stage, tree: Tree, from: number, note?: string): Promise<Frame[]> {
  const news = tree.entries.slice(from)
  return [
    { type: "checkpoint", bytes: utf8(note ?? (await sign(stage, tree))) },
    ...(news.length === 0
      ? []
      : [
          {
            type: "entries",
            bytes: encodeEntries({ origin: tree.origin, start: from, entries: news }),
          } as const,
        ]),
  ]
}

/** Serves these frames and a head; whoever asks for the whole log gets `whole`. */
function show(stage: Stage, news: readonly Frame[], size: number, whole?: readonly Frame[]) {
  const head = { feed: stage.feedId(), n: 0, size }
  return stage.offer(async (request, honest) => {
    const { pathname } = new URL(request.url)
    if (pathname === "/feed")
      return signedAnswer(stage.villain, request, { frames: [...news, headFrame(head)], head })
    if (!pathname.startsWith("/log/")) return honest()
    if (whole === undefined) return new Response("not found\n", { status: 404 })
    return signedAnswer(stage.villain, request, { frames: whole, head })
  })
}

/** Another history: the last entry that the target holds was another one, and so on. */
async function otherTree(stage: Stage, change: number): Promise<Tree> {
  const { origin, entries } = await trueTree(stage)
  const size = entries.length + change
  const other = entries.slice(0, Math.min(entries.length, size) - 1)
  while (other.length < size) other.push(someEntry(stage))
  return { origin, entries: other }
}

export const logBehaviours: readonly Behaviour[] = [
  {
    name: "another history, longer, that is not shown in whole",
    kind: "log",
    codes: ["checkpoint.forked"],
    run: async (stage) => {
      const held = (await trueTree(stage)).entries.length
      const tree = await otherTree(stage, 3)
      const seen = await show(stage, await frames(stage, tree, held), tree.entries.length)
      return expectRefusal(seen, "checkpoint.forked")
    },
  },
  {
    name: "another history, longer, shown in whole",
    kind: "log",
    codes: ["checkpoint.forked", "peer.forked"],
    isProvable: true,
    isFinal: true,
    run: async (stage) => {
      const held = (await trueTree(stage)).entries.length
      const tree = await otherTree(stage, 3)
      const whole = await frames(stage, tree, 0)
      const seen = await show(stage, await frames(stage, tree, held), tree.entries.length, whole)
      return expectRefusal(seen, "checkpoint.forked", "peer.forked")
    },
  },
  {
    name: "another history of the same size",
    kind: "log",
    codes: ["checkpoint.forked", "peer.forked"],
    isProvable: true,
    isFinal: true,
    run: async (stage) => {
      const tree = await otherTree(stage, 0)
      const seen = await show(
        stage,
        await frames(stage, tree, tree.entries.length),
        tree.entries.length,
      )
      return expectRefusal(seen, "checkpoint.forked", "peer.forked")
    },
  },
  {
    name: "another history, shorter",
    kind: "log",
    codes: ["checkpoint.rollback", "checkpoint.forked", "peer.forked"],
    isProvable: true,
    isFinal: true,
    run: async (stage) => {
      const tree = await otherTree(stage, -1)
      const seen = await show(
        stage,
        await frames(stage, tree, tree.entries.length),
        tree.entries.length,
      )
      return expectRefusal(seen, "checkpoint.rollback", "checkpoint.forked", "peer.forked")
    },
  },
  {
    name: "an old state of the log",
    kind: "log",
    codes: ["checkpoint.rollback"],
    run: async (stage) => {
      const { origin, entries } = await trueTree(stage)
      const old = { origin, entries: entries.slice(0, -2) }
      const size = old.entries.length
      return expectRefusal(
        await show(stage, await frames(stage, old, size), size),
        "checkpoint.rollback",
      )
    },
  },
  {
    name: "a checkpoint with one of its two signatures",
    kind: "log",
    codes: ["checkpoint.unverified"],
    run: async (stage) => {
      const tree = await grown(stage)
      const note = await sign(stage, tree)
      const half = `${note.trimEnd().split("\n").slice(0, -1).join("\n")}\n`
      const seen = await show(
        stage,
        await frames(stage, tree, tree.entries.length - 2, half),
        tree.entries.length,
      )
      return expectRefusal(seen, "checkpoint.unverified")
    },
  },
  {
    name: "a checkpoint signed by a log key that no root document names",
    kind: "log",
    codes: ["checkpoint.unverified"],
    run: async (stage) => {
      const tree = await grown(stage)
      const stolen = makeNodeKeys((bytes) => stage.villain.env.random(bytes))
      const note = await sign(stage, tree, logSigners(stolen, tree.origin))
      const seen = await show(
        stage,
        await frames(stage, tree, tree.entries.length - 2, note),
        tree.entries.length,
      )
      return expectRefusal(seen, "checkpoint.unverified")
    },
  },
  {
    name: "a checkpoint of its log in another network",
    kind: "log",
    codes: ["checkpoint.origin"],
    run: async (stage) => {
      const { entries } = await grown(stage)
      const tree = { origin: `comity/operational/${stage.villain.context.self.id}/1`, entries }
      const seen = await show(stage, await frames(stage, tree, entries.length - 2), entries.length)
      return expectRefusal(seen, "checkpoint.origin")
    },
  },
  {
    name: "a checkpoint without the entries that it covers",
    kind: "log",
    codes: ["frames.malformed"],
    run: async (stage) => {
      const tree = await grown(stage)
      const [checkpoint] = await frames(stage, tree, 0)
      return expectRefusal(
        await show(stage, [checkpoint!], tree.entries.length),
        "frames.malformed",
      )
    },
  },
  {
    name: "entries beyond the checkpoint",
    kind: "log",
    codes: ["frames.malformed"],
    run: async (stage) => {
      const tree = await grown(stage)
      const held = tree.entries.length - 2
      const more = { ...tree, entries: [...tree.entries, someEntry(stage)] }
      const news = await frames(stage, more, held, await sign(stage, tree))
      return expectRefusal(await show(stage, news, tree.entries.length), "frames.malformed")
    },
  },
  {
    name: "entries of another form",
    kind: "log",
    codes: ["frames.malformed"],
    run: async (stage) => {
      const tree = await grown(stage)
      const odd = { ...tree, entries: tree.entries.with(-1, new Uint8Array(33).fill(9)) }
      const news = await frames(stage, odd, odd.entries.length - 2)
      return expectRefusal(await show(stage, news, odd.entries.length), "frames.malformed")
    },
  },
  {
    name: "ten thousand signatures under a checkpoint",
    kind: "log",
    codes: ["note.malformed"],
    run: async (stage) => {
      const tree = await grown(stage)
      const note = await sign(stage, tree)
      const line = note.trimEnd().split("\n").at(-2)!
      const flooded = note + `${line}\n`.repeat(10_000)
      const seen = await show(
        stage,
        await frames(stage, tree, tree.entries.length - 2, flooded),
        tree.entries.length,
      )
      return expectRefusal(seen, "note.malformed")
    },
  },
  {
    name: "a root document that no root key signed",
    kind: "log",
    codes: ["root.threshold", "root.invalid", "signed.unknown-key"],
    run: (stage) => offerRoot(stage, nextRoot(stage), "strangers"),
  },
  {
    name: "a root document with half of the root key pair's signatures",
    kind: "log",
    codes: ["root.threshold"],
    run: (stage) => offerRoot(stage, nextRoot(stage), "half"),
  },
  {
    name: "a root document that leaves a version out",
    kind: "log",
    codes: ["root.chain", "root.unknown"],
    run: (stage) => offerRoot(stage, { ...nextRoot(stage), version: 3 }, "own"),
  },
  {
    name: "new root keys that were not announced",
    kind: "log",
    codes: ["root.chain", "root.threshold"],
    run: async (stage) => {
      const { env, founded } = stage.villain
      const other = await foundMember(env, foundingLike(founded))
      const { rootKeys, next } = newestRoot(other.member).payload
      return offerRoot(stage, { ...nextRoot(stage), rootKeys, next }, "own")
    },
  },
  {
    name: "two root documents of one version",
    kind: "log",
    codes: ["root.forked", "peer.forked"],
    isProvable: true,
    isFinal: true,
    run: async (stage) => {
      const { villain } = stage
      const first = await signRoot(nextRoot(stage), villain.founded.rootPairs)
      await logDocument(stage, first)
      await stage.tamper(withDocument("root", first))
      const second = await signRoot(
        { ...nextRoot(stage), name: "Another authority" },
        villain.founded.rootPairs,
      )
      await logDocument(stage, second)
      const seen = await stage.tamper(withDocument("root", second))
      return expectRefusal(seen, "root.forked", "peer.forked")
    },
  },
  {
    name: "a keys document by a node key that no root document names",
    kind: "log",
    codes: ["signed.unknown-key", "keys.invalid"],
    isFinal: true,
    run: async (stage) => {
      const { villain } = stage
      const thief = makeNodeKeys((bytes) => villain.env.random(bytes))
      const kem = makeKemKey(villain.env)
      const document = await signKeys(thief, {
        card: {},
        kem: [publicKemKey(kem)],
        member: villain.context.self.id,
        network: villain.context.self.network,
        rootVersion: 1,
        type: "comity/keys/v1",
        urls: [],
      })
      await logDocument(stage, document)
      const seen = await stage.tamper(withDocument("keys", document))
      return expectRefusal(seen, "signed.unknown-key", "keys.invalid")
    },
  },
  {
    name: "an open entry without its document",
    kind: "log",
    codes: ["root.unknown"],
    isFinal: true,
    run: async (stage) => {
      await logDocument(stage, stage.villain.env.random(100))
      return expectRefusal(await stage.tamper((all) => all), "root.unknown")
    },
  },
]

/** Two entries more than the target holds. */
async function grown(stage: Stage): Promise<Tree> {
  const { origin, entries } = await trueTree(stage)
  return { origin, entries: [...entries, someEntry(stage), someEntry(stage)] }
}

function nextRoot({ villain }: Stage): Root {
  const newest = newestRoot(villain.context.self)
  return {
    ...newest.payload,
    member: villain.context.self.id,
    prev: payloadDigest(newest),
    version: newest.payload.version + 1,
  }
}

/** In the log it is only an entry: whether it is a root document, readers decide. */
async function offerRoot(
  stage: Stage,
  root: Root,
  signers: "own" | "half" | "strangers",
): Promise<string> {
  const { villain } = stage
  const { rootPairs } = villain.founded
  const strangers = (await foundMember(villain.env, foundingLike(villain.founded))).rootPairs
  const signed = await signRoot(root, signers === "strangers" ? strangers : rootPairs)
  const document = signers === "half" ? withoutLast(signed) : signed
  const tree = await trueTree(stage)
  const entries = [...tree.entries, openEntry(sha256(document)), someEntry(stage)]
  const news = await frames(stage, { ...tree, entries }, tree.entries.length)
  news.push({ type: "root", bytes: document })
  const codes = logBehaviours.flatMap(({ kind, codes }) => (kind === "log" ? codes : []))
  return expectRefusal(
    await show(stage, news, entries.length),
    ...codes.filter((code) => /^(root|signed)\./.test(code)),
  )
}

function withoutLast(document: Uint8Array): Uint8Array {
  const envelope = JSON.parse(new TextDecoder().decode(document))
  const text = JSON.stringify({ ...envelope, signatures: envelope.signatures.slice(0, -1) })
  return utf8(text)
}

async function logDocument({ villain }: Stage, document: Uint8Array): Promise<void> {
  const entry = openEntry(sha256(document))
  await commitEntries(villain.context, [entry], async () => {})
}

/** The honest answer does not know of the document: it is put in before the head. */
function withDocument(type: "root" | "keys", bytes: Uint8Array) {
  return (all: readonly Frame[]): readonly Frame[] => {
    const at = all.findLastIndex((frame) => frame.type === "entries")
    return all.toSpliced(at + 1, 0, { type, bytes })
  }
}

function foundingLike(founded: Founded) {
  const { network, state, name, kind } = newestRoot(founded.member).payload
  const officers = founded.officers.map(({ officer: { person, roles } }) => ({ person, roles }))
  return { network, state, name, kind, officers, rootKeys: 1, rootThreshold: 1 }
}

/** Both lines of each pair, over any payload. */
async function signRoot(payload: Root, pairs: readonly RootPair[]): Promise<Uint8Array> {
  const bytes = encodeCanonical(payload)
  const lines: SignatureLine[] = []
  for (const pair of pairs) {
    const kid = kidOf(publicRootKey(pair))
    const common = { kid, network: payload.network, typ: "comity-root+jws" }
    lines.push(
      await signLine({ alg: "Ed25519", ...common }, bytes, (m) => signEd25519(m, pair.ed25519)),
      await signLine({ alg: "ML-DSA-65", ...common }, bytes, (m) => signMlDsa(65, m, pair.mldsa65)),
    )
  }
  return encodeSigned(bytes, lines)
}
