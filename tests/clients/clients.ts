/** The clients of the matrix: how each is installed into the cache, and how its steps are started. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { cacheFolder, findProgram, goProgram, mcProgram, run } from '../lib/programs.ts'
import { libraryPath, unpackDebian } from './debian.ts'

const HERE = import.meta.dirname
const JAVA_SOURCES = 'src/main/java'
// Programs that end after seconds: what is compiled well is compiled too late.
const JAVA_OPTIONS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
const INSTALL_TIMEOUT_MS = 600_000
const LITESTREAM = 'github.com/benbjohnson/litestream/cmd/litestream@v0.5.18'

export interface ClientCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Client {
  readonly name: string
  /** Takes minutes to build: runs only when it is named. */
  readonly isSlow?: boolean
  /** Sends keys of its own, and so needs a server with TLS beside the other one. */
  readonly usesTls?: boolean
  /** Installs what is missing. Rejects when the client cannot be had. */
  prepare(): Promise<ClientCommand>
}

const prepared = new Map<string, Promise<string>>()

/** Runs `install` once per content of `sources`; the folder is marked when it is complete. */
function installed(
  name: string,
  sources: readonly string[],
  install: (folder: string) => Promise<void>,
): Promise<string> {
  const known = prepared.get(name)
  if (known !== undefined) return known
  const work = async (): Promise<string> => {
    const hash = createHash('sha256')
    for (const source of sources) hash.update(readFileSync(join(HERE, source)))
    const digest = hash.digest('hex')
    const folder = join(cacheFolder(), name)
    const mark = join(folder, '.installed')
    if (existsSync(mark) && readFileSync(mark, 'utf8') === digest) return folder
    mkdirSync(folder, { recursive: true })
    await install(folder)
    writeFileSync(mark, digest)
    return folder
  }
  const folder = work()
  prepared.set(name, folder)
  return folder
}

function pythonPackages(name: string, requirements: string): Promise<string> {
  return installed(name, [requirements], async (folder) => {
    await run('python3', ['-m', 'venv', folder], { timeoutMs: 120_000 })
    // Compiled when first imported: most of these many files never are.
    const args = ['install', '--quiet', '--no-compile', '--disable-pip-version-check', '-r']
    const file = join(HERE, requirements)
    await run(join(folder, 'bin/pip'), [...args, file], { timeoutMs: INSTALL_TIMEOUT_MS })
  })
}

function python(): Promise<string> {
  return pythonPackages('python', 'python/requirements.txt')
}

/** Apart from the clients, because s3fs asks for another release of the SDK. */
function pythonApplications(): Promise<string> {
  return pythonPackages('applications', 'python/applications.txt')
}

function javascript(): Promise<string> {
  const sources = readdirSync(join(HERE, 'js')).map((file) => `js/${file}`)
  return installed('js', sources, async (folder) => {
    // Copied, so that the scripts find their packages beside them and not those of the repository.
    cpSync(join(HERE, 'js'), folder, { recursive: true })
    const args = ['install', '--no-audit', '--no-fund', '--no-package-lock']
    await run('npm', args, { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS })
  })
}

const GO_SOURCES = [
  'go.mod',
  'go.sum',
  'steps/steps.go',
  ...['minio', 'aws-sdk'].flatMap((name) => [`${name}/main.go`, `${name}/features.go`]),
]

function go(): Promise<string> {
  const sources = GO_SOURCES.map((file) => `go/${file}`)
  return installed('go', sources, async (folder) => {
    const packages = ['./minio', './aws-sdk', 'github.com/peak/s5cmd/v2']
    for (const [index, name] of ['minio-go', 'aws-sdk-go', 's5cmd'].entries()) {
      const args = ['build', '-o', join(folder, name), packages[index] ?? '']
      await run('go', args, { cwd: join(HERE, 'go'), timeoutMs: INSTALL_TIMEOUT_MS })
    }
  })
}

