// The functional tests that come with an SDK, in the form of mint, told in the lines of the runner. They end with the
// first failure.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { accessKey, endpoint, kmsKey, secretKey, tlsEndpoint, work } from './steps.mjs'

const { host, protocol } = new URL(tlsEndpoint ?? endpoint)
const [program, ...args] = process.argv.slice(2)
const suite = spawn(program, args, {
  cwd: work,
  env: {
    ...process.env,
    SERVER_ENDPOINT: host,
    ACCESS_KEY: accessKey,
    SECRET_KEY: secretKey,
    ENABLE_HTTPS: protocol === 'https:' ? '1' : '0',
    ENABLE_KMS: kmsKey === undefined ? '0' : '1',
    SKIP_CERT_VALIDATION: '1',
    ...(tlsEndpoint === undefined ? {} : { SSL_CERT_FILE: process.env.S3_TLS_CERTIFICATE }),
    MINT_MODE: 'full',
    // They leave files behind.
    TMPDIR: work,
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(suite, 'exit')
for await (const line of createInterface({ input: suite.stdout })) {
  const { name, status, function: call, message, error } = JSON.parse(line)
  const step = `${name.replace(/^minio-\w+: ?/, '')} ${call ?? ''}`.trimEnd()
  if (status === 'PASS') console.log(`ok ${step}`)
  else if (status === 'FAIL') console.log(`failed ${step}: ${message} ${error}`)
}
const [code] = await ended
process.exitCode = code ?? 1
