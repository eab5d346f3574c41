// What the JavaScript clients share: the environment of the runner and the form of its lines.
// Its packages are installed in the cache, so their types are unknown here.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access, typescript/no-unsafe-return */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'

export const endpoint = new URL(process.env.S3_ENDPOINT)
export const accessKey = process.env.S3_ACCESS_KEY
export const secretKey = process.env.S3_SECRET_KEY
export const region = process.env.S3_REGION
export const bucket = process.env.S3_BUCKET
export const work = process.env.S3_WORK
// Undefined where the server has no such thing.
export const kmsKey = process.env.S3_KMS_KEY
export const tlsEndpoint = process.env.S3_TLS_ENDPOINT
/** Of proxies that take the prefix off the front of paths, as the server knows. */
export const proxyAddress = process.env.S3_PROXY_ADDRESS
export const pathPrefix = process.env.S3_PATH_PREFIX
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

/** Trusts the server of `tlsEndpoint`, from now on. */
export function trustTls() {
  const certificate = readFileSync(process.env.S3_TLS_CERTIFICATE, 'utf8')
  setDefaultCACertificates([...getCACertificates('default'), certificate])
}

/** Status and content of a page of a website. */
export async function fetchPage(site, path) {
  const headers = { host: `${site}.${websiteDomain}` }
  const [reply] = await once(get(new URL(path, endpoint), { headers }), 'response')
  return [reply.statusCode, Buffer.concat(await reply.toArray()).toString()]
}

/** Status of an upload by a browser's form. */
export async function postForm(url, fields, content) {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append('file', new Blob([content]), 'f')
  return (await fetch(url, { method: 'POST', body: form })).status
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
