/** More slips than these are another word. */
const SLIPS_MAX = 2

/** The name that `wanted` is a slip of the pen of; undefined when none is near. */
export function nearestName(wanted: string, names: readonly string[]): string | undefined {
  const [nearest] = names
    .map((name) => ({ name, slips: slipsBetween(wanted, name) }))
    .toSorted((a, b) => a.slips - b.slips)
  return nearest !== undefined && nearest.slips <= SLIPS_MAX ? nearest.name : undefined
}

/** Levenshtein's distance: letters to add, to remove or to replace. */
function slipsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (const [line, letter] of from.split('').entries()) {
    const next = [line + 1]
    for (const [column, other] of to.split('').entries()) {
      const replaced = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}
