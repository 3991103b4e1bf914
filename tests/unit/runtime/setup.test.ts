import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Progress } from '../../../src/shared/job.ts'
import { setUpRuntime } from '../../../src/main/engine/compute/runtime/setup.ts'
import type { SetupOptions, SetupResult } from '../../../src/main/engine/compute/runtime/setup.ts'
import type { Wheel } from '../../../src/main/engine/compute/runtime/wheels.ts'
import { createFakeMachine, fakePip, tensorflowMembers } from './fake-machine.ts'
import type { FakeMachine } from './fake-machine.ts'

let machine: FakeMachine
let wheel: Wheel
beforeEach(() => {
  machine = createFakeMachine()
  wheel = machine.addWheel('tensorflow-cpu', tensorflowMembers)
})
afterEach(() => machine.remove())

const proof = { values: [37, 47, 67, 77], tensorflowVersion: '2.21.0', usesGpu: false }

/** Setup on the fake machine. The libraries are none, so the proof is replaced; the real one runs in tests/runtime. */
function setUp(options: SetupOptions = {}): Promise<SetupResult> {
  return setUpRuntime({
    device: 'cpu',
    host: machine.host,
    route: machine.route('cpu', [wheel]),
    prove: () => Promise.resolve(proof),
    ...options,
  })
}

const runtimes = () => path.join(machine.cache, 'runtime')
const variantFolder = () => machine.route('cpu', [wheel]).variant.folder
/** What is left in the folder of runtimes, besides whole downloads. */
const leftovers = () => readdirSync(runtimes()).filter((name) => name !== 'downloads')
const downloads = () => readdirSync(path.join(runtimes(), 'downloads'))

describe('a first setup', () => {
  it('lays out libraries, links and addon, and leaves nothing else', async () => {
    const result = await setUp()
    expect(result).toEqual({
      outcome: 'made',
      device: 'cpu',
      folder: variantFolder(),
      tensorflowVersion: '2.21.0',
      reasonNotBetter: 'the CPU was asked for',
    })
    expect(readdirSync(variantFolder(), { recursive: true }).map(String).sort()).toEqual([
      'deps',
      'deps/lib',
      'deps/lib/libphasemark_quiet.so',
      'deps/lib/libtensorflow.so',
      'deps/lib/libtensorflow_cc.so.2',
      'deps/lib/libtensorflow_framework.so',
      'deps/lib/libtensorflow_framework.so.2',
      'lib',
      'lib/napi-v8',
      'lib/napi-v8/tfjs_binding.node',
      'runtime.json',
    ])
    expect(readlinkSync(path.join(variantFolder(), 'deps/lib/libtensorflow.so'))).toBe(
      'libtensorflow_cc.so.2',
    )
    expect(leftovers()).toEqual([path.basename(variantFolder())])
    expect(downloads()).toEqual([])
  })

  it('asks pip for exactly the pinned file, by name, wherever pip runs', async () => {
    await setUp()
    const [version, download] = machine.calls('python3')
    expect(version).toBe('-m pip --version')
    for (const part of [
      '--no-deps',
      '--only-binary=:all:',
      '--python-version=311',
      '--implementation=cp',
      '--abi=cp311',
      '--platform=any',
      'tensorflow-cpu==1.0',
    ]) {
      expect(download).toContain(part)
    }
    expect(download).not.toMatch(/https?:/)
  })

  it('compiles the sources of the addon with the run path of the layout', async () => {
    await setUp()
    const addon = machine.calls('g++').find((line) => line.includes('tfjs_binding.node'))!
    expect(addon).toContain('-Wl,-rpath,$ORIGIN/../../deps/lib')
    expect(addon).toContain('-DNAPI_VERSION=8')
    expect(addon).toContain(path.join(machine.host.addonPackageFolder, 'binding/tfjs_backend.cc'))
    expect(addon).not.toContain('tfjs_backend.h')
  })

  it('reports each stage up to its end, never backwards', async () => {
    const seen: Progress[] = []
    await setUp({ onProgress: (progress) => seen.push(progress) })
    const stages = [...new Set(seen.map(({ stage }) => stage))]
    expect(stages).toEqual(['downloading', 'unpacking', 'compiling', 'proving'])
    for (const stage of stages) {
      const own = seen.filter((progress) => progress.stage === stage)
      expect(own.map(({ done }) => done)).toEqual(own.map(({ done }) => done).toSorted((a, b) => a - b))
      expect(own.at(-1)!.done, stage).toBe(own.at(-1)!.total)
    }
    expect(seen.find(({ stage }) => stage === 'downloading')!.total).toBe(wheel.sizeBytes)
  })

  it('shows the growth of the download while pip works', async () => {
    machine.program('python3', fakePip(path.join(machine.folder, 'index'), 1))
    const seen: number[] = []
    await setUp({ onProgress: ({ stage, done }) => stage === 'downloading' && seen.push(done) })
    // The fake pip writes the first 100 bytes and then rests.
    expect(seen).toContain(100)
  })
})

