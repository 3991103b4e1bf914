import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { writeFileAtomic } from '../../../src/main/engine/files/atomic-file.ts'
import { writeError } from '../../../src/main/engine/files/write-error.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'
import { withoutPrivileges } from '../volume/without-privileges.ts'

const scratch = temporaryFolder('atomic-file')

describe('an atomic write', () => {
  test('replaces the content and leaves nothing else behind', async () => {
    const folder = path.join(scratch, 'replace')
    mkdirSync(folder)
    const file = path.join(folder, 'run.json')
    await writeFileAtomic(file, 'old')
    await writeFileAtomic(file, Uint8Array.of(110, 101, 119))
    expect(readFileSync(file, 'utf8')).toBe('new')
    expect(readdirSync(folder)).toEqual(['run.json'])
  })

  test('many at once: each reader sees one of them whole', async () => {
    const file = path.join(scratch, 'many.json')
    const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(5000))
    await Promise.all(contents.map((content) => writeFileAtomic(file, content)))
    expect(contents).toContain(readFileSync(file, 'utf8'))
  })

  test.skipIf(process.platform === 'win32')('a folder that may not be written', async () => {
    const folder = path.join(scratch, 'read-only')
    mkdirSync(folder)
    await writeFileAtomic(path.join(folder, 'kept.json'), 'kept')
    chmodSync(scratch, 0o755)
    chmodSync(folder, 0o555)
    const write = withoutPrivileges(() => writeFileAtomic(path.join(folder, 'kept.json'), 'new'))
    await expect(write).rejects.toMatchObject({ _tag: 'NotWritable' })
    expect(readFileSync(path.join(folder, 'kept.json'), 'utf8')).toBe('kept')
    chmodSync(folder, 0o755)
  })

  test('a folder that is not there', async () => {
    const file = path.join(scratch, 'nowhere', 'run.json')
    await expect(writeFileAtomic(file, 'x')).rejects.toMatchObject({
      _tag: 'NotWritable',
      fields: { path: file },
    })
  })

  test('system errors become ours', () => {
    const systemError = (code: string) => Object.assign(new Error(code), { code, syscall: 'write' })
    expect(writeError('f', systemError('ENOSPC'))).toMatchObject({ _tag: 'NoSpace' })
    expect(writeError('f', systemError('EDQUOT'))).toMatchObject({ _tag: 'NoSpace' })
    expect(writeError('f', systemError('EROFS'))).toMatchObject({ _tag: 'NotWritable' })
    expect(writeError('f', systemError('EIO'))).toMatchObject({ _tag: 'NotWritable' })
    const defect = new TypeError('not a function')
    expect(writeError('f', defect)).toBe(defect)
  })
})
