import { readFileSync } from "node:fs"
import { CipherSuite } from "hpke"
import { expect, test } from "vitest"
import { cryptoOps } from "../../cli/conform/crypto.ts"
import { nodePrimitives } from "../../node/crypto-node.ts"
import { chachaSeal, xchachaSeal } from "../../protocol/crypto/aead.ts"
import { encapsulate, hkdfSha256 as kdf, kemKeyPair, xWing } from "../../protocol/crypto/kem.ts"
import { type MlDsaLevel, portablePrimitives } from "../../protocol/crypto/primitives.ts"
import { isEnrollable } from "../../protocol/crypto/sign.ts"
import { decodeHex, encodeHex, utf8 } from "../../protocol/encoding.ts"
import { ProtocolError } from "../../protocol/errors.ts"
import { describeVectors, vectorPath } from "../support/vectors.ts"

const read = <T>(path: string): T => JSON.parse(readFileSync(vectorPath(path)).toString()) as T
const backends = ["libsodium", "node", "noble"] as const

type SignatureCase = { publicKey: string; message: string; signature: string }

/** What the three backends say, which must be one thing. */
function verdict(input: SignatureCase, names: readonly string[] = backends): boolean {
  const verdicts = names.map((backend) => cryptoOps["ed25519.verify"]({ ...input, backend }))
  expect(new Set(verdicts).size, `the backends differ on ${JSON.stringify(input)}`).toBe(1)
  return verdicts[0]!
}

type Result = "valid" | "invalid" | "acceptable"
type Wycheproof<G, T> = {
  numberOfTests: number
  testGroups: (G & { tests: (T & { tcId: number; result: Result })[] })[]
}

function wycheproof<T, G = object>(file: string) {
  const { testGroups, numberOfTests } = read<Wycheproof<G, T>>(`wycheproof/${file}.json`)
  const cases = testGroups.flatMap(({ tests, ...group }) => tests.map((one) => ({ group, ...one })))
  expect(cases.length).toBe(numberOfTests)
  return cases
}

describeVectors("Ed25519: one meaning on every backend", () => {
  test("Wycheproof: valid is valid, invalid is not", () => {
    type Group = { publicKey: { pk: string } }
    for (const one of wycheproof<{ msg: string; sig: string }, Group>("ed25519_test")) {
      const publicKey = (one.group as unknown as Group).publicKey.pk
      const input = { publicKey, message: one.msg, signature: one.sig }
      expect(verdict(input), `test ${one.tcId}`).toBe(one.result === "valid")
    }
  })

  test("speccheck: all twelve are refused, the third only because its key is of mixed order", () => {
    type Case = { message: string; pub_key: string; signature: string }
    const cases = read<Case[]>("ed25519-speccheck/cases.json")
    expect(cases).toHaveLength(12)
    for (const { message, pub_key: publicKey, signature } of cases)
      expect(verdict({ publicKey, message, signature })).toBe(false)
    expect(isEnrollable(decodeHex(cases[3]!.pub_key))).toBe(false)
  })

  test("CCTV: of 914 edge cases only what has no low-order component anywhere passes", () => {
    type Case = { number: number; key: string; sig: string; msg: string; flags: string[] | null }
    const cases = read<Case[]>("cctv/ed25519vectors.json")
    expect(cases).toHaveLength(914)
    // A key of mixed order is never enrolled; R may have a component only if it cancels, which needs A's.
    const harmless = (one: Case) => (one.flags ?? []).length === 0
    const accepted = cases.filter((one) =>
      verdict({ publicKey: one.key, message: encodeHex(utf8(one.msg)), signature: one.sig }),
    )
    expect(accepted.map(({ number }) => number)).toEqual(
      cases.filter(harmless).map(({ number }) => number),
    )
  })

  test("the cases of ZIP 215: what is small or not canonical is refused by all", () => {
    type Case = { vk_bytes: string; sig_bytes: string; valid_zip215: boolean }
    const cases = read<Case[]>("rfc8032/zip215.json")
    expect(cases.filter((one) => one.valid_zip215)).toHaveLength(196)
    for (const { vk_bytes: publicKey, sig_bytes: signature } of cases)
      expect(verdict({ publicKey, message: encodeHex(utf8("Zcash")), signature })).toBe(false)
  })

  test("RFC 8032 and its author's 1,024: honest signatures verify, and are made again", () => {
    const lines = readFileSync(vectorPath("rfc8032/vectors.txt")).toString().trim().split("\n")
    expect(lines).toHaveLength(1024)
    for (const [i, line] of lines.entries()) {
      const [secret = "", publicKey = "", message = "", signed = ""] = line.split(":")
      const seed = decodeHex(secret.slice(0, 64))
      const signature = signed.slice(0, 128)
      // noble takes some 4 ms: every 16th line of it is enough for what all agree on.
      const names = i % 16 === 0 ? backends : backends.slice(0, 2)
      expect(verdict({ publicKey, message, signature }, names)).toBe(true)
      for (const { ed25519PublicKey, ed25519Sign } of [portablePrimitives, nodePrimitives]) {
        expect(encodeHex(ed25519PublicKey(seed))).toBe(publicKey)
        expect(encodeHex(ed25519Sign(decodeHex(message), seed))).toBe(signature)
      }
    }
  })
})

