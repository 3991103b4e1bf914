/** What a file says of a tensor. */
export interface TensorDescription {
  /** `float32`, or the file's own name of another type. */
  dtype: string
  shape: readonly number[]
}

/** A file of weights, open for reading. Names are ours, whatever the file calls the tensors: `block1_conv1/kernel`. */
export interface WeightsFile {
  readonly path: string
  readonly format: 'safetensors' | 'keras-h5'
  readonly tensors: ReadonlyMap<string, TensorDescription>
  /**
   * The values of a float32 tensor that the file has, in C order, in an array of their own. Allocates what the described
   * shape needs, so the caller looks at it first. Throws `BadInput` when the file ends before, `Cancelled`.
   */
  read(name: string, signal?: AbortSignal): Promise<Float32Array>
}
