import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { contentOf, scratchFolder } from '../support/file-tree.ts'
import {
  failureIn,
  failureOf,
  resultOf,
  runCli,
  stackTrace,
  startCli,
  waitUntil,
} from '../support/run-cli.ts'
import { sharedModel } from '../support/shared-data.ts'
import { mountSmallDisk } from '../support/small-disk.ts'
import { cutAt, sendFile, sendHead, serve } from '../unit/pretrained/file-server.ts'
import {
  goldenWeights,
  microstructureBytes,
  officialBytes,
  officialName,
  place,
  safetensorsOf,
  tinyTensors,
  writeCatalogue,
} from '../unit/pretrained/tiny-weights.ts'

const scratch = scratchFolder('weights-cli')
const imagenetName = 'vgg16-imagenet.safetensors'
let folders = 0

function fresh(base = '') {
  const folder = path.join(scratch, `${folders++}`)
  const env = { ...writeCatalogue(folder), PHASEMARK_WEIGHTS_URL: base }
  return {
    folder,
    env,
    user: env.PHASEMARK_USER_MODELS,
    partial: path.join(env.PHASEMARK_USER_MODELS, `${officialName}.partial`),
  }
}

describe.concurrent('help', () => {
  test.each([
    ['list', ['--project', '--json']],
    ['fetch', ['--json']],
    ['import', ['--json']],
  ])('of weights %s explains every option', async (command, options) => {
    const { code, stdout } = await runCli(['weights', command, '--help'])
    expect(code).toBe(0)
    for (const option of options) expect(stdout).toMatch(new RegExp(`^ {2}${option}( <[^>]+>)? {2,}\\S`, 'm'))
  })

  test.each([
    ['an unknown command', ['weights', 'get']],
    ['no file', ['weights', 'import']],
    ['two files', ['weights', 'import', 'a', 'b']],
    ['an unknown set', ['weights', 'fetch', 'vgg19']],
  ])('%s is wrong usage', async (_, args) => {
    expect((await runCli(args)).code).toBe(2)
  })
})

describe('weights list', () => {
  test('says that nothing is found, and what to do', async () => {
    const { env } = fresh()
    expect(await resultOf(['weights', 'list'], { env })).toMatchObject({
      command: 'weights list',
      sets: [
        { id: 'vgg16-imagenet', licence: 'CC BY', files: [] },
        { id: 'vgg16-microstructures', files: [] },
      ],
      places: [{ kind: 'user' }, { kind: 'bundled' }],
      used: null,
    })
    const { code, stdout } = await runCli(['weights', 'list'], { env })
    expect(code).toBe(0)
    expect(stdout).toMatch(/None is found\. Run: phasemark weights fetch, or phasemark weights import FILE/)
  })

  test('shows every place, the state of each file and which one would be used', async () => {
    const { env, folder, user } = fresh()
    const project = path.join(folder, 'x.phasemark')
    const found = place(
      path.join(project, 'models'),
      imagenetName,
      safetensorsOf(tinyTensors({ rounded: true })),
    )
    const damaged = place(user, officialName, officialBytes.subarray(0, 5000))
    const bundled = place(
      env.PHASEMARK_BUNDLED_MODELS,
      'vgg16-microstructures.safetensors',
      microstructureBytes,
    )
    const result = await resultOf(['weights', 'list', '--project', project], { env })
    expect(result).toMatchObject({
      sets: [
        {
          id: 'vgg16-imagenet',
          files: [
            { place: 'project', path: found, state: 'verified', exactBiases: false },
            { place: 'user', path: damaged, state: 'damaged' },
          ],
        },
        { files: [{ place: 'bundled', path: bundled, state: 'verified', exactBiases: null }] },
      ],
      used: { id: 'vgg16-imagenet', place: 'project', path: found, exactBiases: false },
    })
    const forPeople = await runCli(['weights', 'list', '--project', project], { env })
    expect(forPeople.stdout).toMatch(/verified, biases rounded .*x\.phasemark/)
    expect(forPeople.stdout).toMatch(/damaged .*\n.*expected 14112 bytes with md5/)
    expect(forPeople.stdout).toContain(`Used: vgg16-imagenet from ${found}`)
    // Without the project the damaged file comes first.
    const { code, stdout } = await runCli(['weights', 'list'], { env })
    expect({ code, lastLine: stdout.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      lastLine: `Used: none, because ${damaged} comes first and is damaged. Replace or remove it`,
    })
  })

  test('ends with exit code 4 when PHASEMARK_MODELS names no folder', async () => {
    const { env, folder } = fresh()
    const options = { env: { ...env, PHASEMARK_MODELS: path.join(folder, 'nowhere') } }
    expect(await failureOf(['weights', 'list'], options)).toMatchObject({
      _tag: 'WeightsUnavailable',
      exitCode: 4,
    })
  })
})

