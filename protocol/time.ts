import { ProtocolError } from "./errors.ts"

const rfc3339 =
  /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:Z|([+-])(\d{2}):(\d{2}))$/

/**
 * A time of RFC 3339 in one form: UTC with `Z`, milliseconds only when they are not zero. Finer
 * digits are cut. Refused are a day that does not exist, second 60 (clocks here have none), lower
 * case, and `-00:00`, which says that the offset is unknown.
 *
 * @throws `time.malformed`
 */
export function parseTime(text: string): string {
  const [, day, hour, minute, second, fraction = "", sign, offsetHour = "00", offsetMinute = "00"] =
    rfc3339.exec(text) ?? malformed()
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) malformed()
  if (Number(offsetHour) > 23 || Number(offsetMinute) > 59) malformed()
  const offset = (Number(offsetHour) * 60 + Number(offsetMinute)) * 60_000
  if (sign === "-" && offset === 0) malformed()
  const midnight = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) malformed()
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, "0"))
  const local = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + milliseconds
  const utc = new Date(midnight + local - (sign === "-" ? -offset : offset)).toISOString()
  // Beyond the years 0000 to 9999 the text would not be RFC 3339 again.
  if (utc.length !== 24) malformed()
  return utc.replace(".000Z", "Z")
}

function malformed(): never {
  throw new ProtocolError("time.malformed")
}

const languageLength = 35

/**
 * A language tag of BCP 47 in its canonical form (ECMA-402 `getCanonicalLocales`: what Unicode
 * locale identifiers leave out, such as `i-default`, is refused), at most 35 characters.
 *
 * @throws `lang.malformed`
 */
export function parseLanguage(text: string): string {
  if (text.length <= languageLength)
    try {
      const [canonical] = Intl.getCanonicalLocales(text)
      if (canonical !== undefined && canonical.length <= languageLength) return canonical
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
    }
  throw new ProtocolError("lang.malformed")
}

let lastLanguage = ""

/** Whether the tag is one already in canonical form. */
export function isLanguage(text: string): boolean {
  // A record has the language of the one before, nearly always.
  if (text === lastLanguage) return text !== ""
  try {
    if (parseLanguage(text) !== text) return false
    lastLanguage = text
    return true
  } catch (cause) {
    if (cause instanceof ProtocolError) return false
    throw cause
  }
}
