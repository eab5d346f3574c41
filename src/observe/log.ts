import { writeSync } from 'node:fs'
import type { Clock } from '#base/clock'

export type LogFields = Readonly<Record<string, unknown>>

/** Where a module reports. Never pass secrets or object data. Fields with meaning everywhere: `requestId`, `drive`, `bucket`, `key`, `error`. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogOptions {
  /** `text` for people, `json` for machines: one object a line. */
  readonly format: 'text' | 'json'
  /** Lines below this level are dropped. */
  readonly level: LogLevel
  /** Prints one line, without line feed. Default: standard error. */
  readonly print?: (line: string) => void
}

/** A log that drops everything. */
export const SILENT_LOG: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/** A log that writes whole lines synchronously, so that lines of several threads never mix and none is lost at exit. */
export function createLog(clock: Clock, options: LogOptions): Log {
  const print = options.print ?? printToStandardError
  const lowest = LOG_LEVELS.indexOf(options.level)
  const format = options.format === 'json' ? jsonLine : textLine
  const at = (level: LogLevel) =>
    LOG_LEVELS.indexOf(level) < lowest
      ? () => undefined
      : (message: string, fields: LogFields = {}): void =>
          print(format(new Date(clock.nowMs()).toISOString(), level, message, fields))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function printToStandardError(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody reads our output (closed pipe, full disk): serving goes on without a log.
  }
}

function jsonLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  const plain: Record<string, unknown> = { level: level.toUpperCase(), time, message }
  for (const [name, value] of Object.entries(fields)) plain[name] = describe(value)
  return JSON.stringify(plain)
}

function textLine(time: string, level: LogLevel, message: string, fields: LogFields): string {
  let line = `${time} ${level.toUpperCase().padEnd(5)} ${message}`
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const described = describe(value)
    line += ` ${name}=${typeof described === 'string' && /^[^\s"]+$/.test(described) ? described : JSON.stringify(described)}`
  }
  return line
}

/** Errors become their chain of messages and the first stack; big integers become text. */
function describe(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (!(value instanceof Error)) return value
  const chain: string[] = []
  let cause: unknown = value
  while (cause instanceof Error && chain.length < 8) {
    chain.push(`${cause.name}: ${cause.message}`)
    cause = cause.cause
  }
  const stack = value.stack?.split('\n').slice(1, 4).join(' ').replaceAll(/\s+/g, ' ') ?? ''
  return `${chain.join(' <- ')}${stack === '' ? '' : ` (${stack.trim()})`}`
}
