import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Makes `public.crt` and `private.key` in `folder`: a fresh certificate that trusts itself. `names` as OpenSSL writes them:
 * `IP:127.0.0.1`, `DNS:example`. Throws where `openssl` is not installed.
 */
export function makeCertificate(folder: string, names: string, commonName = 'test'): void {
  mkdirSync(folder, { recursive: true })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', join(folder, 'private.key'), '-out', join(folder, 'public.crt')]
  const what = ['-subj', `/CN=${commonName}`, '-addext', `subjectAltName=${names}`, '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...key, ...files, ...what], { stdio: 'ignore' })
}