describe('weights import', () => {
  test('puts a file where it is found from then on', async () => {
    const { env, user } = fresh()
    const source = goldenWeights('published-with-top.h5')
    const before = contentOf(source)
    const target = path.join(user, imagenetName)
    const args = ['weights', 'import', source]
    expect(await resultOf(args, { env })).toMatchObject({
      ...{ command: 'weights import', id: 'vgg16-imagenet', path: target, changed: true, exactBiases: true },
      selfTest: { passed: true },
    })
    expect(contentOf(source)).toEqual(before)
    expect(await resultOf(['weights', 'list'], { env })).toMatchObject({
      used: { place: 'user', path: target },
    })
    const again = await runCli(args, { env })
    expect(again).toMatchObject({ code: 0, stderr: '' })
    expect(again.stdout).toMatch(/^Already there: tiny ImageNet\n.*checksums right, self-test of 52 numbers/)
  })

  test.each([
    [
      'other weights',
      () => place(scratch, 'other.safetensors', safetensorsOf(tinyTensors({ seed: 3 }))),
      4,
      /block1_conv1\/kernel/,
    ],
    ['a damaged file', () => place(scratch, 'cut.h5', officialBytes.subarray(0, 9000)), 3, /truncated file/],
    ['half precision', () => goldenWeights('float16.h5'), 4, /expected float32 .* found float16/],
    ['no such file', () => path.join(scratch, 'none.h5'), 3, /no such file/],
    ['a text', () => goldenWeights('../weights.py'), 3, /safetensors/],
  ])('refuses %s and says what is wrong', async (_, make, exitCode, message) => {
    const { env, user } = fresh()
    const file = make()
    const failure = await failureOf(['weights', 'import', file], { env })
    expect(failure).toMatchObject({ exitCode })
    expect(failure.message).toContain(file)
    expect(failure.message).toMatch(message)
    expect(readdirSync(user)).toEqual([])
  })

  test('ends with exit code 6 where the folder cannot be made', async () => {
    const { env, folder } = fresh()
    const file = place(folder, 'file', new Uint8Array(1))
    const options = { env: { ...env, PHASEMARK_USER_MODELS: path.join(file, 'models') } }
    const failure = await failureOf(['weights', 'import', goldenWeights('published-notop.h5')], options)
    expect(failure).toMatchObject({ _tag: 'NotWritable', exitCode: 6 })
  })
})

