/** Deep enough for every message of the contract; what is deeper is not looked into and crosses as it is. */
const deepest = 12

/**
 * `message` with every typed array in memory of its own. A structured clone copies the whole buffer behind a view: a row of a
 * 64 MB plane would carry 64 MB, and a view of shared memory would stay shared, or not cross at all. What needs no change is
 * not copied; the message itself stays as it is.
 */
export function withOwnMemory(message: unknown, depth = 0): unknown {
  if (typeof message !== 'object' || message === null || depth > deepest) return message
  if (ArrayBuffer.isView(message)) return ownView(message)
  if (Array.isArray(message)) return ownItems(message, depth)
  const prototype: unknown = Object.getPrototypeOf(message)
  if (prototype !== Object.prototype && prototype !== null) return message
  return ownProperties(message, depth)
}

function ownItems(items: readonly unknown[], depth: number): readonly unknown[] {
  let copy: unknown[] | null = null
  for (const [index, item] of items.entries()) {
    // Long lists are lists of numbers or of small records; numbers cost one comparison each.
    const own = withOwnMemory(item, depth + 1)
    if (own === item) continue
    copy ??= [...items]
    copy[index] = own
  }
  return copy ?? items
}

function ownProperties(record: object, depth: number): object {
  let copy: Record<string, unknown> | null = null
  for (const [key, value] of Object.entries(record) as [string, unknown][]) {
    const own = withOwnMemory(value, depth + 1)
    if (own === value) continue
    copy ??= { ...record }
    copy[key] = own
  }
  return copy ?? record
}

function ownView(view: ArrayBufferView): ArrayBufferView {
  if (view.byteLength === view.buffer.byteLength && isUnshared(view.buffer)) return view
  const bytes = new Uint8Array(view.byteLength)
  bytes.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  return new constructors[kindOf(view)](bytes.buffer)
}

function isUnshared(buffer: ArrayBufferLike): boolean {
  return Object.prototype.toString.call(buffer) === '[object ArrayBuffer]'
}

type Kind =
  | 'Int8Array'
  | 'Uint8Array'
  | 'Uint8ClampedArray'
  | 'Int16Array'
  | 'Uint16Array'
  | 'Int32Array'
  | 'Uint32Array'
  | 'Float32Array'
  | 'Float64Array'
  | 'BigInt64Array'
  | 'BigUint64Array'
  | 'DataView'

const constructors: Record<Kind, new (buffer: ArrayBuffer) => ArrayBufferView> = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
}

/** The kind of a view, across realms; Node's `Buffer` is a `Uint8Array`. */
function kindOf(view: ArrayBufferView): Kind {
  const name = Object.prototype.toString.call(view).slice('[object '.length, -1)
  if (!Object.hasOwn(constructors, name)) throw new TypeError(`expected a typed array, found ${name}`)
  return name as Kind
}
