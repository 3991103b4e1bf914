/**
 * Whether TensorFlow failed for lack of memory. The binding reports errors as text only; these are the words of
 * `RESOURCE_EXHAUSTED` and of a failed host allocation.
 */
export function isOutOfMemory(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error)
  return /\bOOM\b|resource.?exhausted|out of memory|failed to allocate|bad_alloc/i.test(text)
}
