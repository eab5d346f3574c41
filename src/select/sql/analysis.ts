/** What is wrong with a query before any data was seen. */
import { SelectError } from '../select-error.ts'
import { type Expression, operandsOf, type Query } from './syntax.ts'

const TABLE = 's3object'

/** Checks table and aggregates. Errors: `BadTableName`, `InvalidQuery`. */
export function checkQuery(query: Query): void {
  if (query.table.toLowerCase() !== TABLE) {
    throw new SelectError(
      'BadTableName',
      'The table name is not supported: table name must be `s3object`',
    )
  }
  if (query.where !== undefined && hasAggregate(query.where)) {
    throw new SelectError('InvalidQuery', 'WHERE clause cannot have an aggregation')
  }
  for (const { expression } of query.items ?? []) checkNesting(expression)
  if (!isAggregation(query)) return
  for (const { expression } of query.items ?? []) {
    if (hasRowColumn(expression)) {
      throw new SelectError('InvalidQuery', 'Aggregations cannot be mixed with columns of rows')
    }
  }
}

/** Whether the query has one result over all rows. */
export function isAggregation(query: Query): boolean {
  return query.items?.some(({ expression }) => hasAggregate(expression)) === true
}

function hasAggregate(expression: Expression): boolean {
  return expression.kind === 'aggregate' || operandsOf(expression).some(hasAggregate)
}

function checkNesting(expression: Expression): void {
  const operands = operandsOf(expression)
  if (expression.kind === 'aggregate' && operands.some(hasAggregate)) {
    throw new SelectError('InvalidQuery', 'Cannot nest aggregations')
  }
  for (const operand of operands) checkNesting(operand)
}

function hasRowColumn(expression: Expression): boolean {
  if (expression.kind === 'aggregate') return false
  return expression.kind === 'path' || operandsOf(expression).some(hasRowColumn)
}