describe('a repeated setup', () => {
  it('finds everything ready without tools or network', async () => {
    await setUp()
    const before = machine.calls('python3').length
    machine.program('python3', null)
    machine.program('g++', null)
    const started = process.cpuUsage()
    expect(await setUp()).toMatchObject({ outcome: 'ready' })
    const { user, system } = process.cpuUsage(started)
    // A few milliseconds of processor time, in microseconds here.
    expect(user + system).toBeLessThan(100_000)
    expect(machine.calls('python3')).toHaveLength(before)
  })

  it('makes a damaged runtime anew', async () => {
    await setUp()
    const library = path.join(variantFolder(), 'deps/lib/libtensorflow_cc.so.2')
    truncateSync(library, 10)
    expect(await setUp()).toMatchObject({ outcome: 'made' })
    expect(readFileSync(library)).toHaveLength(50_000)
    expect(leftovers()).toEqual([path.basename(variantFolder())])
  })

  it('goes on after a kill: takes over the lock, clears the unfinished folder, uses the whole download', async () => {
    await setUp({ prove: () => Promise.reject(new Error('as if killed')) }).catch(() => undefined)
    expect(downloads()).toEqual([wheel.fileName])
    const before = machine.calls('python3').length
    const unfinished = `${variantFolder()}.partial-999999`
    mkdirSync(path.join(unfinished, 'deps'), { recursive: true })
    writeFileSync(
      path.join(runtimes(), '.phasemark-lock'),
      // No process has this number: Linux stops at 4194304.
      JSON.stringify({
        host: (await import('node:os')).hostname(),
        pid: 99_999_999,
        processStart: '1',
        purpose: 'setup',
        since: '2026-01-01T00:00:00.000Z',
        token: 'x',
      }),
    )
    expect(await setUp()).toMatchObject({ outcome: 'made' })
    expect(machine.calls('python3')).toHaveLength(before)
    expect(leftovers()).toEqual([path.basename(variantFolder())])
  })

  it('fetches again what was downloaded in part only', async () => {
    await setUp({ prove: () => Promise.reject(new Error('as if killed')) }).catch(() => undefined)
    truncateSync(path.join(runtimes(), 'downloads', wheel.fileName), 100)
    expect(await setUp()).toMatchObject({ outcome: 'made' })
  })
})

describe('two setups at once', () => {
  it('do the work once; the second waits and says for whom', async () => {
    machine.program('python3', fakePip(path.join(machine.folder, 'index'), 0.5))
    const notes: string[] = []
    const first = setUp()
    await delay(100)
    const second = setUp({ onNote: (sentence) => notes.push(sentence) })
    expect((await first).outcome).toBe('made')
    expect((await second).outcome).toBe('ready')
    expect(machine.calls('python3').filter((line) => line.includes('download'))).toHaveLength(1)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toContain(`process ${process.pid}`)
  })

  it('the waiting one can be stopped', async () => {
    machine.program('python3', fakePip(path.join(machine.folder, 'index'), 1))
    const first = setUp()
    await delay(100)
    const controller = new AbortController()
    const second = setUp({ signal: controller.signal })
    controller.abort()
    await expect(second).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect((await first).outcome).toBe('made')
  })
})

