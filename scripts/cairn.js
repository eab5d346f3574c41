#!/usr/bin/env node
// The command. Plain JavaScript, so that a wrong Node.js version gets a clear message instead of a syntax error.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 26) {
  process.stderr.write(
    `cairn needs Node.js 26 or newer, this is ${process.versions.node}: use "npm start" after "npm ci", which brings the right one\n`,
  )
  process.exit(1)
}

// What is read only when the process starts (docs/decisions/0006-memory.md): threads give back the memory of their start.
const FLAGS = ['--expose-gc']
const ENVIRONMENT = {
  // What one thread frees serves all: with a heap for each, the freed memory of every thread's busiest moment stays.
  MALLOC_ARENA_MAX: '2',
  // Flushes of drives run on this pool, at most four of each drive: a hung drive must not take the threads of the others.
  UV_THREADPOOL_SIZE: '64',
  // Keeps sources without their types: later starts are quicker and use less memory. Worker threads ask the environment.
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../node_modules/.cache/cairn', import.meta.url)),
}

const isReady = FLAGS.every((flag) => process.execArgv.includes(flag))
if (!isReady && process.execve !== undefined && process.platform !== 'win32') {
  process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...FLAGS, ...process.argv.slice(1)],
    { ...ENVIRONMENT, ...process.env },
  )
}
Object.assign(process.env, { ...ENVIRONMENT, ...process.env })
enableCompileCache(process.env.NODE_COMPILE_CACHE)
const { main } = await import(isBuilt() ? '../dist/cli.js' : '../src/cli/cli.ts')
await main(process.argv.slice(2))

/** Whether `dist/` was made from the sources as they are now: who changes them runs what was changed. */
function isBuilt() {
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const builtMs = statSync(join(folder, 'dist', 'cli.js'), { throwIfNoEntry: false })?.mtimeMs
  if (builtMs === undefined) return false
  const source = join(folder, 'src')
  if (!existsSync(source)) return true
  return readdirSync(source, { recursive: true })
    .filter((name) => !name.endsWith('.test.ts'))
    .every((name) => statSync(join(source, name)).mtimeMs <= builtMs)
}
