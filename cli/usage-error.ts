/** What is wrong with the command as it was given, not with what it found. */
export const usageErrorCodes = [
  "usage.invalid",
  "usage.unconfirmed",
  "usage.interrupted",
  "file.missing",
  "file.unreadable",
  "file.exists",
  "file.unwritable",
  "piece.malformed",
  "piece.foreign",
  "piece.missing",
] as const

export type UsageErrorCode = (typeof usageErrorCodes)[number]

export class UsageError extends Error {
  override readonly name = "UsageError"
  readonly code: UsageErrorCode
  readonly hint: string | undefined

  constructor(
    code: UsageErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, options)
    this.code = code
    this.hint = options.hint
  }
}