describe('refusals', () => {
  const failure = (options?: SetupOptions) =>
    setUp(options).then(
      () => expect.fail('expected setup to fail'),
      (error: unknown) => error as { _tag: string; message: string; fields: Record<string, string> },
    )

  it('a wheel with another checksum is refused by name and removed', async () => {
    const genuine = wheel
    wheel = { ...wheel, sha256: '0'.repeat(64) }
    const error = await failure()
    expect(error._tag).toBe('RuntimeUnavailable')
    expect(error.message).toContain(wheel.fileName)
    expect(error.message).toContain(genuine.sha256)
    expect(downloads()).toEqual([])
    expect(leftovers()).toEqual([])
  })

  it.each([
    ['g++', true, 'apt-get install -y g++'],
    ['python3', false, 'sudo apt-get install -y python3 python3-pip'],
  ])('no %s: names the command that installs it (root: %s)', async (name, isRoot, remedy) => {
    machine.program(name, null)
    const error = await failure({ host: { ...machine.host, isRoot } })
    expect(error).toMatchObject({ _tag: 'RuntimeUnavailable', fields: { remedy } })
    expect(error.message).toContain(remedy)
    expect(leftovers()).toEqual([])
  })

  it('Python without pip: names the command that installs pip', async () => {
    machine.program('python3', 'echo "No module named pip" >&2; exit 1')
    expect(await failure()).toMatchObject({
      _tag: 'RuntimeUnavailable',
      message: expect.stringContaining('No module named pip') as string,
      fields: { remedy: 'apt-get install -y python3-pip' },
    })
  })

  it('names the package of another distribution', async () => {
    machine.program('apt-get', null)
    machine.program('g++', null)
    machine.program('dnf', 'exit 1')
    expect(await failure()).toMatchObject({ fields: { remedy: 'dnf install -y gcc-c++' } })
  })

  it("no network: repeats pip's own words", async () => {
    machine.program('python3', '[ "$1" = -m ] && exit 0; echo "ERROR: Could not find a version" >&2; exit 1')
    const error = await failure()
    expect(error._tag).toBe('RuntimeUnavailable')
    expect(error.message).toContain('ERROR: Could not find a version')
    expect(error.fields['remedy']).toContain('npm run setup')
    expect(leftovers()).toEqual([])
  })

  it('a disk that fills up while pip writes', async () => {
    machine.program(
      'python3',
      '[ "$1" = -m ] && exit 0; echo "OSError: [Errno 28] No space left on device" >&2; exit 2',
    )
    expect(await failure()).toMatchObject({ _tag: 'NoSpace' })
  })

  it('a disk that is too small, before anything is downloaded', async () => {
    // No disk holds an exabyte.
    wheel = { ...wheel, unpackedBytes: 1e18 }
    expect(await failure()).toMatchObject({ _tag: 'NoSpace' })
    expect(machine.calls('python3')).toEqual([])
  })

  it('a cache that cannot be written', async () => {
    writeFileSync(machine.cache, 'a file in its place')
    expect(await failure()).toMatchObject({ _tag: 'NotWritable' })
  })

  it("a compiler that fails: repeats the compiler's own words", async () => {
    machine.program('g++', 'echo "fatal error: cstdlib: No such file" >&2; exit 1')
    const error = await failure()
    expect(error._tag).toBe('RuntimeUnavailable')
    expect(error.message).toContain('fatal error: cstdlib')
    expect(leftovers()).toEqual([])
  })

  it('a compiler named by CXX that is not there', async () => {
    const host = { ...machine.host, env: { ...machine.host.env, CXX: 'g++-99' } }
    expect((await failure({ host })).message).toContain('looked for g++-99')
  })

  it('an addon that fails its proof is not kept', async () => {
    await expect(setUp({ prove: () => Promise.reject(new Error('wrong numbers')) })).rejects.toThrow(
      'wrong numbers',
    )
    expect(leftovers()).toEqual([])
  })

  it.each([
    [null, 'another C library'],
    ['2.26', '2.26'],
  ])('a C library that is too old: %s', async (glibc, found) => {
    const error = await failure({ host: { ...machine.host, glibcVersion: () => glibc } })
    expect(error).toMatchObject({ _tag: 'RuntimeUnavailable' })
    expect(error.message).toContain(`found ${found}`)
  })

  it('a stop while pip works ends pip and leaves nothing', async () => {
    machine.program('python3', `[ "$1" = -m ] && exit 0; echo $$ > '${machine.folder}/pid'; exec sleep 60`)
    const controller = new AbortController()
    const running = setUp({ signal: controller.signal })
    const pidFile = path.join(machine.folder, 'pid')
    while (!existsSync(pidFile)) await delay(20)
    await delay(50)
    controller.abort()
    await expect(running).rejects.toMatchObject({ _tag: 'Cancelled' })
    expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow()
    expect(leftovers()).toEqual([])
  })
})
