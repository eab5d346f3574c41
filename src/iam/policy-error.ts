/** Why a policy document is refused; the message is for its author. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError'
}
