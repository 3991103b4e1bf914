import type { BigIntStats } from 'node:fs'

/** Numbers that are kept per file: device, inode, size, and when it was modified and changed, in nanoseconds. */
const numbersPerFile = 5

/**
 * A file that changed this shortly before it was read may change once more without its times showing it: FAT counts in steps of two
 * seconds, others in those of the system's clock.
 */
const unsettledNs = 2_000_000_000n

/** Room for the states of so many files, as plain data that goes between threads. */
export function createFileStates(count: number): BigUint64Array {
  return new BigUint64Array(count * numbersPerFile)
}

/** Notes what file `index` is like. */
export function putFileState(states: BigUint64Array, index: number, status: BigIntStats): void {
  states.set(stateOf(status), index * numbersPerFile)
}

/** Whether file `index` is as it was noted: the same file of the same size, neither written to nor otherwise changed since. */
export function hasFileState(states: BigUint64Array, index: number, status: BigIntStats): boolean {
  return stateOf(status).every((value, at) => states[index * numbersPerFile + at] === value)
}

/** Whether a later change of the file would show in its times. @param readMs when reading began, in milliseconds since 1970 */
export function isSettled({ mtimeNs, ctimeNs }: BigIntStats, readMs: number): boolean {
  const latestNs = BigInt(Math.floor(readMs)) * 1_000_000n - unsettledNs
  return mtimeNs < latestNs && ctimeNs < latestNs
}

function stateOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): bigint[] {
  // Times before 1970 are negative.
  return [dev, ino, size, mtimeNs, ctimeNs].map((value) => BigInt.asUintN(64, value))
}
