import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll } from 'vitest'

/** A small file system in memory of its own, to be filled up or made read-only. */
export interface SmallDisk {
  folder: string
  resize: (kilobytes: number) => void
  setReadOnly: (readOnly: boolean) => void
}

/**
 * Mounts a disk of `kilobytes` below `parent` until the tests of the file are over, or returns `null` where that is not
 * possible: it needs Linux and the right to mount. The caller skips by name.
 */
export function mountSmallDisk(parent: string, name: string, kilobytes: number): SmallDisk | null {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return null
  const folder = path.join(parent, name)
  mkdirSync(folder)
  const mount = (...args: string[]) => spawnSync('mount', [...args, folder], { encoding: 'utf8' })
  if (mount('-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs').status !== 0) return null
  afterAll(() => {
    spawnSync('umount', [folder])
  })
  const remount = (options: string) => {
    const { status, stderr } = mount('-o', `remount,${options}`)
    if (status !== 0) throw new Error(`remounting ${folder} with ${options}: ${stderr}`)
  }
  return {
    folder,
    resize: (size) => remount(`size=${size}k`),
    setReadOnly: (readOnly) => remount(readOnly ? 'ro' : 'rw'),
  }
}
