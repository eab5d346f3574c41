/** Borders between modules, banned words and document paths. The table here is the one of ARCHITECTURE.md. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const GROUND = ['base', 'observe', 'config']

interface Border {
  /** Modules that may be imported. `*`: all. */
  readonly modules: readonly string[]
  /** Node built-ins and npm packages. `*`: all. A value may name the only folder or files that may use it: `node:fs@local`. */
  readonly outside: readonly string[]
}

const TABLE: Readonly<Record<string, Border>> = {
  base: { modules: [], outside: ['node:crypto@random.ts', 'node:timers@clock.ts'] },
  observe: { modules: ['base'], outside: ['node:fs'] },
  config: { modules: ['base'], outside: ['node:fs', 'node:net@values.ts', 'node:os', 'node:path'] },
  codec: {
    modules: ['base'],
    outside: ['node:crypto', 'node:worker_threads'],
  },
  's3-protocol': {
    modules: ['base'],
    outside: ['node:crypto', 'fast-xml-parser', 'node:module@xml-parser.ts'],
  },
  encryption: {
    modules: [...GROUND, 'codec'],
    outside: [
      'node:crypto',
      'node:http@kms',
      'node:https@kms',
      'node:tls@kms',
      '@aws-sdk/client-kms@aws-kms.ts',
    ],
  },
  iam: { modules: [...GROUND, 's3-protocol'], outside: ['node:net'] },
  http: {
    modules: GROUND,
    outside: [
      'node:http',
      'node:https',
      'node:tls',
      'node:net',
      'node:fs@certificates.ts',
      'node:crypto@certificates.ts',
      'node:path',
    ],
  },
  drive: {
    modules: [...GROUND, 'codec'],
    outside: ['node:fs@local', 'node:worker_threads', 'node:sqlite@local'],
  },
  object: {
    modules: [...GROUND, 'codec', 'encryption', 'drive'],
    outside: ['fast-xml-parser@bucket-versioning.ts', 'node:module@bucket-versioning.ts'],
  },
  select: {
    modules: ['base', 'codec'],
    outside: ['node:zlib', 'node:worker_threads', 'hyparquet', 'hyparquet/src/column.js'],
  },
  s3: {
    modules: [
      ...GROUND,
      'codec',
      'select',
      'encryption',
      's3-protocol',
      'http',
      'drive',
      'object',
      'iam',
    ],
    outside: [
      'node:crypto',
      '@fastify/busboy@post-policy-form.ts',
      'yauzl@zip-archive.ts',
      'node:stream@zip-archive.ts',
      'node:zlib@reply.ts',
    ],
  },
  server: {
    modules: ['*'],
    outside: ['node:worker_threads', 'node:path', 'node:fs', 'node:net'],
  },
  cli: {
    modules: [...GROUND, 'server'],
    outside: ['commander', 'node:os', 'node:path', 'node:tty'],
  },
  testing: { modules: ['*'], outside: ['*'] },
  bench: { modules: ['*'], outside: ['*'] },
}

