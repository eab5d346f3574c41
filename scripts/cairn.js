#!/usr/bin/env node
// The command. Plain JavaScript, so that a wrong Node.js version gets a clear message instead of a syntax error.
import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

const [major = 0] = process.versions.node.split('.').map(Number)
if (major < 26) {
  process.stderr.write(
    `cairn needs Node.js 26 or newer, this is ${process.versions.node}: use "npm start" after "npm ci", which brings the right one\n`,
  )
  process.exit(1)
}
// Flushes of drives run on this pool, at most four of each drive: a hung drive must not take the threads of the others.
process.env.UV_THREADPOOL_SIZE ??= '64'
// Keeps sources without their types: later starts are quicker and use less memory. Worker threads ask the environment.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('../node_modules/.cache/cairn', import.meta.url),
)
enableCompileCache(process.env.NODE_COMPILE_CACHE)
const { main } = await import('#cli/cli')
await main(process.argv.slice(2))
