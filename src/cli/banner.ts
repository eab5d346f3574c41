import type { Settings } from '#config/config'
import { systemClock } from '#base/clock'
import { createLog } from '#observe/log'
import type { ServerFacts } from '#server/server'
import { VERSION } from './version.ts'

/** What a person sees after the start: where, with which credentials, on what, and one line to try. Programs get one line of the log. */
export function printBanner(settings: Settings, facts: ServerFacts): void {
  const host = settings.address.host === '' ? '127.0.0.1' : settings.address.host
  const url = `${facts.isSecure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${facts.port}`
  if (settings.logFormat === 'json') {
    const { drivesOnline, drivesOffline } = facts
    const log = createLog(systemClock(), { format: 'json', level: 'info' })
    log.info('Started', { version: VERSION, url, drivesOnline, drivesOffline })
    return
  }
  const lines = [
    `Cairn ${VERSION}`,
    `API:     ${url}`,
    `Drives:  ${facts.drivesOnline} online${facts.drivesOffline === 0 ? '' : `, ${facts.drivesOffline} offline`}`,
  ]
  if (!settings.anonymous) lines.push(...credentialLines(settings))
  lines.push(`Try:     ${credentialVariables(settings)}aws --endpoint-url ${url} s3 ls`)
  process.stdout.write(`${lines.join('\n')}\n`)
}

function credentialLines({ rootUser, rootPassword, defaultCredentials }: Settings): string[] {
  const secret = defaultCredentials
    ? `${rootPassword}   (the default: set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD)`
    : 'as set in the environment'
  return [`User:    ${rootUser}`, `Secret:  ${secret}`]
}

/** Those that everybody knows go with the line to try; who chose others has them. */
function credentialVariables(settings: Settings): string {
  if (settings.anonymous || !settings.defaultCredentials) return ''
  return `AWS_ACCESS_KEY_ID=${settings.rootUser} AWS_SECRET_ACCESS_KEY=${settings.rootPassword} `
}
