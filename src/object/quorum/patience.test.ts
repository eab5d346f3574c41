import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { DriveError, type Drive, type DriveReply } from '#drive/drive'
import { drivesOf, testCodec } from '#testing/engine-fixture'
import { SimClock } from '#testing/sim-clock'
import { GRACE_MS, NOT_IN_TIME, Patience, type AskOptions } from './patience.ts'

const codec = testCodec()

/** Four drives whose answers the test gives. */
class Quiz {
  readonly clock = new SimClock()
  readonly taken: number[] = []
  calls = 0
  readonly #resolvers: PromiseWithResolvers<string | DriveError>[] = []
  readonly patience: Patience

  constructor() {
    const drives = drivesOf(codec, 4).map((drive, position): Drive => {
      const withdraw = (): boolean => {
        this.taken.push(position)
        return position !== 2
      }
      return Object.assign(drive, { withdraw })
    })
    this.patience = new Patience(this.clock, drives)
  }

  ask(options: AskOptions<string>) {
    return this.patience.ask(options, (_, position): DriveReply<string> => {
      this.calls++
      const resolvers = Promise.withResolvers<string | DriveError>()
      this.#resolvers[position] = resolvers
      return resolvers.promise
    })
  }

  async answer(position: number, outcome: string | DriveError = `d${position}`): Promise<void> {
    this.#resolvers[position]?.resolve(outcome)
    await turn()
  }
}

const FULL = new DriveError('DriveFull', 'Set by the test')

test('all answers are waited for while there is no quorum, and no timer runs', async () => {
  const quiz = new Quiz()
  const asked = quiz.ask({ quorum: 3 })
  await quiz.answer(0)
  await quiz.answer(1, FULL)
  await quiz.answer(2)
  quiz.clock.advance(60_000)
  await quiz.answer(3)
  const { outcomes, late } = await asked
  assert.deepEqual(outcomes, ['d0', FULL, 'd2', 'd3'])
  assert.equal(late, undefined)
  assert.deepEqual(quiz.taken, [])
})

test('a straggler is waited for a second after the quorum, then its call is taken back', async () => {
  const quiz = new Quiz()
  let isAnswered = false
  const asked = quiz.ask({ quorum: 3 }).then((answers) => {
    isAnswered = true
    return answers
  })
  for (const position of [0, 1, 2]) await quiz.answer(position)
  quiz.clock.advance(GRACE_MS - 1)
  await turn()
  assert.equal(isAnswered, false)
  quiz.clock.advance(1)
  const { outcomes, late } = await asked
  assert.deepEqual(outcomes, ['d0', 'd1', 'd2', NOT_IN_TIME])
  assert.deepEqual(late?.positions, [3])
  assert.equal(late?.mayRun, false)
  assert.deepEqual(quiz.taken, [3])
  await quiz.answer(3, 'late')
  assert.deepEqual(await late?.outcomes, ['d0', 'd1', 'd2', 'late'])
  assert.deepEqual(outcomes[3], NOT_IN_TIME)
})

test('a call that has begun may still read its memory, which is lent until the answer', async () => {
  const quiz = new Quiz()
  const asked = quiz.ask({ quorum: 3 })
  for (const position of [0, 1, 3]) await quiz.answer(position)
  quiz.clock.advance(GRACE_MS)
  const { late } = await asked
  assert.ok(late?.mayRun === true)
  let isFree = false
  quiz.patience.lend(late, 1000, () => (isFree = true))
  assert.equal(quiz.patience.lentBytes, 1000)
  await quiz.answer(2, FULL)
  assert.equal(isFree, true)
  assert.equal(quiz.patience.lentBytes, 0)
})

test('a drive that owes answers is waited for less, and left out when it owes many', async () => {
  const quiz = new Quiz()
  const answers = []
  for (let i = 0; i < 16; i++) {
    const asked = quiz.ask({ quorum: 3 })
    for (const position of [0, 1, 2]) await quiz.answer(position)
    quiz.clock.advance(i === 0 ? GRACE_MS : GRACE_MS / 10)
    answers.push(await asked)
  }
  assert.equal(quiz.calls, 16 * 4)
  const asked = quiz.ask({ quorum: 3 })
  for (const position of [0, 1, 2]) await quiz.answer(position)
  const { outcomes, late } = await asked
  assert.equal(outcomes[3], NOT_IN_TIME)
  assert.equal(late, undefined)
  assert.equal(quiz.calls, 16 * 4 + 3)
  await quiz.answer(3)
  const again = quiz.ask({ quorum: 3 })
  assert.equal(quiz.calls, 16 * 4 + 7)
  for (const position of [0, 1, 2, 3]) await quiz.answer(position)
  assert.deepEqual((await again).outcomes, ['d0', 'd1', 'd2', 'd3'])
})

test('errors count when they are said to, and timeless calls are not taken back', async () => {
  const quiz = new Quiz()
  const asked = quiz.ask({ quorum: 2, counts: () => true, graceMs: 5, isTimeless: true })
  await quiz.answer(0, FULL)
  await quiz.answer(1)
  quiz.clock.advance(5)
  const { outcomes, late } = await asked
  assert.deepEqual(outcomes, [FULL, 'd1', NOT_IN_TIME, NOT_IN_TIME])
  assert.equal(late?.mayRun, true)
  assert.deepEqual(quiz.taken, [])
})
