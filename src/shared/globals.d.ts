/** What every environment has (Node, worker, browser) and `lib: ES2023` does not know; the least that shared code needs. */

interface AbortSignal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

interface AbortController {
  readonly signal: AbortSignal
  abort(reason?: unknown): void
}

declare const AbortController: { new (): AbortController }

declare function structuredClone<Value>(value: Value): Value

declare function queueMicrotask(callback: () => void): void
