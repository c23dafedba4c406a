import ical, { ICalAlarmType, ICalEventTransparency } from "ical-generator"
import type { DeadlineView } from "../node/reading/calendar.ts"

const dayMs = 86_400_000
const reminderSeconds = 14 * 86_400

/**
 * Deadlines as events of a day each, with a reminder two weeks before what is still to be done. The UID of
 * a deadline stays the same from one export to the next. RFC 5545
 */
export function formatCalendar(deadlines: readonly DeadlineView[], stamp: Date): string {
  const calendar = ical({ name: "comity", prodId: "//comity//calendar//EN" })
  for (const { deadline, day, until, what, title, mechanism, from, state } of deadlines) {
    const start = new Date(`${day}T00:00:00Z`)
    const event = calendar.createEvent({
      allDay: true,
      description: `${mechanism}, as ${from} says: ${state}`,
      id: `${deadline}@comity`,
      stamp,
      start,
      // The end of an event of whole days is the day after its last. RFC 5545 §3.6.1
      ...(until === undefined ? {} : { end: new Date(Date.parse(`${until}T00:00:00Z`) + dayMs) }),
      summary: title === undefined ? what : `${what}: ${title}`,
      timezone: "UTC",
      transparency: ICalEventTransparency.TRANSPARENT,
    })
    if (state === "ahead" || state === "soon")
      event.createAlarm({ type: ICalAlarmType.display, triggerBefore: reminderSeconds })
  }
  return calendar.toString()
}