/** The tests that come with minio-go, which ask for nothing beyond its own packages. */
async function minioGoSuite(): Promise<ClientCommand> {
  const folder = await installed('minio-go-suite', ['go/go.mod', 'go/go.sum'], async (target) => {
    const go = (...args: readonly string[]): Promise<string> =>
      run('go', args, { cwd: join(HERE, 'go'), timeoutMs: INSTALL_TIMEOUT_MS })
    const module = 'github.com/minio/minio-go/v7'
    await go('mod', 'download', module)
    const sources = (await go('list', '-m', '-f', '{{.Dir}}', module)).trim()
    await go('build', '-o', join(target, 'suite'), join(sources, 'functional_tests.go'))
  })
  return mintSuite(join(folder, 'suite'))
}

/** The tests that come with minio-py, in its source distribution only. */
async function minioPySuite(): Promise<ClientCommand> {
  const requirements = 'python/requirements.txt'
  const packages = await python()
  const folder = await installed('minio-py-suite', [requirements], async (target) => {
    const release = /^minio==(.+)$/m.exec(readFileSync(join(HERE, requirements), 'utf8'))?.[1] ?? ''
    const download = ['download', '--quiet', '--no-deps', '--no-binary', 'minio', '--dest', target]
    const pip = join(packages, 'bin/pip')
    await run(pip, [...download, `minio==${release}`], { timeoutMs: INSTALL_TIMEOUT_MS })
    const tests = `minio-${release}/tests/functional/tests.py`
    const archive = join(target, `minio-${release}.tar.gz`)
    const args = ['--extract', '--file', archive, '--directory', target, '--strip-components=3']
    await run('tar', [...args, tests], { timeoutMs: INSTALL_TIMEOUT_MS })
  })
  return mintSuite(join(packages, 'bin/python'), join(folder, 'tests.py'))
}

async function mintSuite(...command: readonly string[]): Promise<ClientCommand> {
  return {
    program: process.execPath,
    args: [join(await javascript(), 'mint-suite.mjs'), ...command],
  }
}

/** A module of its own, because it asks for an older minio-go than the client of that name. */
function thanos(): Promise<string> {
  const sources = ['go.mod', 'go.sum', 'store_test.go'].map((file) => `thanos/${file}`)
  return installed('thanos', sources, async (folder) => {
    const args = ['test', '-c', '-o', join(folder, 'store.test'), '.']
    await run('go', args, { cwd: join(HERE, 'thanos'), timeoutMs: INSTALL_TIMEOUT_MS })
  })
}

/** A module of its own, because it asks for releases and forks of its own of much that others use too. */
function loki(): Promise<string> {
  const sources = ['go.mod', 'go.sum', 'main.go'].map((file) => `loki/${file}`)
  return installed('loki', sources, async (folder) => {
    const args = ['build', '-o', join(folder, 'loki'), '.']
    await run('go', args, { cwd: join(HERE, 'loki'), timeoutMs: INSTALL_TIMEOUT_MS })
  })
}

function maven(name: string): Promise<string> {
  const code = readdirSync(join(HERE, name, JAVA_SOURCES)).map((file) => join(JAVA_SOURCES, file))
  const sources = ['pom.xml', ...code].map((file) => join(name, file))
  return installed(name, sources, async (folder) => {
    cpSync(join(HERE, name), folder, { recursive: true })
    const args = ['-B', '-ntp', '-q', 'package', 'dependency:copy-dependencies']
    await run('mvn', args, { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS })
  })
}

async function java(name: string, options: readonly string[] = []): Promise<ClientCommand> {
  const folder = await maven(name)
  const classes = [join(folder, 'target/classes'), join(folder, 'target/dependency/*')].join(':')
  return { program: 'java', args: [...JAVA_OPTIONS, ...options, '-cp', classes, 'Main'] }
}

/** With the parts of Java's own packages that Spark looks into. */
function spark(): Promise<ClientCommand> {
  const packages = ['lang', 'lang.invoke', 'net', 'nio', 'util', 'util.concurrent']
  const opens = packages.map((name) => `--add-opens=java.base/java.${name}=ALL-UNNAMED`)
  return java('spark', ['-Xmx1g', ...opens])
}

/** A Debian package, unpacked in the cache. */
function debian(name: string): Promise<string> {
  return installed(`debian-${name}`, [], (folder) => unpackDebian(name, folder))
}

async function debianProgram(name: string): Promise<string> {
  return findProgram(name) ?? join(await debian(name), 'usr/bin', name)
}

