/**
 * Writes messages in the protocol buffers wire format (https://protobuf.dev/programming-guides/encoding). Only what the
 * messages of a TensorFlow graph need; fields go out in the order of the calls.
 *
 * Long byte fields are kept by reference until {@link finish}, so that weights are copied once.
 */
export class ProtobufWriter {
  private readonly chunks: Uint8Array[] = []
  private length = 0

  /** An integer, enumeration or boolean, as `int64`; whole numbers up to 2^53 in size. */
  integer(field: number, value: number): this {
    this.varint(field << 3)
    this.varint(value)
    return this
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5)
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    this.append(bytes)
    return this
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  /** The bytes are read when the message is finished. */
  bytes(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2)
    this.varint(value.length)
    this.append(value)
    return this
  }

  message(field: number, write: (message: ProtobufWriter) => void): this {
    const inner = new ProtobufWriter()
    write(inner)
    this.varint((field << 3) | 2)
    this.varint(inner.length)
    return this.fieldsOf(inner)
  }

  /** Fields that another writer has written. */
  fieldsOf(other: ProtobufWriter): this {
    for (const chunk of other.chunks) this.append(chunk)
    return this
  }

  /** Numbers of a `repeated` field, packed. */
  integers(field: number, values: readonly number[]): this {
    const inner = new ProtobufWriter()
    for (const value of values) inner.varint(value)
    return this.bytes(field, inner.finish())
  }

  finish(): Uint8Array {
    const all = new Uint8Array(this.length)
    let offset = 0
    for (const chunk of this.chunks) {
      all.set(chunk, offset)
      offset += chunk.length
    }
    return all
  }

  /** Seven bits at a time, lowest first; negative numbers as 64-bit two's complement. */
  private varint(value: number): void {
    const bytes: number[] = []
    let rest = BigInt.asUintN(64, BigInt(value))
    do {
      const low = Number(rest & 0x7fn)
      rest >>= 7n
      bytes.push(rest === 0n ? low : low | 0x80)
    } while (rest !== 0n)
    this.append(Uint8Array.from(bytes))
  }

  private append(bytes: Uint8Array): void {
    this.chunks.push(bytes)
    this.length += bytes.length
  }
}
