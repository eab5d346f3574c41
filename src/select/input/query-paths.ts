/** Which columns a query uses. */
import { type Expression, type Name, operandsOf, type Path, type Query } from '../sql/syntax.ts'

const TABLE: Name = { text: 's3object', isQuoted: false }

/** A path without the name of its table: `first` is undefined for the record itself. */
export interface ColumnPath {
  readonly first: Name | undefined
  readonly steps: Path['steps']
}

/** Takes the alias, or the table's own name, off the front of a path. */
export function columnPathOf(path: Path, query: Query): ColumnPath {
  const { first, steps } = path
  const isTable =
    matches(first, TABLE) || (query.alias !== undefined && matches(first, query.alias))
  if (!isTable) return { first, steps }
  const [next] = steps
  return next?.kind === 'name'
    ? { first: next.name, steps: steps.slice(1) }
    : { first: undefined, steps }
}

function matches(name: Name, wanted: Name): boolean {
  if (name.isQuoted && wanted.isQuoted) return name.text === wanted.text
  return name.text.toLowerCase() === wanted.text.toLowerCase()
}

/** Whether all columns are asked for: `*`, or `alias.*` alone. */
export function isStar(query: Query): boolean {
  const { items } = query
  if (items === undefined) return true
  const [only] = items
  if (items.length !== 1 || only?.expression.kind !== 'path') return false
  const { first, steps } = columnPathOf(only.expression.path, query)
  return first === undefined && steps.length === 1 && steps[0]?.kind === 'members'
}

/** First names of all columns that the query uses; undefined: it may use any. */
export function usedColumns(query: Query): readonly Name[] | undefined {
  if (isStar(query)) return undefined
  const names: Name[] = []
  const pending: Expression[] = (query.items ?? []).map(({ expression }) => expression)
  if (query.where !== undefined) pending.push(query.where)
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    for (const operand of operandsOf(one)) pending.push(operand)
    if (one.kind !== 'path') continue
    const { first } = columnPathOf(one.path, query)
    if (first === undefined) return undefined
    names.push(first)
  }
  return names
}
