import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** All bytes of a file into memory of their own, as little work as there can be. */
export function readPlainly(file: string): void {
  const handle = openSync(file, 'r')
  const { size } = fstatSync(handle)
  const buffer = Buffer.allocUnsafeSlow(size)
  let at = 0
  while (at < size) at += readSync(handle, buffer, at, size - at, at)
  closeSync(handle)
}
