/** What the benchmark measures: operations by size, concurrency and mode. */
import { MODES, isModeName, modeOf, type ModeName } from './modes.ts'

const OPERATIONS = ['PUT', 'GET', 'STAT', 'DELETE', 'LIST', 'MIXED', 'MULTIPART'] as const
export type BenchOperation = (typeof OPERATIONS)[number]

export interface Cell {
  readonly operation: BenchOperation
  readonly sizeBytes: number
  readonly concurrency: number
  readonly mode: ModeName
}

const SIZES: Readonly<Record<string, number>> = {
  '4KiB': 4096,
  '128KiB': 131_072,
  '1MiB': 1_048_576,
  '10MiB': 10_485_760,
}

const CONCURRENCIES = [1, 16, 64]
/** Other modes than `plain` are measured with one size. */
const MODE_CONCURRENCIES = [1, 16]
const MODE_BYTES = 1_048_576
/** In a bucket that is listed, three pages of it. */
export const LISTED_KEYS = 3000
export const PART_BYTES = 5 * 1_048_576
export const MULTIPART_PARTS = 4

/** All cells in the order in which they run. DELETE comes last: ext4 makes new files slowly for minutes after many were removed. */
export function allCells(): readonly Cell[] {
  const cells: Cell[] = []
  const deletes: Cell[] = []
  for (const concurrency of CONCURRENCIES) {
    for (const sizeBytes of Object.values(SIZES)) {
      for (const operation of ['PUT', 'GET', 'STAT', 'MIXED'] as const) {
        if (operation === 'STAT' && sizeBytes !== 4096) continue
        cells.push({ operation, sizeBytes, concurrency, mode: 'plain' })
      }
      deletes.push({ operation: 'DELETE', sizeBytes, concurrency, mode: 'plain' })
    }
    cells.push({ operation: 'LIST', sizeBytes: 4096, concurrency, mode: 'plain' })
    cells.push({
      operation: 'MULTIPART',
      sizeBytes: PART_BYTES * MULTIPART_PARTS,
      concurrency,
      mode: 'plain',
    })
  }
  return [...cells, ...modeCells(), ...deletes]
}

function modeCells(): readonly Cell[] {
  const cells: Cell[] = []
  for (const mode of Object.keys(MODES).filter(isModeName)) {
    if (mode === 'plain') continue
    for (const concurrency of MODE_CONCURRENCIES) {
      cells.push({ operation: 'PUT', sizeBytes: MODE_BYTES, concurrency, mode })
      if (modeOf(mode).isOnlyUpload) continue
      cells.push({ operation: 'GET', sizeBytes: MODE_BYTES, concurrency, mode })
    }
  }
  return cells
}

export function cellName(cell: Cell): string {
  const size = Object.entries(SIZES).find(([, bytes]) => bytes === cell.sizeBytes)?.[0]
  const shown =
    cell.operation === 'LIST' ? `${LISTED_KEYS} keys` : (size ?? `${cell.sizeBytes / 1_048_576}MiB`)
  const mode = cell.mode === 'plain' ? '' : ` ${cell.mode}`
  return `${cell.operation} ${shown} c${cell.concurrency}${mode}`
}
