import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL, fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { acquireLock } from '../../../src/main/engine/files/lock.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('lock')
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
/** Compiled by the build that runs before the tests: a plain Node process cannot load the source. */
const compiledLock = pathToFileURL(path.join(repository, 'dist', 'main', 'engine', 'files', 'lock.js')).href

function newFolder(name: string): string {
  const folder = path.join(scratch, name)
  mkdirSync(folder)
  return folder
}

const lockFile = (folder: string) => path.join(folder, '.phasemark-lock')

/** A lock as another process would have left it. */
function leaveLock(folder: string, changes: Record<string, unknown>, ageMs = 0): void {
  const content = {
    host: os.hostname(),
    pid: process.pid,
    processStart: null,
    purpose: 'training',
    since: '2026-01-02T03:04:05.000Z',
    token: 'of-somebody-else',
    ...changes,
  }
  writeFileSync(lockFile(folder), JSON.stringify(content))
  const then = new Date(Date.now() - ageMs)
  utimesSync(lockFile(folder), then, then)
}

const hour = 3_600_000
/** The number of a process that has just ended. */
const endedProcess = () => spawnSync(process.execPath, ['-e', '0']).pid

describe('a lock', () => {
  test('keeps a second opener out, naming the owner, until it is released', async () => {
    const folder = newFolder('held')
    const lock = await acquireLock(folder, { purpose: 'training' })
    const second = acquireLock(folder, { purpose: 'segmenting' })
    await expect(second).rejects.toMatchObject({ _tag: 'Locked', fields: { path: folder } })
    await expect(second).rejects.toThrow(new RegExp(`process ${process.pid} on .*training`))
    await lock.release()
    await lock.release()
    const third = await acquireLock(folder, { purpose: 'segmenting' })
    await third.release()
    expect(readdirSync(folder)).toEqual([])
  })

  test('of a living process elsewhere holds until its heartbeat is old', async () => {
    const folder = newFolder('elsewhere')
    leaveLock(folder, { host: 'another-computer', pid: 1 }, 60_000)
    await expect(acquireLock(folder, { purpose: 'x' })).rejects.toThrow('process 1 on another-computer')
    leaveLock(folder, { host: 'another-computer', pid: 1 }, hour)
    await (await acquireLock(folder, { purpose: 'x' })).release()
  })

  test('of a process that is gone is taken over', async () => {
    const folder = newFolder('gone')
    leaveLock(folder, { pid: endedProcess() })
    const lock = await acquireLock(folder, { purpose: 'x' })
    expect(readFileSync(lockFile(folder), 'utf8')).toContain(`"pid":${process.pid}`)
    await lock.release()
  })

  test.runIf(process.platform === 'linux')(
    'of an earlier process with the same number is taken over',
    async () => {
      const folder = newFolder('reused')
      leaveLock(folder, { processStart: '12' })
      await (await acquireLock(folder, { purpose: 'x' })).release()
    },
  )

  test('that is being written holds for a moment only', async () => {
    const folder = newFolder('half')
    writeFileSync(lockFile(folder), '{"host":')
    await expect(acquireLock(folder, { purpose: 'x' })).rejects.toMatchObject({ _tag: 'Locked' })
    const then = new Date(Date.now() - 60_000)
    utimesSync(lockFile(folder), then, then)
    await (await acquireLock(folder, { purpose: 'x' })).release()
  })

  test('that was taken over is not removed by its former owner', async () => {
    const folder = newFolder('former')
    const former = await acquireLock(folder, { purpose: 'x' })
    leaveLock(folder, { token: 'of-the-new-owner' })
    await former.release()
    expect(readFileSync(lockFile(folder), 'utf8')).toContain('of-the-new-owner')
  })

  test('many processes at a stale lock: exactly one gets it', async () => {
    const folder = newFolder('race')
    leaveLock(folder, { pid: endedProcess() })
    const script = `
      const { acquireLock } = await import(${JSON.stringify(compiledLock)})
      try {
        await acquireLock(${JSON.stringify(folder)}, { purpose: 'race' })
        console.log('won')
        process.stdin.resume()
      } catch (error) {
        console.log(error._tag)
      }`
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
    )
    try {
      const outcomes = await Promise.all(
        children.map(async (child) => String((await once(child.stdout, 'data'))[0]).trim()),
      )
      expect(outcomes.toSorted()).toEqual(['Locked', 'Locked', 'Locked', 'won'])
    } finally {
      for (const child of children) child.kill('SIGKILL')
    }
  })
})
