import { randomBytes, randomFillSync } from "node:crypto"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { serveActor } from "../actor.ts"
import { type Spent, sharedNow, spentOn } from "../measure.ts"
import { temporaryDirectory } from "../member.ts"
import { recordOf } from "../texts.ts"
import {
  leafOf,
  orderRoot,
  orderSignature,
  recordsPerSignature,
  saltBytes,
  signCheckpoint,
  verifyOrder,
} from "./order.ts"
import { seal, sha256 } from "./primitives.ts"
import { pad, sealRecord } from "./sealed.ts"
import { type FloorStore, openFloorStore } from "./store.ts"

/** The originator's work in its tightest loop. */

export type Wanted = {
  readonly recipients: number
  readonly perOrder: number
  readonly signatures: number
}

let store: FloorStore
let records = 0
let published = 0
const secret = randomBytes(32)
/** what the first recipient is sent: length and bytes of parcels and sealed objects */
const frames: Uint8Array[] = []
let listener: ServerResponse | undefined

export const senderHandlers = {
  /** Records at rest, as they are before an order names them. */
  fill(count: number): void {
    store ??= openFloorStore(temporaryDirectory())
    store.begin.run()
    for (const end = records + count; records < end; records++)
      store.addContent.run(records, recordOf(records), randomBytes(32))
    store.commit.run()
  },

  /** Orders over all that is new, committed by 500 records, and sealed for every recipient. */
  publish(wanted: Wanted): Promise<Spent> {
    frames.length = 0
    return spentOn(() => {
      for (; published < records; published += recordsPerSignature)
        publishFrom(published, Math.min(recordsPerSignature, records - published), wanted)
      published = records
    })
  },

  /** One record to one recipient, whose stream is open. @returns when it began */
  publishOne(number: number): number {
    const start = sharedNow()
    frames.length = 0
    publishFrom(number, 1, { recipients: 1, perOrder: 1, signatures: 2 })
    listener?.write(Buffer.concat(frames))
    return start
  },

  async serve() {
    const server = createServer((_request, response) => {
      response.writeHead(200)
      if (frames.length > 0) void pipeline(Readable.from(frames), response)
      else {
        listener = response
        response.flushHeaders()
      }
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}`, secret: new Uint8Array(secret) }
  },
}

type Content = { readonly bytes: Buffer; readonly key: Buffer }

function publishFrom(at: number, count: number, { recipients, perOrder, signatures }: Wanted) {
  const salts = randomFillSync(Buffer.allocUnsafe(saltBytes * count))
  const contents: Content[] = []
  for (let i = 0; i < count; i++) contents.push(store.content.get(at + i) as Content)
  const digests = contents.map(({ bytes }) => sha256(bytes))
  const saltOf = (i: number) => salts.subarray(i * saltBytes, (i + 1) * saltBytes)
  store.begin.run()
  const orders: { readonly from: number; readonly to: number; readonly head: Uint8Array }[] = []
  for (let from = 0; from < count; from += perOrder) {
    const to = Math.min(from + perOrder, count)
    verifyOrder(signatures)
    const leaves: Uint8Array[][] = Array.from({ length: recipients }, () => [])
    for (let i = from; i < to; i++)
      for (let recipient = 0; recipient < recipients; recipient++) {
        const leaf = leafOf(saltOf(i), recipient, digests[i]!)
        leaves[recipient]!.push(leaf)
        store.addGrant.run(leaf, at + i, recipient)
      }
    const { root, subtrees } = orderRoot(leaves)
    store.addOrder.run(root, orderSignature)
    orders.push({ from, to, head: Buffer.concat([root, orderSignature, ...subtrees]) })
  }
  signCheckpoint(orders[0]!.head)
  store.commit.run()

  const sealed = contents.map(({ bytes, key }) => sealRecord(key, bytes))
  for (let recipient = 0; recipient < recipients; recipient++)
    for (const { from, to, head } of orders) {
      const keys = Buffer.concat([
        head,
        ...contents.slice(from, to).map(({ key }) => key),
        salts.subarray(from * saltBytes, to * saltBytes),
      ])
      const parcel = seal(secret, pad(keys))
      if (recipient > 0) continue
      push(parcel)
      for (let i = from; i < to; i++) push(sealed[i]!)
    }
}

function push(bytes: Uint8Array): void {
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(bytes.length)
  frames.push(length, bytes)
}

serveActor(senderHandlers)
