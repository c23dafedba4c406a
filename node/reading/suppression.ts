/**
 * Counts of what several members have in common, from which nobody learns of fewer than k of them: not from
 * a cell, and not from a total less the cells beside it.
 */

/** One record: its values in each dimension (several areas), and the member it says something about. */
export type Counted = { readonly values: readonly (readonly string[])[]; readonly member: string }
/** A value for each dimension, or null for all of them together. */
export type Cell = { readonly at: readonly (string | null)[]; readonly count: number }

type Held = {
  readonly at: readonly (string | null)[]
  count: number
  readonly members: Set<string>
}
/** Cells along one dimension, with the total that they add up to. */
type Line = { readonly cells: readonly string[]; readonly total: string }

/** Beyond so many hidden cells nothing but the grand total is told: there is too little in them. */
const hiddenCells = 300

/**
 * The cells that may be told, sorted. What is missing is nothing or too little, and nobody can tell which.
 * All tables cut from one call agree: they give away no more together than each alone. `isAsked` leaves
 * out cells that are in none of them: what is not told at all needs nothing hidden beside it.
 */
export function tellable(
  records: readonly Counted[],
  k: number,
  isAsked: (at: Cell["at"]) => boolean = () => true,
): readonly Cell[] {
  const cube = cubeOf(records, isAsked)
  const hidden = new Set<string>()
  for (const [key, { members }] of cube) if (members.size < k) hidden.add(key)
  const lines = linesOf(cube)
  for (let hides = true; hides && hidden.size <= hiddenCells; ) {
    const open = lines.filter((line) => tellsTooMuch(cube, hidden, line, k))
    hides = open.map((line) => hideOne(cube, hidden, [line])).includes(true)
    if (hides) continue
    const known = determined(hidden, lines)
    if (!known.some((key) => cube.get(key)!.members.size < k)) break
    const through = (keys: readonly string[] | ReadonlySet<string>) => {
      const these = new Set(keys)
      return lines.filter(({ cells, total }) => [total, ...cells].some((key) => these.has(key)))
    }
    // Where all of its cells are hidden, what gives a line away is told further on.
    hides = hideOne(cube, hidden, through(known)) || hideOne(cube, hidden, through(hidden))
  }
  const told = [...cube].filter(([key, { at }]) =>
    hidden.size <= hiddenCells
      ? !hidden.has(key)
      : at.every((value) => value === null) && !hidden.has(key),
  )
  return told.map(([, { at, count }]) => ({ at, count })).toSorted(byPlace)
}

function byPlace(a: Cell, b: Cell): number {
  return JSON.stringify(a.at) < JSON.stringify(b.at) ? -1 : 1
}

function cubeOf(
  records: readonly Counted[],
  isAsked: (at: Cell["at"]) => boolean,
): ReadonlyMap<string, Held> {
  const cube = new Map<string, Held>()
  for (const { values, member } of records) {
    let places: readonly (readonly (string | null)[])[] = [[]]
    for (const some of values)
      places = places.flatMap((at) => [...new Set(some), null].map((value) => [...at, value]))
    for (const at of places.filter(isAsked)) {
      const key = JSON.stringify(at)
      const held = cube.get(key) ?? { at, count: 0, members: new Set() }
      held.count++
      held.members.add(member)
      cube.set(key, held)
    }
  }
  return cube
}

function linesOf(cube: ReadonlyMap<string, Held>): readonly Line[] {
  const lines = new Map<string, string[]>()
  for (const [key, { at }] of cube)
    at.forEach((value, dimension) => {
      if (value === null) return
      const total = JSON.stringify(at.with(dimension, null))
      const name = `${dimension} ${total}`
      lines.set(name, [...(lines.get(name) ?? []), key])
    })
  return [...lines].map(([name, cells]) => ({ cells, total: name.slice(name.indexOf(" ") + 1) }))
}

/** What is hidden in a line can be had by taking the rest from its total: it must be of k members at least. */
function tellsTooMuch(
  cube: ReadonlyMap<string, Held>,
  hidden: ReadonlySet<string>,
  { cells, total }: Line,
  k: number,
): boolean {
  if (hidden.has(total)) return false
  const missing = cells.filter((key) => hidden.has(key))
  const members = new Set(missing.flatMap((key) => [...cube.get(key)!.members]))
  return missing.length > 0 && members.size < k
}

/** Hides one cell more of these lines, the least of those that are told; a total at last. */
function hideOne(
  cube: ReadonlyMap<string, Held>,
  hidden: Set<string>,
  lines: readonly Line[],
): boolean {
  const least = (keys: readonly string[]) =>
    keys
      .filter((key) => !hidden.has(key))
      .toSorted((a, b) => cube.get(a)!.count - cube.get(b)!.count || (a < b ? -1 : 1))
  const [key] = [
    ...least(lines.flatMap(({ cells }) => cells)),
    ...least(lines.map(({ total }) => total)),
  ]
  if (key === undefined) return false
  hidden.add(key)
  return true
}

/** Prime: sums of products of two residues stay below 2⁵³. */
const modulus = 67_108_859

/** Hidden cells whose count follows from those that are told, by every line at once: Gaussian elimination. */
function determined(hidden: ReadonlySet<string>, lines: readonly Line[]): readonly string[] {
  const unknown = [...hidden]
  const column = new Map(unknown.map((key, i) => [key, i]))
  const rows = lines.flatMap(({ cells, total }) => {
    const row = new Array<number>(unknown.length).fill(0)
    for (const key of cells) if (hidden.has(key)) row[column.get(key)!] = 1
    if (hidden.has(total)) row[column.get(total)!] = modulus - 1
    return row.some((value) => value !== 0) ? [row] : []
  })
  let rank = 0
  for (let pivot = 0; pivot < unknown.length; pivot++) {
    const found = rows.findIndex((row, i) => i >= rank && row[pivot] !== 0)
    if (found < 0) continue
    ;[rows[rank], rows[found]] = [rows[found]!, rows[rank]!]
    const scale = inverse(rows[rank]![pivot]!)
    const scaled = rows[rank]!.map((value) => (value * scale) % modulus)
    rows[rank] = scaled
    rows.forEach((row, i) => {
      const factor = row[pivot]!
      if (i !== rank && factor !== 0)
        rows[i] = row.map((value, j) => (value + (modulus - factor) * scaled[j]!) % modulus)
    })
    rank++
  }
  return rows.slice(0, rank).flatMap((row) => {
    const places = row.flatMap((value, i) => (value === 0 ? [] : [i]))
    return places.length === 1 ? [unknown[places[0]!]!] : []
  })
}

function inverse(value: number): number {
  let [a, b, x, y] = [value, modulus, 1, 0]
  while (b !== 0) {
    const quotient = Math.floor(a / b)
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  return ((x % modulus) + modulus) % modulus
}