describe('weights fetch', () => {
  test('downloads, checks, imports and cleans up; a second time it needs no network', async () => {
    const server = await serve((request, response) => sendFile(officialBytes, request, response))
    const { env, user } = fresh(server.base)
    const target = path.join(user, imagenetName)
    const { code, stdout, stderr } = await runCli(['weights', 'fetch'], { env })
    expect({ code, stderr: stderr.replace(/^downloading: .*\n/gm, '') }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Downloaded 0\.0 MB from http:.*\nImported: tiny ImageNet\n/)
    expect(stdout).toMatch(/Licence: CC BY\.\n$/)
    expect(server.requests).toMatchObject([{ path: `/${officialName}` }])
    expect(readdirSync(user).sort()).toEqual(['vgg16-imagenet.provenance.json', imagenetName])
    expect(await resultOf(['weights', 'list'], { env })).toMatchObject({
      used: { path: target, exactBiases: true },
    })
    expect(await resultOf(['weights', 'fetch'], { env })).toMatchObject({
      url: null,
      downloadedBytes: 0,
      changed: false,
    })
    expect(server.requests).toHaveLength(1)
  })

  test('reports bytes as JSON lines', async () => {
    const server = await serve((request, response) => sendFile(officialBytes, request, response))
    const { env } = fresh(server.base)
    const { stdout } = await runCli(['weights', 'fetch', 'vgg16-imagenet', '--json'], { env })
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    expect(lines).toContainEqual(
      expect.objectContaining({
        type: 'progress',
        stage: 'downloading',
        done: 14112,
        total: 14112,
        unit: 'bytes',
      }),
    )
    expect(lines.at(-1)).toMatchObject({
      ...{
        type: 'result',
        command: 'weights fetch',
        url: `${server.base}${officialName}`,
        exactBiases: true,
      },
      ...{ downloadedBytes: 14112, resumedFromByte: 0, changed: true },
    })
  })

  test('replaces rounded biases by exact ones', async () => {
    const server = await serve((request, response) => sendFile(officialBytes, request, response))
    const { env, user } = fresh(server.base)
    place(user, imagenetName, safetensorsOf(tinyTensors({ rounded: true })))
    expect(await resultOf(['weights', 'fetch'], { env })).toMatchObject({ changed: true, exactBiases: true })
  })

  test('goes on after a cut connection', async () => {
    const server = await serve((request, response) => {
      if (request.count === 0) cutAt(5000, officialBytes, request, response)
      else sendFile(officialBytes, request, response)
    })
    const { env } = fresh(server.base)
    const { code, stderr } = await runCli(['weights', 'fetch'], { env })
    expect(code).toBe(0)
    expect(stderr).toMatch(/connection lost after 5000 of 14112 bytes/)
    expect(server.requests.map(({ from }) => from)).toEqual([0, 5000])
  })

  test('stopped by a signal it ends with exit code 5, and goes on the next time', async () => {
    const server = await serve((request, response) => {
      sendHead(officialBytes, request, response)
      if (request.count === 0) response.write(officialBytes.subarray(0, 6000))
      else response.end(officialBytes.subarray(request.from))
    })
    const { env, partial } = fresh(server.base)
    const running = startCli(['weights', 'fetch', '--json'], { env })
    await waitUntil(running, 'the first bytes', () => existsSync(partial) && statSync(partial).size === 6000)
    running.child.kill('SIGINT')
    const failure = failureIn(await running.ended)
    expect(failure).toMatchObject({ _tag: 'Cancelled', exitCode: 5 })
    expect(failure.message).toMatch(/run phasemark weights fetch again to go on/)
    expect(readFileSync(partial)).toHaveLength(6000)
    expect(await resultOf(['weights', 'fetch'], { env })).toMatchObject({
      resumedFromByte: 6000,
      downloadedBytes: 8112,
    })
    expect(existsSync(partial)).toBe(false)
  })

  test('killed at once it goes on the next time', async () => {
    const server = await serve((request, response) => {
      sendHead(officialBytes, request, response)
      if (request.count === 0) response.write(officialBytes.subarray(0, 7000))
      else response.end(officialBytes.subarray(request.from))
    })
    const { env, partial } = fresh(server.base)
    const running = startCli(['weights', 'fetch'], { env })
    await waitUntil(running, 'the first bytes', () => existsSync(partial) && statSync(partial).size === 7000)
    running.child.kill('SIGKILL')
    await running.ended
    expect(await resultOf(['weights', 'fetch'], { env })).toMatchObject({ resumedFromByte: 7000 })
  })

  test('offline it ends with exit code 4 and says how to import by hand', async () => {
    const { env } = fresh('http://localhost.invalid/vgg/')
    const failure = await failureOf(['weights', 'fetch'], { env })
    expect(failure).toMatchObject({ _tag: 'WeightsUnavailable', exitCode: 4 })
    expect(failure.message).toMatch(
      /no connection .*download https:\/\/example\.org\/vgg\/vgg16_\S+\.h5 on another computer and run: phasemark weights import vgg16_/,
    )
    const { stderr } = await runCli(['weights', 'fetch'], { env })
    expect(stderr).not.toMatch(stackTrace)
  })

  test('a wrong checksum ends with exit code 4 and leaves nothing', async () => {
    const server = await serve((request, response) => {
      sendFile(
        officialBytes.map((value, at) => (at === 9000 ? value ^ 1 : value)),
        request,
        response,
      )
    })
    const { env, user } = fresh(server.base)
    const failure = await failureOf(['weights', 'fetch'], { env })
    expect(failure).toMatchObject({ exitCode: 4 })
    expect(failure.message).toMatch(/expected 14112 bytes with md5 [0-9a-f]{32}, found 14112 bytes with md5/)
    expect(readdirSync(user)).toEqual([])
  })

  test('a missing page ends with exit code 4', async () => {
    const server = await serve((_, response) => {
      response.writeHead(404).end()
    })
    const { env } = fresh(server.base)
    expect(await failureOf(['weights', 'fetch'], { env })).toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/found the answer 404/) as string,
    })
  })

  test.each(['ftp://example.org/', 'nonsense'])(
    '%s as PHASEMARK_WEIGHTS_URL is wrong usage',
    async (base) => {
      const { env } = fresh(base)
      expect(await failureOf(['weights', 'fetch'], { env })).toMatchObject({
        _tag: 'WrongUsage',
        exitCode: 2,
      })
    },
  )

  const disk = mountSmallDisk(scratch, 'disk', 8)

  test.skipIf(disk === null)('on a full disk it ends with exit code 6', async () => {
    const server = await serve((request, response) => sendFile(officialBytes, request, response))
    const { env } = fresh(server.base)
    const options = { env: { ...env, PHASEMARK_USER_MODELS: disk!.folder } }
    const failure = await failureOf(['weights', 'fetch'], options)
    expect(failure).toMatchObject({ _tag: 'NoSpace', exitCode: 6 })
    expect(failure.message).toMatch(/run phasemark weights fetch again/)
    // What came is kept, and with more space it goes on.
    disk!.resize(1024)
    const result = (await resultOf(['weights', 'fetch'], options)) as unknown as { resumedFromByte: number }
    expect(result.resumedFromByte).toBeGreaterThan(0)
  })
})

const imagenet = sharedModel(imagenetName)

test.skipIf(imagenet === null)(
  'the ImageNet weights of ../shared/models are listed and imported',
  async () => {
    const env = {
      PHASEMARK_MODELS: path.dirname(imagenet!),
      PHASEMARK_USER_MODELS: path.join(scratch, 'imagenet'),
    }
    const used = { id: 'vgg16-imagenet', place: 'PHASEMARK_MODELS', path: imagenet, exactBiases: false }
    expect(await resultOf(['weights', 'list'], { env })).toMatchObject({ used })
    expect(await resultOf(['weights', 'import', imagenet!], { env })).toMatchObject({
      changed: true,
      selfTest: { compared: 50, passed: true },
    })
  },
)
