import { BlockList, isIP } from 'node:net'

/** Blocks of addresses: single ones and CIDR blocks, of both families. */
export class AddressBlocks {
  readonly #blocks = new BlockList()

  /** False, and nothing changed, for a text that is neither an address nor a CIDR block. */
  add(text: string): boolean {
    const [address = '', bits, ...rest] = text.split('/')
    const family = isIP(address)
    const limit = family === 4 ? 32 : 128
    const size = bits === undefined ? limit : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
    if (family === 0 || rest.length > 0 || size < 0 || size > limit) return false
    this.#blocks.addSubnet(address, size, family === 4 ? 'ipv4' : 'ipv6')
    return true
  }

  /** Whether an address is in one of them; texts that are none are in none. */
  has(address: string): boolean {
    const family = isIP(address)
    if (family === 0) return false
    const mapped = family === 6 ? /^::ffff:([\d.]+)$/i.exec(address)?.[1] : undefined
    return mapped === undefined
      ? this.#blocks.check(address, family === 4 ? 'ipv4' : 'ipv6')
      : this.#blocks.check(mapped, 'ipv4')
  }
}

/** True for the text of an IPv4 or IPv6 address. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0
}
