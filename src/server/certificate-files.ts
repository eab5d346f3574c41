import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** PEM texts at a path: of a file, or of all files of a folder; none where nothing is. */
export function readCertificates(path: string): readonly string[] {
  if (!existsSync(path)) return []
  if (!statSync(path).isDirectory()) return [readFileSync(path, 'utf8')]
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => readFileSync(join(path, entry.name), 'utf8'))
    .filter((text) => text.includes('-----BEGIN CERTIFICATE-----'))
}
