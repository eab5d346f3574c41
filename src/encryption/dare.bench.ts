import { bench } from '#testing/bench'
import { PACKAGE_PLAIN_BYTES, PackageOpener, PackageSealer } from './dare.ts'

const key = new Uint8Array(32).fill(1)
const nonce = new Uint8Array(12).fill(2)
const plain = new Uint8Array(PACKAGE_PLAIN_BYTES).fill(3)

const sealed = (['aes-256-gcm', 'chacha20-poly1305'] as const).map((cipher) => ({
  cipher,
  bytes: new PackageSealer(key, nonce, cipher).sealWhole(plain, true),
}))

bench('seal a package of 64 KiB', PACKAGE_PLAIN_BYTES, [
  { name: 'aes', run: () => void new PackageSealer(key, nonce).sealWhole(plain, true) },
  {
    name: 'chacha',
    run: () => void new PackageSealer(key, nonce, 'chacha20-poly1305').sealWhole(plain, true),
  },
])

bench(
  'open a package of 64 KiB',
  PACKAGE_PLAIN_BYTES,
  sealed.map(({ cipher, bytes }) => ({
    name: cipher,
    run: () => void new PackageOpener(key).open(bytes),
  })),
)
