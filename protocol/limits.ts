/** Every bound in one place. Sizes in bytes unless the name says otherwise. docs/spec/limits.md */
export const limits = {
  jsonDepth: 16,
  /** any signed object (root, order, keys, receipts) */
  signedBytes: 256 * 1024,
  signatures: 64,
  /** a record's JCS form, attachments apart */
  recordBytes: 1024 * 1024,
  grantBytes: 16 * 1024,
  grantsPerOrder: 512,
  attachments: 64,
  attachmentBytes: 256 * 1024 * 1024,
  /** sealed objects up to this size ride in the feed; larger ones are fetched */
  inlineSealedBytes: 256 * 1024,
  deliveryBytes: 8 * 1024 * 1024,
  frameBytes: 8 * 1024 * 1024 + 64 * 1024,
  framesPerStream: 1_000_000,
  /** a container that is held whole before it is taken */
  framesPerPost: 32_768,
  entriesPerFrame: 4096,
  noteBytes: 1024 * 1024,
  noteSignatures: 130,
  proofLines: 63,
  /** a consent with its proof and the root documents of its member */
  consentBytes: 1024 * 1024,
  evidenceBytes: 4 * 1024 * 1024,
  cardBytes: 2 * 1024 * 1024,
  requestBytes: 16 * 1024 * 1024,
  rootVersions: 1024,
  officers: 1024,
  policyLines: 256,
  witnesses: 64,
  kemKeys: 8,
  receiptsPerBatch: 1024,
} as const
