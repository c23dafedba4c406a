import { type DestinationStream, pino } from "pino"
import type { Log } from "./env.ts"

/** JSON lines. Apart from the real Env, so that a command that logs nothing does not load pino. */
export function pinoLog(stream: DestinationStream): Log {
  const logger = pino(
    {
      // No process id, no host name: logs are handed to others.
      base: null,
      messageKey: "event",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Nested, so that no field can pass for the time, the level or the event.
      nestedKey: "fields",
    },
    stream,
  )
  return {
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
  }
}
