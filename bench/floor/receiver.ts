import { get, type IncomingMessage } from "node:http"
import { serveActor } from "../actor.ts"
import { type Spent, sharedNow, spentOn } from "../measure.ts"
import { temporaryDirectory } from "../member.ts"
import {
  keyBytes,
  leafOf,
  recordsPerSignature,
  saltBytes,
  signatureBytes,
  signCheckpoint,
  verifyCheckpoint,
  verifyOrder,
} from "./order.ts"
import { open, sha256, treeRoot } from "./primitives.ts"
import { openRecord, unpad } from "./sealed.ts"
import { type FloorStore, openFloorStore } from "./store.ts"

/** The recipient's work in its tightest loop. */

export type Source = {
  readonly url: string
  readonly secret: Uint8Array
  readonly recipients: number
  readonly perOrder: number
  readonly signatures: number
  readonly hasIndex: boolean
}

const arrivals: number[] = []
let wakeWaiting: (() => void) | undefined
// Made here, as every process has keys of its own: what is verified costs the same.
const checkpoint = Buffer.alloc(200, 7)
const checkpointSignatures = signCheckpoint(checkpoint)

export const receiverHandlers = {
  catchUp(source: Source): Promise<Spent> {
    return spentOn(async () => {
      const store = openFloorStore(temporaryDirectory())
      const reader = new Reader(store, source)
      store.begin.run()
      for await (const chunk of await answerOf(source.url)) reader.take(chunk)
      store.commit.run()
      store.close()
    })
  },

  /** Stores each record as it comes. */
  async follow(source: Source): Promise<void> {
    const store = openFloorStore(temporaryDirectory())
    const reader = new Reader(store, source)
    const answer = await answerOf(source.url)
    void (async () => {
      for await (const chunk of answer) {
        const before = reader.records
        store.begin.run()
        reader.take(chunk)
        if (reader.records > before) verifyCheckpoint(checkpoint, checkpointSignatures)
        store.commit.run()
        for (let i = before; i < reader.records; i++) arrivals.push(sharedNow())
        wakeWaiting?.()
      }
    })()
  },

  async arrival(number: number): Promise<number> {
    while (arrivals.length <= number)
      await new Promise<void>((resolve) => {
        wakeWaiting = resolve
      })
    return arrivals[number]!
  },
}

function answerOf(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => get(url, resolve).on("error", reject))
}

/** Lengths and bytes, however they are cut: a parcel, then the objects that it has keys for. */
class Reader {
  records = 0
  readonly #store: FloorStore
  readonly #source: Source
  #held: Buffer = Buffer.alloc(0)
  #keys: Uint8Array = new Uint8Array(0)
  #expected = 0
  #leaves: Uint8Array[] = []
  #subtree: Uint8Array = new Uint8Array(0)

  constructor(store: FloorStore, source: Source) {
    this.#store = store
    this.#source = source
  }

  take(chunk: Buffer): void {
    let bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    while (bytes.length >= 4) {
      const end = 4 + bytes.readUInt32BE(0)
      if (bytes.length < end) break
      const frame = bytes.subarray(4, end)
      if (this.#leaves.length < this.#expected) this.#takeRecord(frame)
      else this.#takeParcel(frame)
      bytes = bytes.subarray(end)
    }
    this.#held = bytes
  }

  #takeParcel(frame: Uint8Array): void {
    const { secret, recipients, signatures } = this.#source
    const plaintext = unpad(open(secret, frame))
    const headBytes = 32 + signatureBytes + 32 * recipients
    verifyOrder(signatures)
    const subtrees = Array.from({ length: recipients }, (_, i) =>
      plaintext.subarray(32 + signatureBytes + 32 * i, 64 + signatureBytes + 32 * i),
    )
    const [first] = subtrees
    if (!equal(treeRoot([...subtrees]), plaintext.subarray(0, 32))) throw new Error("root")
    this.#subtree = first!
    this.#keys = plaintext.subarray(headBytes)
    this.#expected = this.#keys.length / (keyBytes + saltBytes)
    this.#leaves = []
  }

  #takeRecord(sealed: Uint8Array): void {
    const store = this.#store
    const i = this.#leaves.length
    const key = this.#keys.subarray(i * keyBytes, (i + 1) * keyBytes)
    const salts = this.#keys.subarray(this.#expected * keyBytes)
    const bytes = openRecord(key, sealed)
    const rid = this.records++
    const salt = salts.subarray(i * saltBytes, (i + 1) * saltBytes)
    const leaf = leafOf(salt, 0, sha256(bytes))
    store.addContent.run(rid, bytes, key)
    store.addGrant.run(leaf, rid, 0)
    if (this.#source.hasIndex) {
      const { title, body } = JSON.parse(new TextDecoder().decode(bytes))
      store.addTerms.run(rid, title, body)
    }
    this.#leaves.push(leaf)
    if (this.#leaves.length < this.#expected) return
    if (!equal(treeRoot([...this.#leaves]), this.#subtree)) throw new Error("leaves")
    if (this.records % recordsPerSignature === 0) {
      store.commit.run()
      store.begin.run()
    }
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

serveActor(receiverHandlers)
