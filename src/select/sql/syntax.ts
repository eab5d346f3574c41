/** The tree of a query. */
import type { Value } from './values.ts'

export interface Name {
  readonly text: string
  /** Quoted names match exactly, bare ones in any case. */
  readonly isQuoted: boolean
}

/** One step of a path behind its first name. */
export type Step =
  | { readonly kind: 'name'; readonly name: Name }
  | { readonly kind: 'index'; readonly index: number }
  | { readonly kind: 'elements' } // [*]
  | { readonly kind: 'members' } // .*

export interface Path {
  readonly first: Name
  readonly steps: readonly Step[]
}

export type CompareOperator = '=' | '!=' | '<' | '<=' | '>' | '>='
export type ArithmeticOperator = '+' | '-' | '*' | '/' | '%'
export type AggregateName = 'COUNT' | 'SUM' | 'AVG' | 'MIN' | 'MAX'
export type CastType = 'BOOL' | 'INT' | 'FLOAT' | 'STRING' | 'TIMESTAMP'
export type TimePart =
  | 'YEAR'
  | 'MONTH'
  | 'DAY'
  | 'HOUR'
  | 'MINUTE'
  | 'SECOND'
  | 'TIMEZONE_HOUR'
  | 'TIMEZONE_MINUTE'
export type TrimSide = 'LEADING' | 'TRAILING' | 'BOTH'
export type FunctionName =
  | 'COALESCE'
  | 'NULLIF'
  | 'CHAR_LENGTH'
  | 'LOWER'
  | 'UPPER'
  | 'SUBSTRING'
  | 'UTCNOW'
  | 'TO_STRING'
  | 'TO_TIMESTAMP'

/** Chains of one precedence are lists, so that their length costs no depth. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  | { readonly kind: 'path'; readonly path: Path }
  | { readonly kind: 'list'; readonly items: readonly Expression[] }
  | { readonly kind: 'negate'; readonly operand: Expression }
  | {
      readonly kind: 'arithmetic'
      readonly first: Expression
      readonly rest: readonly {
        readonly operator: ArithmeticOperator
        readonly operand: Expression
      }[]
    }
  | { readonly kind: 'concat'; readonly operands: readonly Expression[] }
  | { readonly kind: 'not'; readonly operand: Expression }
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] }
  | {
      readonly kind: 'compare'
      readonly operator: CompareOperator
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'is'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'between'
      readonly operand: Expression
      readonly low: Expression
      readonly high: Expression
    }
  | { readonly kind: 'in'; readonly operand: Expression; readonly items: Expression }
  | {
      readonly kind: 'like'
      readonly operand: Expression
      readonly pattern: Expression
      readonly escape: Expression | undefined
    }
  | {
      readonly kind: 'case'
      readonly operand: Expression | undefined
      readonly branches: readonly { readonly when: Expression; readonly result: Expression }[]
      readonly otherwise: Expression | undefined
    }
  | { readonly kind: 'cast'; readonly operand: Expression; readonly type: CastType }
  | {
      readonly kind: 'call'
      readonly name: FunctionName
      readonly operands: readonly Expression[]
    }
  | {
      readonly kind: 'trim'
      readonly side: TrimSide
      readonly characters: Expression | undefined
      readonly operand: Expression
    }
  | { readonly kind: 'extract'; readonly part: TimePart; readonly operand: Expression }
  | {
      readonly kind: 'date-add' | 'date-diff'
      readonly part: TimePart
      readonly left: Expression
      readonly right: Expression
    }
  /** `operand` undefined: `COUNT(*)`. */
  | {
      readonly kind: 'aggregate'
      readonly name: AggregateName
      readonly operand: Expression | undefined
    }

export interface SelectItem {
  readonly expression: Expression
  /** Column of the output: alias, else the last name of a path, else `_<position>`. */
  readonly name: string
}

export interface Query {
  /** Undefined: `*`. */
  readonly items: readonly SelectItem[] | undefined
  readonly table: string
  /** Steps behind the leading `[*]` of the table; undefined: the table has no path. */
  readonly tablePath: readonly Step[] | undefined
  readonly alias: Name | undefined
  readonly where: Expression | undefined
  /** Most records to return. */
  readonly limit: number | undefined
}

/** The expressions directly below one. */
export function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'literal':
    case 'path':
      return []
    case 'list':
      return expression.items
    case 'arithmetic':
      return [expression.first, ...expression.rest.map(({ operand }) => operand)]
    case 'concat':
    case 'and':
    case 'or':
    case 'call':
      return expression.operands
    case 'compare':
    case 'is':
    case 'date-add':
    case 'date-diff':
      return [expression.left, expression.right]
    case 'between':
      return [expression.operand, expression.low, expression.high]
    case 'in':
      return [expression.operand, expression.items]
    case 'like':
      return [expression.operand, expression.pattern, ...present(expression.escape)]
    case 'case':
      return [
        ...present(expression.operand),
        ...expression.branches.flatMap(({ when, result }) => [when, result]),
        ...present(expression.otherwise),
      ]
    case 'trim':
      return [...present(expression.characters), expression.operand]
    case 'aggregate':
      return present(expression.operand)
    case 'negate':
    case 'not':
    case 'cast':
    case 'extract':
      return [expression.operand]
  }
}

function present(expression: Expression | undefined): readonly Expression[] {
  return expression === undefined ? [] : [expression]
}
