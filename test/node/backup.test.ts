import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { expect, test } from "vitest"
import { backUp, restore } from "../../node/backup.ts"
import { diskFiles } from "../../node/files.ts"
import { initHome, openHome } from "../../node/home.ts"
import { closeNode } from "../../node/node.ts"
import { addDraft } from "../../node/order/drafts.ts"
import { realEnv } from "../../node/real-env.ts"
import { inChunks, openStream, sealStream } from "../../node/sealed-stream.ts"
import { encodeHex } from "../../protocol/encoding.ts"
import { practiceText } from "../support/hostile.ts"
import { codeOf } from "../support/refusal.ts"
import { scratch } from "../support/scratch.ts"

const key = new Uint8Array(32).fill(7)

async function homeOf(directory: string) {
  const env = realEnv({ home: directory })
  await initHome(env, {
    founding: {
      network: "exercise:test",
      state: "XA",
      name: "Authority XA",
      kind: "state",
      officers: [{ person: "p1", roles: ["competentAuthority"] }],
      rootKeys: 1,
      rootThreshold: 1,
    },
    unlocking: key,
    cipher: "aegis",
  })
  return { env, context: await openHome(env, key, directory) }
}

test("a backup brings the home back as it was, but for what belongs in none", async () => {
  const [directory, other] = [join(scratch(), "home"), join(scratch(), "other")]
  const file = join(scratch(), "xa.backup")
  const { env, context } = await homeOf(directory)
  const { record } = await addDraft(context, practiceText("canary of a draft"))
  const [seed] = await context.db.selectFrom("kem_key").select("seed").execute()
  const made = await backUp(context, directory, file)
  expect(made).toMatchObject({ file, size: 2 })
  expect(readdirSync(directory).filter((name) => name.includes("backup"))).toEqual([])
  const bytes = readFileSync(file)
  expect(bytes.includes("canary of a draft")).toBe(false)
  // The node goes on meanwhile, and a second backup does not overwrite the first.
  await addDraft(context, practiceText("later"))
  expect(await codeOf(backUp(context, directory, file))).toBe("request.malformed")

  expect(await restore(file, other, key, true)).toMatchObject({
    member: context.self.id,
    size: 2,
    home: null,
  })
  expect(existsSync(other)).toBe(false)
  await restore(file, other, key, false)
  expect(existsSync(join(other, "root-keys"))).toBe(false)
  const back = realEnv({ home: other })
  const restored = await openHome(back, key, other)
  expect(restored.self.id).toBe(context.self.id)
  expect(restored.stopped?.code).toBe("store.restored")
  const drafts = await restored.db.selectFrom("draft").select("id").execute()
  expect(drafts).toEqual([{ id: record }])
  expect(await restored.db.selectFrom("kem_key").selectAll().execute()).toEqual([])
  const image = readFileSync(join(other, "comity.db"))
  expect(image.includes(Buffer.from(seed!.seed))).toBe(false)
  expect(diskFiles(other).list("officers")).toEqual(["p1.json"])

  expect(await codeOf(restore(file, other, key, false))).toBe("home.exists")
  await closeNode(restored)
  back.close()
  await closeNode(context)
  env.close()
})

test("a backup that was changed, cut, stretched or opened with another key leaves nothing behind", async () => {
  const directory = join(scratch(), "home")
  const file = join(scratch(), "xa.backup")
  const { env, context } = await homeOf(directory)
  await backUp(context, directory, file)
  await closeNode(context)
  env.close()
  const whole = readFileSync(file)
  const target = join(scratch(), "target")
  const attempt = async (bytes: Uint8Array, unlocking = key) => {
    const changed = join(scratch(), "changed.backup")
    writeFileSync(changed, bytes)
    const code = await codeOf(restore(changed, target, unlocking, false))
    expect(existsSync(target)).toBe(false)
    expect(existsSync(`${target}.restoring`)).toBe(false)
    return code
  }
  expect(await attempt(whole, new Uint8Array(32))).toBe("key.unavailable")
  expect(await attempt(Buffer.from("nothing of the kind"))).toBe("backup.malformed")
  expect(await attempt(Buffer.concat([whole, Buffer.from("x")]))).toBe("backup.malformed")
  for (const cut of [0, 10, 20, 500, whole.length >> 1, whole.length - 1])
    expect(await attempt(whole.subarray(0, cut)), `cut at ${cut}`).toMatch(
      /^(?:backup\.malformed|key\.unavailable)$/,
    )
  for (let i = 0; i < 40; i++) {
    const at = Math.floor((i / 40) * whole.length)
    const flipped = Buffer.from(whole)
    flipped[at]! ^= 1 << (i % 8)
    expect(await attempt(flipped), `byte ${at}`).not.toBeNull()
  }
})

test("a sealed stream opens to the same bytes, however it is cut into pieces", async () => {
  async function* pieces(bytes: Uint8Array, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
  }
  const gather = async (source: AsyncIterable<Uint8Array | null>) => {
    const parts: Uint8Array[] = []
    for await (const part of source) parts.push(part ?? new TextEncoder().encode("NULL"))
    return encodeHex(Buffer.concat(parts))
  }
  for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const plain = Uint8Array.from({ length }, (_, i) => i % 251)
    const sealed = Buffer.from(await gather(sealStream(key, pieces(plain, 1000))), "hex")
    for (const size of [sealed.length, 4096, 70_001])
      expect(await gather(openStream(key, pieces(sealed, size)))).toBe(encodeHex(plain))
    expect(await gather(inChunks(pieces(plain, 777), 4096))).toBe(encodeHex(plain))
  }
})