/** Word and the files that may use it. */
const BANNED: readonly (readonly [RegExp, string, RegExp])[] = [
  [/\bDate\.now\(/, 'take a Clock', /base\/clock\.ts$/],
  [/\bMath\.random\(/, 'take a Random', /^$/],
  [/\bprocess\.env\b/, 'settings come from config', /^src\/cli\//],
  [/(?<!#|\.)\bsetTimeout\(/, 'take a Clock', /base\/clock\.ts$/],
  [/FIXME/, 'mend it', /^$/],
  [/TODO(?!\(#\d+\))/, 'name the issue: TODO(#123)', /^$/],
  [/@ts-(ignore|nocheck)/, 'mend the type', /^$/],
]

const IS_TEST = /\.(test|fuzz|bench)\.ts$|^src\/(testing|bench)\/|\/testing\/|^src\/tidy\.test\.ts$/

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
}

const SOURCES = filesBelow(join(ROOT, 'src')).map((path) => ({
  path,
  text: readFileSync(join(ROOT, path), 'utf8'),
}))

function moduleOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function importsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /^(?:import|export)\s[^'";=()]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\b(?:import|getBuiltinModule)\(\s*'([^']+)'/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** What is loaded together with the file: no types, nothing that a call loads. */
function loadsOf(text: string): string[] {
  return [
    ...text.matchAll(
      /^(?:import|export)\s(?!type\b)[^'";=()]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'/gm,
    ),
  ].map((match) => match[1] ?? match[2] ?? '')
}

function isAllowedOutside(border: Border, specifier: string, path: string): boolean {
  return border.outside.some((entry) => {
    if (entry === '*') return true
    // The name of a package may itself begin with the separator.
    const at = entry.indexOf('@', 1)
    const name = at === -1 ? entry : entry.slice(0, at)
    const place = at === -1 ? undefined : entry.slice(at + 1)
    if (name !== specifier) return false
    return place === undefined || path.includes(`/${place}/`) || path.endsWith(`/${place}`)
  })
}

test('every folder of src is a module of the table, and every module exists', () => {
  const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  assert.deepEqual(folders.toSorted(), Object.keys(TABLE).toSorted())
})

test('modules import only what the table allows, and only public files', () => {
  const wrong: string[] = []
  for (const { path, text } of SOURCES) {
    const border = TABLE[moduleOf(path)]
    if (border === undefined || IS_TEST.test(path)) continue
    for (const specifier of importsOf(text)) {
      if (specifier.startsWith('.')) {
        const target = relative(ROOT, join(ROOT, path, '..', specifier))
        if (moduleOf(target) !== moduleOf(path))
          wrong.push(`${path}: ${specifier} crosses a border`)
      } else if (specifier.startsWith('#')) {
        const [target = '', ...rest] = specifier.slice(1).split('/')
        if (target === moduleOf(path)) wrong.push(`${path}: ${specifier} should be relative`)
        else if (!border.modules.includes(target) && !border.modules.includes('*')) {
          wrong.push(`${path}: ${moduleOf(path)} may not import ${target}`)
        } else if (rest.length !== 1) wrong.push(`${path}: ${specifier} is private`)
      } else if (!isAllowedOutside(border, specifier, path)) {
        wrong.push(`${path}: ${moduleOf(path)} may not use ${specifier}`)
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('no built-in or package is allowed that no file needs', () => {
  const unused: string[] = []
  for (const [name, { outside }] of Object.entries(TABLE)) {
    const files = SOURCES.filter(({ path }) => moduleOf(path) === name && !IS_TEST.test(path))
    for (const entry of outside) {
      const only = { modules: [], outside: [entry] }
      const isUsed = files.some(({ path, text }) =>
        importsOf(text).some((specifier) => isAllowedOutside(only, specifier, path)),
      )
      if (entry !== '*' && !isUsed) unused.push(`${name}: ${entry}`)
    }
  }
  assert.deepEqual(unused, [])
})

/** What every thread would hold in memory, though few use it. Source: docs/decisions/0006-memory.md. */
const COSTLY = /^node:(http|https|http2|tls)$|^(?!node:|[#.])/

test('no thread loads packages or costly built-ins at its start', () => {
  const wrong: string[] = []
  for (const entry of [
    'src/cli/cli.ts',
    'src/server/request-thread.ts',
    'src/drive/drive-host.ts',
    'src/drive/metadata-reader-host.ts',
    'src/codec/md5-helper-host.ts',
  ]) {
    const paths = new Set([entry])
    for (const path of paths) {
      const text = SOURCES.find((source) => source.path === path)?.text
      assert(text !== undefined, path)
      for (const specifier of loadsOf(text)) {
        if (specifier.startsWith('.')) paths.add(join(path, '..', specifier))
        else if (specifier.startsWith('#')) paths.add(`src/${specifier.slice(1)}.ts`)
        else if (COSTLY.test(specifier) && !(path === entry && specifier === 'commander')) {
          wrong.push(
            `${path} loads ${specifier}: use import() or process.getBuiltinModule in the call`,
          )
        }
      }
    }
  }
  assert.deepEqual(wrong, [])
})

test('no banned words', () => {
  const wrong: string[] = []
  for (const { path, text } of SOURCES) {
    if (IS_TEST.test(path)) continue
    for (const [pattern, instead, allowed] of BANNED) {
      if (pattern.test(text) && !allowed.test(path))
        wrong.push(`${path}: ${pattern.source}: ${instead}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('documents name only paths that exist', () => {
  const wrong: string[] = []
  const sources = globSync('{src,scripts,tests}/**/*.ts', { cwd: ROOT })
  const documents = globSync(['*.md', 'docs/**/*.md', 'tests/*.md'], { cwd: ROOT })
  assert(documents.length > 10)
  for (const document of documents) {
    const text = readFileSync(join(ROOT, document), 'utf8')
    for (const match of text.matchAll(/`((?:src|tests|docs|scripts)\/[\w./-]+)`/g)) {
      const path = match[1] ?? ''
      if (!existsSync(join(ROOT, path))) wrong.push(`${document}: ${path}`)
    }
    for (const match of text.matchAll(/`([\w./-]+\.ts)`/g)) {
      // Often only the end of a path is named.
      const path = match[1] ?? ''
      const isThere = sources.some((source) => `/${source}`.endsWith(`/${path}`))
      if (!isThere) wrong.push(`${document}: ${path}`)
    }
    for (const match of text.matchAll(/\]\((?!\w+:)([^)#]+)/g)) {
      const path = match[1] ?? ''
      if (!existsSync(join(ROOT, dirname(document), path))) wrong.push(`${document}: ${path}`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('the module table of ARCHITECTURE.md is this one', () => {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8')
  const rows = text.matchAll(/^\| `([a-z0-9-]+)` \|[^|]*\| ([^|]*) \|$/gm)
  const written = new Map([...rows].map(([, name, modules]) => [name, modules]))
  const held = Object.entries(TABLE).map(([name, { modules, outside }]) => {
    const all = outside.includes('*') ? 'anything' : 'all above'
    const list = modules.includes('*') ? all : modules.join(', ')
    return [name, list === '' ? 'nothing' : list] as const
  })
  assert.deepEqual(written, new Map(held))
})
