import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { Exchange } from './exchange.ts'
import { DEFAULT_LIMITS } from './limits.ts'

test('a write between the loss of a connection and the news of it rejects', async () => {
  const server = createServer()
  const accepted = once(server, 'request')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [message, response] = (await accepted) as [IncomingMessage, ServerResponse]
  const exchange = new Exchange(message, response, {
    id: '1',
    isSecure: false,
    expectsContinue: false,
    limits: DEFAULT_LIMITS,
    isLast: () => false,
  })
  exchange.head(200, [['Content-Length', '10']])
  message.socket.once('close', () => exchange.closed(new Error('Client closed the connection')))
  message.socket.destroy()
  const outcome = await Promise.race([
    exchange.write(new Uint8Array(5)).then(
      () => 'written',
      (error: Error) => error.message,
    ),
    new Promise((resolve) => setTimeout(resolve, 2000, 'nothing')),
  ])
  client.destroy()
  server.close()
  assert.equal(outcome, 'Client closed the connection')
  assert.equal(exchange.isWaitingForClient, false)
})
