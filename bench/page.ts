import { writeFileSync } from "node:fs"
import type { Result } from "./measure.ts"

type Report = {
  readonly machine: string
  readonly node: string
  /** of the minute before: what else the machine had to do */
  readonly load: number
  readonly results: readonly Result[]
}

export function formatTable(results: readonly Result[]): string {
  return tableOf(["row", ...headings], (result) => [result.name, ...figures(result)], results)
}

/** The same with the work of each row in words, and what it is meant to reach. */
export function formatPage(
  { machine, node, load, results }: Report,
  {
    day,
    isQuick,
    runs,
  }: { readonly day: string; readonly isQuick: boolean; readonly runs: number },
): string {
  const how = `${isQuick ? "shortened, " : ""}${runs === 1 ? "one run" : `the median of ${runs} runs`}`
  const row = (result: Result) => {
    const [work, aim] = rows[result.name] ?? ["", ""]
    return [`\`${result.name}\``, work, aim, ...figures(result)]
  }
  const table = tableOf(["row", "work", "aim", ...headings], row, results)
  return `${introduction}\nMeasured on ${day}: ${machine}, Node ${node}, ${how}, begun at a load of ${load.toFixed(1)}.\n\n${table}${closing}`
}

export function writePage(
  report: Report,
  how: { readonly isQuick: boolean; readonly runs: number },
): void {
  const day = new Date().toISOString().slice(0, 10)
  const path = new URL("../docs/performance.md", import.meta.url)
  writeFileSync(path, formatPage(report, { ...how, day }))
}

const headings = ["value", "floor", "ratio", "n"]