describeVectors("ML-DSA: noble and OpenSSL give the same answers", () => {
  type Case = { msg: string; sig: string; ctx?: string }
  const sizes = { 44: [1312, 2420], 65: [1952, 3309] } as const
  test.each([44, 65] as const)("Wycheproof, ML-DSA-%i", (level: MlDsaLevel) => {
    const cases = wycheproof<Case, { publicKey: string }>(`mldsa_${level}_verify_test`)
    let checked = 0
    for (const one of cases) {
      const publicKey = decodeHex((one.group as unknown as { publicKey: string }).publicKey)
      const signature = decodeHex(one.sig)
      const [keyBytes, signatureBytes] = sizes[level]
      // Lengths are settled before a backend is asked, and our context is always empty.
      const isOurs = publicKey.length === keyBytes && signature.length === signatureBytes
      if (!isOurs || (one.ctx ?? "") !== "") continue
      checked++
      const message = decodeHex(one.msg)
      for (const { mlDsaVerify, name } of [portablePrimitives, nodePrimitives])
        expect(mlDsaVerify(level, signature, message, publicKey), `${name}, test ${one.tcId}`).toBe(
          one.result === "valid",
        )
    }
    expect(checked).toBeGreaterThan(150)
  })
})

describeVectors("authenticated encryption", () => {
  type Case = { key: string; iv: string; aad: string; msg: string; ct: string; tag: string }
  const ciphers = [
    ["xchacha20_poly1305_test", "xchacha20-poly1305", xchachaSeal],
    ["chacha20_poly1305_test", "chacha20-poly1305", chachaSeal],
  ] as const

  test.each(ciphers)("Wycheproof %s", (file, alg, seal) => {
    for (const one of wycheproof<Case>(file)) {
      const { key, iv: nonce, aad, msg } = one
      const input = { alg, key, nonce, aad, ciphertext: one.ct + one.tag }
      const open = () => cryptoOps["aead.open"](input)
      if (one.result === "valid") {
        expect(open(), `test ${one.tcId}`).toBe(msg)
        const [k, n, m, a] = [key, nonce, msg, aad].map(decodeHex)
        expect(encodeHex(seal(k!, n!, m!, a!))).toBe(one.ct + one.tag)
      } else expect(open, `test ${one.tcId}`).toThrow(ProtocolError)
    }
  })

  test("OpenSSL opens and refuses the same", () => {
    for (const one of wycheproof<Case>("chacha20_poly1305_test")) {
      const [key, nonce, ct, aad] = [one.key, one.iv, one.ct + one.tag, one.aad].map(decodeHex)
      if (nonce!.length !== 12) continue
      const opened = nodePrimitives.chacha20Poly1305Open(key!, nonce!, ct!, aad!)
      expect(opened === null ? null : encodeHex(opened)).toBe(
        one.result === "valid" ? one.msg : null,
      )
    }
  })
})

describeVectors("HKDF and HMAC", () => {
  test("Wycheproof HKDF-SHA-256, and no output longer than RFC 5869 has", () => {
    type Case = { ikm: string; salt: string; info: string; size: number; okm: string }
    for (const one of wycheproof<Case>("hkdf_sha256_test")) {
      const { ikm, salt, info, size: length } = one
      const derive = () => cryptoOps.hkdf({ ikm, salt, info, length })
      if (one.result === "valid") expect(derive(), `test ${one.tcId}`).toBe(one.okm)
      else expect(derive, `test ${one.tcId}`).toThrow(ProtocolError)
    }
  })

  test.each([portablePrimitives, nodePrimitives])("Wycheproof HMAC-SHA-256, $name", (backend) => {
    type Case = { key: string; msg: string; tag: string }
    for (const one of wycheproof<Case, { tagSize: number }>("hmac_sha256_test")) {
      const tag = encodeHex(backend.hmacSha256(decodeHex(one.key), decodeHex(one.msg)))
      const given = tag.slice(0, one.tag.length) === one.tag
      expect(given, `test ${one.tcId}`).toBe(one.result === "valid")
    }
  })
})

describeVectors("X-Wing and HPKE", () => {
  type XWing = { seed: string; eseed: string; ss: string; pk: string; ct: string }

  test("the draft's vectors: key, ciphertext and secret", () => {
    const cases = read<XWing[]>("hpke/xwing-test-vectors.json")
    expect(cases).toHaveLength(3)
    for (const { seed, eseed, ss, pk, ct: ciphertext } of cases) {
      expect(encodeHex(kemKeyPair(decodeHex(seed)).publicKey)).toBe(pk)
      const made = encapsulate(decodeHex(pk), decodeHex(eseed))
      expect([encodeHex(made.ciphertext), encodeHex(made.sharedSecret)]).toEqual([ciphertext, ss])
      expect(cryptoOps["kem.decap"]({ seed, ciphertext })).toBe(ss)
    }
  })

  test("our KEM and KDF in the schedule of RFC 9180 export what the working group's vector says", async () => {
    type Hpke = { kem_id: number; kdf_id: number; info: string; skRm: string; enc: string } & {
      aead_id: number
      exports: { exporter_context: string; L: number; exported_value: string }[]
    }
    const cases = read<Hpke[]>("hpke/hpke-pq-test-vectors.json")
    const found = cases.find((one) => one.kem_id === 0x647a && one.kdf_id === 1)!
    expect(found.aead_id).toBe(3)
    // The vector is of a suite that also encrypts: the exporter's context names that AEAD.
    const { AEAD_ChaCha20Poly1305 } = await import("hpke")
    const suite = new CipherSuite(() => xWing(null), kdf, AEAD_ChaCha20Poly1305)
    const key = await suite.DeserializePrivateKey(decodeHex(found.skRm))
    const context = await suite.SetupRecipient(key, decodeHex(found.enc), {
      info: decodeHex(found.info),
    })
    for (const { exporter_context, L, exported_value } of found.exports)
      expect(encodeHex(await context.Export(decodeHex(exporter_context), L))).toBe(exported_value)
  })
})
