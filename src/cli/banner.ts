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
  if (!settings.anonymous) {
    lines.push(`User:    ${settings.rootUser}`)
    lines.push(
      settings.defaultCredentials
        ? `Secret:  ${settings.rootPassword}   (the default: set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD)`
        : 'Secret:  as set in the environment',
    )
  }
  lines.push(`Try:     aws --endpoint-url ${url} s3 ls`)
  process.stdout.write(`${lines.join('\n')}\n`)
}