function tableOf(
  names: readonly string[],
  row: (result: Result) => readonly string[],
  results: readonly Result[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`
  const rule = `|${"---|".repeat(names.length)}\n`
  return [line(names), rule, ...results.map((result) => line(row(result)))].join("")
}

function figures({ value, unit, floor, ratio, n }: Result): readonly string[] {
  const figure = (number: number | undefined) => (number === undefined ? "" : short(number))
  return [`${short(value)} ${unit}`, figure(floor), ratio?.toFixed(2) ?? "", n?.toString() ?? ""]
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toString() : value.toPrecision(3)
}

/** What is done, and the aim. */
const rows: { readonly [name: string]: readonly [work: string, aim: string] } = {
  "publish.bulk": [
    "orders of 100 records to 5 recipients, and their parcels",
    "≥ 0.5 of the floor",
  ],
  "catchup.bulk": [
    "these taken over by one of them, through all eight steps",
    "≥ 0.45 of the floor",
  ],
  "catchup.bulk.nosearch": ["the same without the search index", "≥ 0.4 of the floor"],
  "publish.single": ["an order, signed by two officers, for each record", "≥ 0.5 of the floor"],
  "catchup.single": ["these taken over", "≥ 0.5 of the floor"],
  "live.p50": ["a record from `publish` until a follower has it on disk, searchable", "≤ 5 ms"],
  "live.p99": ["the same, of a hundred the slowest but one", "≤ 12 ms"],
  "live.witnessed.p50": ["the same until two witnesses' cosignatures are there too", "≤ 10 ms"],
  "live.witnessed.p99": ["of a hundred of these the slowest but one", "≤ 20 ms"],
  "fanout190.warm": ["one record to 190 members, until its last parcel is sealed", "≤ 5 ms"],
  "fanout190.cold": ["the same with new secrets for all", "≤ 150 ms"],
  "poll.p99": ["a peer asks, and there is nothing new", "≤ 10 ms"],
  "poll.bytes": ["what it is answered, HTTP head included", "≤ 1024 bytes"],
  addRecipient10k: ["one recipient more for everything released so far", "≤ 3 s"],
  "scale100k.rate": [
    "catch-up of all records against a tenth of them: records per CPU-second",
    "≥ 0.9",
  ],
  "scale100k.rss": ["the same: peak memory", "≤ 1.3"],
  "search.two.p99": ["two words among all records", "≤ 25 ms"],
  "search.newest.p99": ["the newest with a word", "≤ 10 ms"],
  "search.common.p99": ["a word of nearly every record", "≤ 50 ms"],
  "search.prefix.p99": ["what begins with three letters", "≤ 50 ms"],
  start: ["`comity serve` with a raw key file until it is ready; floor: Node alone", "≤ 300 ms"],
  "start.passphrase": ["the same with a passphrase, from which Argon2id makes the key", "≤ 600 ms"],
  idle: ["memory of that node at rest", "≤ 120 MB"],
  "cli.version": ["`comity --version`; floor: Node alone", "≤ 120 ms"],
}

const introduction = `# What things cost

Written by \`npm run bench -- --write\`. Records are 1.9 KB each; every node is a process of its own with an encrypted
database on the disk, full syncs and loopback HTTP. \`rec/CPU-s\` are records for each second of processor time, user and
system, all threads: of the publisher with the sealing of what it serves, or of the recipient alone.
`

const closing = `
## The floor

\`bench/floor/\` does the row's work with the same primitives in the tightest loop that we know: binary messages, one
signature for 500 records (in the \`single\` rows two for each), the same padded bytes, cipher, pragmas, index and transport,
and none of what a record's provenance needs. It runs beside the row, so that the ratio is of one machine in one hour. It is
ours to make faster: [decision 0024](decisions/0024-the-floor-is-ours.md).

## What bounds the ratios

Shares of the processor's time in the rows' own processes, by \`node --cpu-prof\` on a busy machine, on the morning of
26 November 2026, before the changes named behind it:

| | publish.bulk | catchup.bulk.nosearch | publish.single | catchup.single |
|---|---|---|---|---|
| statements of the database, commits among them | 20 % | 15 % | 19 % | 18 % |
| JSON, its checks, hexadecimal and base64 | 16 % | 22 % | 13 % | 18 % |
| hashes | 10 % | 7 % | 10 % | 5 % |
| ciphers | 11 % | 5 % | 6 % | 4 % |
| signatures | 2 % | 1 % | 20 % | 20 % |
| collecting garbage | 5 % | 18 % | 3 % | 11 % |
| HTTP and streams | | 7 % | | 2 % |
| everything else, no function more than a few per cent | 36 % | 25 % | 29 % | 22 % |

No one thing is left to remove: a target that is missed is missed by what provenance is made of. A grant has some 1.3 KB
with its ten hashes on the way to the root, the floor has 64 bytes in its place; for five recipients that is 7 KB a record
to build, to hash, to pad and to seal beside the record's own 4 KB, and at the recipient to parse, to compare with its
canonical form and to check. \`catchup.bulk.nosearch\` has the lower ratio of the two because the index, which costs both
sides the same, is in neither. What a recipient reads, checks and writes beyond the floor comes to 250 to 300 µs of the
processor's time a record in both rows; the floor takes 65 to 80 µs without the index, twice that with it.
Since then records are judged 500 at a time and no longer 1,000; ciphers take their keys as objects, in the floor as well; grants
of one record are parsed once; the hashes that neighbouring paths share are read and written once; sealed objects are laid
down as they are sent, and let go once judged. Allocation of a record taken over fell from 60 to 48 KB, processor time of one
published by a third. What is left in plain sight: collections of the whole heap, which V8 begins for the bytes outside it
(HTTP chunks of 7 KB a record, as a parcel of 143 KB is padded to 256; opened objects; parcel texts), and the pages of indexes
with keys in no order, which every commit writes.

## What a live record waits for

Of 200 records on a busy machine the fastest tenth, 26 November 2026:

| step | ms |
|---|---|
| the order is judged: two officers' signatures, some 20 statements | 1.4 |
| its rows, its entry, the checkpoint signed with both algorithms | 1.3 |
| commit, and the high-water mark: a sync each | 0.7 + 0.7 |
| the stream wakes, looks, seals and writes | 1.3 |
| the follower reads the frames and opens the parcel | 1.0 |
| the log is mirrored: checkpoint verified, entries and nodes stored | 0.8 |
| the eight steps, and what they store, the index among it | 1.4 |
| commit: a sync | 1.0 |

Statements were made cheaper since, which the whole does not show: a record comes alone, to caches that have gone cold.
That is 7 ms of work and three syncs. The floor has two, and takes 4 ms in all: 5 ms are out of reach as long as the
work is not halved.

With two witnesses there follow one after another, of 120 records the fastest tenth: the question 2 ms; at the witness the
new entries mirrored, who asks and the nonce, and the cosignature, some 3 ms each with its sync; at the originator two
answers, 2.5 ms each with its sync; the stream 2 ms; at the follower the proof, 3.5 ms with its sync. These are 22 ms, and
36 ms from \`publish\` to the proof, as four processes share two processors.

One record to 190 members takes 11 to 13 ms until it is logged: 190 grants are read, hashed and placed, 190 deliveries fixed and
stored. Each feed is then four statements and a sealed parcel, 0.09 ms on a quiet processor: what all ask alike is
answered once, until something is written. 5 ms would be 26 µs for each, and to seal its 4 KB takes 9 to 17. New secrets add
0.19 ms for an encapsulation and 0.04 ms for what is derived from it, to each of them.

The two rows of growth wander with the machine: on 26 November 2026 they were 0.78 and 1.52 in one run, 0.95 and 1.56 in
another (264 MB for the tenth, 413 for all), and 0.71 and 1.44 (303 and 436 MB) with the program of that morning.

## Commands

| | |
|---|---|
| \`npm run bench\` | every row; \`-- --quick\` with fewer records, \`-- --only NAME,…\` some, \`-- --runs 3\` the median |
| \`npm run bench -- --json\` | the same for programs |
| \`npm run bench -- --write\` | and into this page |
| \`npm run bench -- --check\` | fails when a row is 30 % worse than \`bench/budget.json\` says |

On a machine whose load is above its processors the milliseconds mean little, and ratios move by up to a third.
`