async function nginx(): Promise<ClientCommand> {
  const folder = await debian('nginx')
  return {
    program: process.execPath,
    args: [join(await javascript(), 'nginx.mjs')],
    env: { S3_PROGRAM: join(folder, 'usr/sbin/nginx'), S3_LIBRARIES: libraryPath(folder) },
  }
}

async function browser(): Promise<ClientCommand> {
  const folder = await debian('chromium-headless-shell')
  return {
    program: process.execPath,
    args: [join(await javascript(), 'browser.mjs')],
    env: {
      S3_BROWSER: join(folder, 'usr/lib/chromium/chromium-headless-shell'),
      S3_BROWSER_LIBRARIES: libraryPath(folder),
    },
  }
}

/** For what a script does to the store beside its program. */
async function awsCli(): Promise<Readonly<Record<string, string>>> {
  return { S3_AWS: join(await python(), 'bin/aws') }
}

async function terraform(): Promise<string> {
  const found = findProgram('terraform')
  if (found === undefined) throw new Error('No registry has it, and it is not on this machine')
  return found
}

function script(
  name: string,
  program: () => Promise<string>,
  others: () => Promise<Readonly<Record<string, string>>> = async () => ({}),
): Client {
  return {
    name,
    prepare: async () => {
      const scripts = join(HERE, 'cli')
      return {
        program: 'bash',
        args: [join(scripts, `${name}.sh`)],
        env: { S3_PROGRAM: await program(), S3_SCRIPTS: scripts, ...(await others()) },
      }
    },
  }
}

function pythonApplication(name: string): Client {
  return simple(name, async () => ({
    program: join(await pythonApplications(), 'bin/python'),
    args: [join(HERE, 'python', `${name}_application.py`)],
    env: { AWS_EC2_METADATA_DISABLED: 'true' },
  }))
}

function simple(name: string, command: () => Promise<ClientCommand>): Client {
  return { name, prepare: command }
}

function sdk(name: string, command: () => Promise<ClientCommand>): Client {
  return { name, usesTls: true, prepare: command }
}

export const CLIENTS: readonly Client[] = [
  script('aws-cli', async () => join(await python(), 'bin/aws')),
  sdk('boto3', async () => ({
    program: join(await python(), 'bin/python'),
    args: [join(HERE, 'python/boto3_client.py')],
  })),
  sdk('minio-py', async () => ({
    program: join(await python(), 'bin/python'),
    args: [join(HERE, 'python/minio_client.py')],
  })),
  sdk('minio-py-suite', minioPySuite),
  script('s3cmd', async () => join(await python(), 'bin/s3cmd')),
  sdk('aws-sdk-js', async () => ({
    program: process.execPath,
    args: [join(await javascript(), 'aws-sdk.mjs')],
  })),
  sdk('minio-js', async () => ({
    program: process.execPath,
    args: [join(await javascript(), 'minio.mjs')],
  })),
  sdk('minio-go', async () => ({ program: join(await go(), 'minio-go'), args: [] })),
  sdk('minio-go-suite', minioGoSuite),
  sdk('aws-sdk-go', async () => ({ program: join(await go(), 'aws-sdk-go'), args: [] })),
  script('s5cmd', async () => join(await go(), 's5cmd')),
  script('mc', mcProgram),
  script('rclone', () => debianProgram('rclone')),
  script('restic', () => debianProgram('restic')),
  sdk('aws-sdk-java', () => java('java')),
  simple('browser', browser),
  simple('nginx', nginx),
  pythonApplication('duckdb'),
  pythonApplication('pyarrow'),
  pythonApplication('pandas'),
  pythonApplication('deltalake'),
  pythonApplication('pyiceberg'),
  sdk('hadoop-s3a', () => java('hadoop')),
  { ...simple('spark', spark), isSlow: true },
  script('terraform', terraform, awsCli),
  {
    ...script('litestream', () => goProgram('litestream', LITESTREAM), awsCli),
    isSlow: true,
  },
  {
    ...simple('loki', async () => ({ program: join(await loki(), 'loki'), args: [] })),
    isSlow: true,
  },
  script('thanos', async () => join(await thanos(), 'store.test'), awsCli),
]
