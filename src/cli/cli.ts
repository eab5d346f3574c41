import { Command, CommanderError } from 'commander'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { isatty } from 'node:tty'
import { ConfigError, type ServerFlags } from '#config/config'
import { loadEnvironment } from '#config/environment'
import { loadSettings } from '#config/settings'
import { StartError, startServer } from '#server/server'
import { printBanner } from './banner.ts'
import { VERSION } from './version.ts'

const USAGE = 'Usage: cairn server [flags] /mnt/d{1...4}; all flags: cairn server --help'

/** Without arguments a newcomer gets a server on `./data`. */
const DEFAULT_ARGUMENTS = ['server', './data']

/** Runs the command line; sets the exit code. */
export async function main(words: readonly string[]): Promise<void> {
  const program = withCommonOptions(new Command('cairn'))
    .description('S3-compatible, erasure-coded object store that takes over MinIO drives')
    .version(VERSION, '-v, --version')
    .showHelpAfterError(USAGE)
    .exitOverride()
  program.addCommand(serverCommand())
  try {
    const isBare = words.every((word) => /^--(json|quiet|anonymous)$/.test(word))
    const all = [...words.map(longFlag), ...(isBare ? defaultArguments() : [])]
    await program.parseAsync(all, { from: 'user' })
  } catch (error) {
    process.exitCode = exitCodeOf(error)
    // Threads that were started for nothing would keep the process alive.
    if (error instanceof StartError) process.exit()
  }
}

/** Flags that service files also give before the command. */
function withCommonOptions(command: Command): Command {
  command
    .option('-S, --certs-dir <folder>', 'certificates: public.crt and private.key')
    .option(
      '-C, --config-dir <folder>',
      'as --certs-dir with "certs" below it, as old releases had it',
    )
    .option('--json', 'log lines as JSON')
    .option('--quiet', 'no start banner, only warnings and errors')
    .option('--anonymous', 'no credentials in the start banner')
  for (const flag of ['--compat', '--no-compat']) addIgnored(command, flag)
  return command
}

/** A flag of MinIO without effect here: accepted, so that service files keep working (distributed.md D1.1). */
function addIgnored(command: Command, flag: string): void {
  command.addOption(command.createOption(flag, 'accepted, without effect').hideHelp())
}

/** Long flags may have one dash, as with MinIO: `-address`. */
function longFlag(word: string): string {
  return /^-[a-z][a-z-]+(?:=|$)/.test(word) ? `-${word}` : word
}

function defaultArguments(): readonly string[] {
  const isNamed = ['ARGS', 'VOLUMES', 'ENDPOINTS'].some(
    (name) => process.env[`MINIO_${name}`] ?? process.env[`CAIRN_${name}`],
  )
  return isNamed ? ['server'] : DEFAULT_ARGUMENTS
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode
  if (error instanceof ConfigError || error instanceof StartError) {
    process.stderr.write(`cairn: ${error.message}\n`)
    return 1
  }
  throw error
}

function serverCommand(): Command {
  const command = withCommonOptions(new Command('server'))
    .description('start the server on one or more drives: /mnt/d{1...4}')
    .argument('[drives...]', 'folders; {1...4} stands for several')
    .option('--address <address>', 'where the S3 API listens (default ":9000")')
    .option('--console-address <address>', 'where the console listens (default ":9001")')
    .option('--idle-timeout <duration>', 'how long an idle connection stays open')
    .option('--read-header-timeout <duration>', 'how long request headers may take')
    .option('--shutdown-timeout <duration>', 'how long running requests may take at a stop')
  for (const flag of [
    '--interface <name>',
    '--listeners <count>',
    '--conn-user-timeout <duration>',
    '--conn-read-deadline <duration>',
    '--conn-write-deadline <duration>',
    '--dns-cache-ttl <duration>',
    '--max-idle-conns-per-host <count>',
    '--send-buf-size <size>',
    '--recv-buf-size <size>',
    '--memlimit <size>',
    '--log-dir <folder>',
    '--log-size <size>',
    '--log-prefix <text>',
    '--crossdomain-xml <file>',
    '--log-compress',
  ]) {
    addIgnored(command, flag)
  }
  return command.showHelpAfterError(USAGE).exitOverride().action(runServer)
}

async function runServer(
  drives: readonly string[],
  _own: unknown,
  command: Command,
): Promise<void> {
  const options = parseFlags(command.optsWithGlobals())
  const environment = loadEnvironment(process.env)
  const { settings, warnings } = loadSettings({ ...options, volumes: drives }, environment, {
    coreCount: availableParallelism(),
    memoryBytes: memoryBytes(),
  })
  const server = await startServer(settings, warnings, environment, (starting) =>
    stopOnSignals((reason) => starting.stop(reason)),
  )
  if (!settings.quiet) printBanner(settings, server.facts)
  process.exitCode = await server.ended
}

/** Of the machine, or of the container where that has less. */
function memoryBytes(): number {
  const containerBytes = process.constrainedMemory() // 0: there is no such limit
  return containerBytes === 0 ? totalmem() : Math.min(totalmem(), containerBytes)
}

/** The flags that `ServerFlags` knows, out of what commander collected. */
function parseFlags(input: Readonly<Record<string, unknown>>): Omit<ServerFlags, 'volumes'> {
  const text = (name: string): string | undefined =>
    typeof input[name] === 'string' ? input[name] : undefined
  return {
    address: text('address'),
    consoleAddress: text('consoleAddress'),
    certsDir: text('certsDir') ?? certsBelow(text('configDir')),
    idleTimeout: text('idleTimeout'),
    readHeaderTimeout: text('readHeaderTimeout'),
    shutdownTimeout: text('shutdownTimeout'),
    json: input['json'] === true,
    quiet: input['quiet'] === true,
    anonymous: input['anonymous'] === true,
  }
}

function certsBelow(configDir: string | undefined): string | undefined {
  return configDir === undefined ? undefined : join(configDir, 'certs')
}

/** A second Ctrl-C after this time ends the process at once. npm passes the first one on, so that it comes twice. */
const IMPATIENCE_MS = 1000

/**
 * The first signal stops cleanly. SIGHUP does only when a terminal is closed: services send it to have certificates read
 * again, which happens by itself.
 */
function stopOnSignals(stop: (reason: string) => void): void {
  let sinceMs: number | undefined
  const hasTerminal = isatty(0)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && !hasTerminal) return
      sinceMs ??= performance.now()
      if (signal === 'SIGINT' && performance.now() - sinceMs > IMPATIENCE_MS) process.exit(130)
      stop(signal)
    })
  }
}
