// The functional tests of minio-go's makers, told in the lines of the runner. The suite ends with its first failure.
/* oxlint-disable typescript/no-unsafe-argument, typescript/no-unsafe-assignment, typescript/no-unsafe-call, typescript/no-unsafe-member-access */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { accessKey, endpoint, kmsKey, secretKey, tlsEndpoint } from './steps.mjs'

const { host, protocol } = new URL(tlsEndpoint ?? endpoint)
const suite = spawn(process.env.S3_PROGRAM, {
  env: {
    ...process.env,
    SERVER_ENDPOINT: host,
    ACCESS_KEY: accessKey,
    SECRET_KEY: secretKey,
    ENABLE_HTTPS: protocol === 'https:' ? '1' : '0',
    ENABLE_KMS: kmsKey === undefined ? '0' : '1',
    SKIP_CERT_VALIDATION: '1',
    MINT_MODE: 'full',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = once(suite, 'exit')
for await (const line of createInterface({ input: suite.stdout })) {
  const { name, status, function: call, message, error } = JSON.parse(line)
  const step = `${name.replace('minio-go: ', '')} ${call}`
  if (status === 'PASS') console.log(`ok ${step}`)
  else if (status === 'FAIL') console.log(`failed ${step}: ${message} ${error}`)
}
const [code] = await ended
process.exitCode = code ?? 1
