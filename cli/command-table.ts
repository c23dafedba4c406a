import { laterNames, registerLater } from "./commands/later.ts"
import type { Register } from "./context.ts"

type Entry = { readonly names: readonly string[]; load(): Promise<Register> }

/**
 * Top-level commands as they are needed one after the other, and the files that register them. Only the
 * file of the command that is asked for is loaded; help loads all, so a command loads what it works with
 * inside its action.
 */
export const commandGroups: readonly {
  readonly heading: string
  readonly entries: readonly Entry[]
}[] = [
  {
    heading: "Found a member and run its node:",
    entries: [
      { names: ["init"], load: async () => (await import("./commands/init.ts")).registerInit },
      { names: ["id"], load: async () => (await import("./commands/id.ts")).registerId },
      { names: ["peer"], load: async () => (await import("./commands/peer.ts")).registerPeer },
      { names: ["serve"], load: async () => (await import("./commands/serve.ts")).registerServe },
      {
        names: ["doctor"],
        load: async () => (await import("./commands/doctor.ts")).registerDoctor,
      },
      {
        names: ["metrics"],
        load: async () => (await import("./commands/metrics.ts")).registerMetrics,
      },
      {
        names: ["backup", "restore", "recover"],
        load: async () => (await import("./commands/backup.ts")).registerBackup,
      },
    ],
  },
  {
    heading: "Say who may speak for the member:",
    entries: [
      { names: ["key"], load: async () => (await import("./commands/key.ts")).registerKey },
      {
        names: ["officer"],
        load: async () => (await import("./commands/officer.ts")).registerOfficer,
      },
      {
        names: ["policy"],
        load: async () => (await import("./commands/policy.ts")).registerPolicy,
      },
      {
        names: ["register"],
        load: async () => (await import("./commands/register.ts")).registerRegister,
      },
      { names: ["pin"], load: async () => (await import("./commands/pin.ts")).registerPin },
      { names: ["agent"], load: async () => (await import("./commands/agent.ts")).registerAgent },
    ],
  },
  {
    heading: "Publish a practice:",
    entries: [
      {
        names: ["profile"],
        load: async () => (await import("./commands/profile.ts")).registerProfile,
      },
      { names: ["draft"], load: async () => (await import("./commands/draft.ts")).registerDraft },
      {
        names: ["release"],
        load: async () => (await import("./commands/release.ts")).registerRelease,
      },
      { names: ["group"], load: async () => (await import("./commands/group.ts")).registerGroup },
      {
        names: ["interest"],
        load: async () => (await import("./commands/interest.ts")).registerInterest,
      },
      { names: ["order"], load: async () => (await import("./commands/order.ts")).registerOrder },
      {
        names: ["consent"],
        load: async () => (await import("./commands/consent.ts")).registerConsent,
      },
      {
        names: ["publish"],
        load: async () => (await import("./commands/publish.ts")).registerPublish,
      },
      {
        names: ["outbox", "receipts", "why"],
        load: async () => (await import("./commands/outcome.ts")).registerOutcome,
      },
      {
        names: ["hold"],
        load: async () => (await import("./commands/hold.ts")).registerHold,
      },
      {
        names: ["withdraw"],
        load: async () => (await import("./commands/withdraw.ts")).registerWithdraw,
      },
    ],
  },
  {
    heading: "Follow what peers share:",
    entries: [
      {
        names: ["sync", "subscribe"],
        load: async () => (await import("./commands/sync.ts")).registerSync,
      },
      {
        names: ["inbox", "search", "show"],
        load: async () => (await import("./commands/records.ts")).registerRecords,
      },
      {
        names: ["notify"],
        load: async () => (await import("./commands/notify.ts")).registerNotify,
      },
      { names: ["saved"], load: async () => (await import("./commands/saved.ts")).registerSaved },
      { names: ["mark"], load: async () => (await import("./commands/mark.ts")).registerMark },
    ],
  },
  {
    heading: "Talk about it:",
    entries: [
      {
        names: ["ask", "answer", "comment", "reserve", "adopt", "agree", "follow-up", "translate"],
        load: async () => (await import("./commands/dialogue.ts")).registerDialogue,
      },
      {
        names: ["assistance"],
        load: async () => (await import("./commands/assistance.ts")).registerAssistance,
      },
      {
        names: ["trends"],
        load: async () => (await import("./commands/trends.ts")).registerTrends,
      },
      {
        names: ["calendar"],
        load: async () => (await import("./commands/calendar.ts")).registerCalendar,
      },
    ],
  },
  {
    heading: "Prove it:",
    entries: [
      {
        names: ["evidence"],
        load: async () => (await import("./commands/evidence.ts")).registerEvidence,
      },
      {
        names: ["verify"],
        load: async () => (await import("./commands/evidence.ts")).registerVerify,
      },
      { names: ["log"], load: async () => (await import("./commands/log.ts")).registerLog },
      {
        names: ["witness"],
        load: async () => (await import("./commands/witness.ts")).registerWitness,
      },
      {
        names: ["inconsistency"],
        load: async () => (await import("./commands/inconsistency.ts")).registerInconsistency,
      },
    ],
  },
  {
    heading: "Try it:",
    entries: [
      { names: ["demo"], load: async () => (await import("./commands/demo.ts")).registerDemo },
      {
        names: ["conform"],
        load: async () => (await import("./commands/conform.ts")).registerConform,
      },
    ],
  },
  { heading: "Later:", entries: [{ names: laterNames, load: async () => registerLater }] },
]
