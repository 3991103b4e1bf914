import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Channel } from '../../src/shared/contract/definition.ts'
import { connectContract } from '../../src/shared/contract/transport/connect-contract.ts'
import type { ContractConnection } from '../../src/shared/contract/transport/connect-contract.ts'
import { isPhasemarkError } from '../../src/shared/errors.ts'
import type { PhasemarkError } from '../../src/shared/errors.ts'
import { testContract } from './support/test-contract.ts'
import { transports } from './support/transports.ts'
import type { Peer } from './support/transports.ts'

type Connection = ContractConnection<typeof testContract>

async function errorOf(promise: Promise<unknown>): Promise<PhasemarkError> {
  try {
    await promise
  } catch (error) {
    if (isPhasemarkError(error)) return error
    throw error
  }
  throw new Error('expected an error, found an answer')
}

function reasonOf(channel: Channel): Promise<string> {
  return new Promise((resolve) => {
    channel.onClose(resolve)
  })
}

/** Waits until `holds` is true of what the peer says of itself. */
async function untilStatus(
  { client }: Connection,
  holds: (status: Awaited<ReturnType<Connection['client']['sample']['status']>>) => boolean,
): Promise<void> {
  const deadline = Date.now() + 5000
  for (;;) {
    const status = await client.sample.status({})
    if (holds(status)) return
    if (Date.now() > deadline) throw new Error(`the peer did not get there: ${JSON.stringify(status)}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Values that lose something when they are taken for another kind: signs, fractions, the ends of the range. */
const arrays: readonly ArrayBufferView[] = [
  Int8Array.of(-128, 0, 127),
  Uint8Array.of(0, 128, 255),
  Uint8ClampedArray.of(0, 128, 255),
  Int16Array.of(-32_768, 1, 32_767),
  Uint16Array.of(0, 40_000, 65_535),
  Int32Array.of(-(2 ** 31), 5, 2 ** 31 - 1),
  Uint32Array.of(0, 3_000_000_000, 2 ** 32 - 1),
  Float32Array.of(-0, Math.fround(0.1), Number.NaN, Number.POSITIVE_INFINITY, 1e-45),
  Float64Array.of(-0, 0.1, Number.NaN, Number.MAX_VALUE, 5e-324),
  BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  BigUint64Array.of(0n, 2n ** 64n - 1n),
  new Float64Array(0),
  new Uint8Array(0),
]

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

describe.each(transports)('the contract over $name', (transport) => {
  let peer: Peer
  let channel: Channel
  let connection: Connection

  beforeAll(async () => {
    peer = await transport.start()
    channel = await peer.connect()
    connection = connectContract(testContract, channel, 'test')
  })
  afterAll(async () => {
    await peer.dispose()
  })

  it('answers a call', async () => {
    expect(await connection.client.sample.double({ value: 21 })).toEqual({ value: 42 })
  })

  it('fills in defaults before the method sees the request', async () => {
    expect(await connection.client.sample.greet({})).toEqual({ text: 'hello nobody' })
  })

  it('answers many calls at the same time, each with its own answer', async () => {
    const values = Array.from({ length: 500 }, (_, value) => value)
    const answers = await Promise.all(values.map((value) => connection.client.sample.double({ value })))
    expect(answers.map(({ value }) => value)).toEqual(values.map((value) => 2 * value))
  })

  it('brings a typed error with its fields, message and cause', async () => {
    const error = await errorOf(connection.client.sample.refuse({}))
    expect(error._tag).toBe('BadInput')
    expect(error.fields).toEqual({ path: '/data/slice.tif', expected: 'uint16', found: 'float32' })
    expect(error.message).toBe('/data/slice.tif: expected uint16, found float32')
    expect(error.cause).toBe('the cause')
  })

  it('brings a defect as Internal and reports it where it happened', async () => {
    expect((await errorOf(connection.client.sample.stumble({})))._tag).toBe('Internal')
    const { defects } = await connection.client.sample.status({})
    expect(defects).toContain('sample.stumble: TypeError: a defect on purpose')
  })

  it('refuses a request that is not valid, naming method and field', async () => {
    const error = await errorOf(connection.client.sample.double({ value: 'many' as unknown as number }))
    expect(error._tag).toBe('WrongUsage')
    expect(error.fields).toEqual({ argument: 'sample.double: value' })
  })

  it.each([
    ['sample', 'triple'],
    ['other', 'double'],
    ['sample', 'constructor'],
    ['__proto__', 'toString'],
  ])('refuses the unknown method %s.%s', async (service, method) => {
    const error = await errorOf(connection.call(service, method, {}, {}))
    expect(error._tag).toBe('WrongUsage')
    expect(error.fields).toEqual({ argument: `method ${service}.${method}` })
  })

  it('does not let through a result that breaks the contract', async () => {
    const error = await errorOf(connection.client.sample.lie({}))
    expect(error._tag).toBe('Internal')
    expect(error.message).toContain('sample.lie answered with nested.value')
  })

  it('does not let through an event that breaks the contract', async () => {
    const heard: unknown[] = []
    const stop = connection.client.sample.on('ticked', (payload) => heard.push(payload))
    await connection.client.sample.mistick({})
    await connection.client.sample.tick({ count: 1 })
    stop()
    expect(heard).toEqual([{ count: 0 }])
    const { defects } = await connection.client.sample.status({})
    expect(defects.some((defect) => defect.startsWith('sample.ticked:'))).toBe(true)
  })

  it('does not send a call that was cancelled before', async () => {
    const before = await connection.client.sample.status({})
    const signal = AbortSignal.abort()
    expect((await errorOf(connection.client.sample.hold({}, { signal })))._tag).toBe('Cancelled')
    const after = await connection.client.sample.status({})
    expect(after).toEqual(before)
  })

  it('cancels a call that runs: here at once, there by its signal', async () => {
    const { cancelled } = await connection.client.sample.status({})
    const controller = new AbortController()
    const held = errorOf(connection.client.sample.hold({}, { signal: controller.signal }))
    await untilStatus(connection, ({ holding }) => holding === 1)
    controller.abort()
    expect((await held)._tag).toBe('Cancelled')
    await untilStatus(connection, (status) => status.holding === 0 && status.cancelled === cancelled + 1)
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
  })

  it('leaves no listener on a signal that outlives its call', async () => {
    const { signal } = new AbortController()
    for (let value = 0; value < 10; value++) await connection.client.sample.double({ value }, { signal })
    await errorOf(connection.client.sample.refuse({}, { signal }))
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })

  it('announces events in order and before the answer that follows them, until unsubscribed', async () => {
    const heard: number[] = []
    const stop = connection.client.sample.on('ticked', ({ count }) => heard.push(count))
    await connection.client.sample.tick({ count: 5 })
    expect(heard).toEqual([0, 1, 2, 3, 4])
    stop()
    stop()
    await connection.client.sample.tick({ count: 5 })
    expect(heard).toHaveLength(5)
  })

  it('announces events to every client and to each handler once', async () => {
    const second = connectContract(testContract, await peer.connect(), 'test')
    const heard: string[] = []
    const hear = (): void => {
      heard.push('same')
    }
    const stops = [
      connection.client.sample.on('ticked', hear),
      connection.client.sample.on('ticked', hear),
      second.client.sample.on('ticked', () => heard.push('second')),
    ]
    await connection.client.sample.tick({ count: 1 })
    // The event went out to the second before this answer.
    await second.client.sample.double({ value: 1 })
    expect(heard.sort()).toEqual(['same', 'same', 'second'])
    for (const stop of stops) stop()
    second.close()
    await untilStatus(connection, ({ connections }) => connections === 1)
  })

  it.each(arrays.map((array) => [array.constructor.name, array] as const))(
    'carries %s exactly',
    async (_, data) => {
      const { data: back } = await connection.client.sample.echo({ data })
      expect(Object.prototype.toString.call(back)).toBe(Object.prototype.toString.call(data))
      expect(back.constructor.name).toBe(data.constructor.name)
      expect(Buffer.compare(bytesOf(back), bytesOf(data))).toBe(0)
    },
  )

  it('carries 20 MB of voxels in both directions', async () => {
    const data = Uint16Array.from({ length: 10 * 2 ** 20 }, (_, index) => (index * 40_503) & 0xffff)
    const { data: back } = await connection.client.sample.echo({ data })
    expect(back.constructor.name).toBe('Uint16Array')
    expect(Buffer.compare(bytesOf(back), bytesOf(data))).toBe(0)
  })

  it('carries a part of an array without the rest of its memory', async () => {
    const { data } = await connection.client.sample.slice({ count: 3 })
    expect([...data]).toEqual([7, 7, 7])
    const sent = new Float64Array(1e6).fill(3).subarray(1, 4)
    const { data: back } = await connection.client.sample.echo({ data: sent })
    expect([...(back as Float64Array)]).toEqual([3, 3, 3])
    // A message may share one buffer among its arrays; a megabyte of the sender's must not be in it.
    expect(data.buffer.byteLength).toBeLessThan(1e5)
    expect(back.buffer.byteLength).toBeLessThan(1e5)
  })

  it.each([
    ['text', 'nonsense'],
    ['nothing', null],
    ['another object', { hello: 1 }],
    ['a call of an unknown function', { t: 'q', i: 'x', m: 'eval', a: [] }],
    ['a call without arguments', { t: 'q', i: 'x', m: 'call' }],
    ['a call without its parts', { t: 'q', i: 'x', m: 'call', a: [{ id: 1 }] }],
  ])('closes the channel on %s, says why, and serves others on', async (_, frame) => {
    const bad = await peer.connect()
    const closed = reasonOf(bad)
    bad.onMessage(() => undefined)
    bad.post(frame)
    // Ports cannot carry a reason; the others tell the client's mistake to the client.
    expect(await closed).toMatch(/malformed frame|closed the port/)
    expect(await connection.client.sample.double({ value: 2 })).toEqual({ value: 4 })
  })

  it('cancels the calls of a client that closes, and forgets it', async () => {
    const second = connectContract(testContract, await peer.connect(), 'test')
    const held = errorOf(second.client.sample.hold({}))
    await untilStatus(connection, ({ holding, connections }) => holding === 1 && connections === 2)
    second.close()
    expect((await held)._tag).toBe('Disconnected')
    expect((await errorOf(second.client.sample.double({ value: 1 })))._tag).toBe('Disconnected')
    await untilStatus(connection, ({ holding, connections }) => holding === 0 && connections === 1)
  })

  // Last: the peer is gone afterwards.
  it('rejects everything that runs with Disconnected when the peer dies', async () => {
    const calls = Array.from({ length: 20 }, () => errorOf(connection.client.sample.hold({})))
    await untilStatus(connection, ({ holding }) => holding === 20)
    const closed = reasonOf(channel)
    await peer.kill()
    for (const error of await Promise.all(calls)) {
      expect(error._tag).toBe('Disconnected')
      expect(error.fields).toEqual({ process: 'test' })
    }
    expect(await closed).not.toBe('')
    expect((await errorOf(connection.client.sample.double({ value: 1 })))._tag).toBe('Disconnected')
  })
})
