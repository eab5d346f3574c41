import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/**
 * The options of a command of this repository. `--help` prints `usage` and ends the process; words that nobody knows do too,
 * with exit code 2.
 */
export function commandOptions<const T extends ParseArgsOptionsConfig>(usage: string, options: T) {
  const help = { help: { type: 'boolean', default: false } } as const
  try {
    const { values } = parseArgs({ options: help, strict: false })
    if (values.help === true) {
      console.log(usage)
      process.exit(0)
    }
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : 'Unknown option'}\n\n${usage}`)
    process.exit(2)
  }
}
