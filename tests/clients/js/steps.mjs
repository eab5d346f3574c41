// What the JavaScript clients share: the environment of the runner and the form of its lines.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const endpoint = new URL(process.env.S3_ENDPOINT)
export const accessKey = process.env.S3_ACCESS_KEY
export const secretKey = process.env.S3_SECRET_KEY
export const region = process.env.S3_REGION
export const bucket = process.env.S3_BUCKET
export const work = process.env.S3_WORK
/** Of proxies that take the prefix off the front of paths, as the server knows. */
export const proxyAddress = process.env.S3_PROXY_ADDRESS
export const pathPrefix = process.env.S3_PATH_PREFIX
/** Undefined when the server serves no websites. */
export const websiteDomain = process.env.S3_WEBSITE_DOMAIN

export const read = (name) => readFileSync(join(work, name))

export async function runSteps(steps) {
  for (const [name, run] of Object.entries(steps)) {
    // Not about this server.
    if (run === undefined) continue
    try {
      await run()
      console.log(`ok ${name}`)
    } catch (error) {
      console.log(`failed ${name}: ${String(error).replaceAll('\n', ' ')}`)
    }
  }
}

export async function fetchBytes(url) {
  const reply = await fetch(url)
  if (!reply.ok) throw new Error(`The URL answered ${reply.status}: ${await reply.text()}`)
  return Buffer.from(await reply.arrayBuffer())
}

export const manyKeys = Array.from(
  { length: 1005 },
  (_, index) => `many/${String(index).padStart(4, '0')}`,
)
