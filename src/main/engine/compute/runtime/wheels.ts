/**
 * The TensorFlow and CUDA builds that make up a runtime: which wheel, how to recognise it and what to take out of it.
 *
 * Sizes and SHA-256 sums are those that the Python Package Index states for the files, read from `pip install --dry-run
 * --report` and checked against the downloaded files on 2026-11-22. `unpackedBytes` is the sum over the members named in
 * `take`, from the wheels' own directories. Python plays no part at run time: the shared libraries are the same in the
 * wheels of every Python version, so one version is pinned.
 */

export const tensorflowVersion = '2.21.0'

/** A group of members of a wheel and where they go in the runtime folder. */
export interface MemberRule {
  /** Matches the whole path of a member inside the wheel. */
  pattern: RegExp
  /** Replacement for {@link pattern} that gives the path inside the runtime folder, with forward slashes. */
  target: string
  executable?: boolean
}

export interface Wheel {
  /** Name of the project on the index, for example `tensorflow-cpu`. */
  project: string
  version: string
  fileName: string
  sha256: string
  sizeBytes: number
  unpackedBytes: number
  /** Arguments that make pip choose exactly this file on any machine. */
  platforms: readonly string[]
  take: readonly MemberRule[]
}

/** Version of Python that pip is to assume; the wheels below are named after it. */
export const wheelPython = '311'

/**
 * What the addon needs of TensorFlow: two libraries, and the C headers until it is compiled. `deps/lib` stands for the
 * wheel's folder `tensorflow`, so that the libraries' own run paths hold: see {@link takeCuda}.
 */
const takeTensorflow: readonly MemberRule[] = [
  { pattern: /^tensorflow\/(libtensorflow_(?:cc|framework)\.so\.2)$/, target: 'deps/lib/$1' },
  {
    pattern:
      /^tensorflow\/include\/((?:tensorflow\/c|xla\/tsl\/c)\/.*\.h|(?:tensorflow\/core|tsl)\/platform\/ctstring[^/]*\.h)$/,
    target: 'deps/include/$1',
  },
]

/**
 * What TensorFlow needs of CUDA: shared libraries, the assembler and the device library. They keep their place
 * `nvidia/<part>/…` beside TensorFlow's folder, because TensorFlow's libraries carry the run path
 * `$ORIGIN/../nvidia/<part>/lib`, and CUDA's libraries find each other by run paths of the same kind. So neither
 * LD_LIBRARY_PATH nor a system CUDA plays a part.
 */
const takeCuda: readonly MemberRule[] = [
  { pattern: /^(nvidia\/[a-z_]+\/lib\/[^/]+\.so[^/]*)$/, target: 'deps/$1' },
  { pattern: /^(nvidia\/cuda_nvcc\/bin\/ptxas)$/, target: 'deps/$1', executable: true },
  { pattern: /^(nvidia\/cuda_nvcc\/nvvm\/libdevice\/[^/]+\.bc)$/, target: 'deps/$1' },
]

/**
 * Two places where the run paths and the wheels do not agree, mended with links:
 * - TensorFlow 2.21 opens every CUDA library from `libtensorflow_framework`, whose run path leaves out the folder of
 *   cuSOLVER; without it no graphics card is registered. The folder of cuBLAS is on that run path.
 * - cuDNN looks for the run-time compiler in `nvrtc`, and the wheel calls the folder `cuda_nvrtc`.
 */
export const cudaLinks: readonly { path: string; target: string }[] = [
  { path: 'deps/nvidia/cublas/lib/libcusolver.so.11', target: '../../cusolver/lib/libcusolver.so.11' },
  { path: 'deps/nvidia/nvrtc', target: 'cuda_nvrtc' },
]

const cpuX64: Wheel = {
  project: 'tensorflow-cpu',
  version: tensorflowVersion,
  fileName: 'tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
  sha256: '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c',
  sizeBytes: 273829956,
  unpackedBytes: 853868899,
  platforms: ['manylinux_2_27_x86_64'],
  take: takeTensorflow,
}

const cpuArm64: Wheel = {
  project: 'tensorflow',
  version: tensorflowVersion,
  fileName: 'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_aarch64.whl',
  sha256: '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c',
  sizeBytes: 281828020,
  unpackedBytes: 883622171,
  platforms: ['manylinux_2_27_aarch64'],
  take: takeTensorflow,
}

const gpuX64: Wheel = {
  project: 'tensorflow',
  version: tensorflowVersion,
  fileName: 'tensorflow-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl',
  sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  sizeBytes: 572440367,
  unpackedBytes: 1259581043,
  platforms: ['manylinux_2_27_x86_64'],
  take: takeTensorflow,
}

/**
 * The parts that TensorFlow's extra `and-cuda` names, each within the range given there. Of the possible versions these are
 * CUDA 12.8, the first that knows Blackwell cards, with cuDNN 9.10, the last line before the cards older than Turing were
 * dropped: together they serve the widest range of cards.
 */
const cudaX64: readonly Wheel[] = [
  cuda(
    'cublas',
    '12.8.4.1',
    'manylinux_2_27_x86_64',
    594346921,
    868914192,
    '8ac4e771d5a348c551b2a426eda6193c19aa630236b418086020df5ba9667142',
  ),
  cuda(
    'cuda-cupti',
    '12.8.90',
    'manylinux2014_x86_64.manylinux_2_17_x86_64',
    10248621,
    41311976,
    'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182',
  ),
  cuda(
    'cuda-nvcc',
    '12.8.93',
    'manylinux2010_x86_64.manylinux_2_12_x86_64',
    40128098,
    32397092,
    '2d6dc36fb7cb5ac9c0b8825bc13d193c35487a315664007287d0126531238011',
  ),
  cuda(
    'cuda-nvrtc',
    '12.8.93',
    'manylinux2010_x86_64.manylinux_2_12_x86_64',
    88040029,
    222102104,
    'a7756528852ef889772a84c6cd89d41dfa74667e24cca16bb31f8f061e3e9994',
  ),
  cuda(
    'cuda-runtime',
    '12.8.90',
    'manylinux2014_x86_64.manylinux_2_17_x86_64',
    954765,
    728800,
    'adade8dcbd0edf427b7204d480d6066d33902cab2a4707dcfc48a2d0fd44ab90',
  ),
  cuda(
    'cudnn',
    '9.10.2.21',
    'manylinux_2_27_x86_64',
    706758467,
    1053232960,
    '949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8',
  ),
  cuda(
    'cufft',
    '11.3.3.83',
    'manylinux2014_x86_64.manylinux_2_17_x86_64',
    193118695,
    281026488,
    '4d2dd21ec0b88cf61b62e6b43564355e5222e4a3fb394cac0db101f2dd0d4f74',
  ),
  cuda(
    'curand',
    '10.3.9.90',
    'manylinux_2_27_x86_64',
    63619976,
    136749240,
    'b32331d4f4df5d6eefa0554c565b626c7216f87a06a4f56fab27c3b68a830ec9',
  ),
  cuda(
    'cusolver',
    '11.7.3.90',
    'manylinux_2_27_x86_64',
    267506905,
    404797448,
    '4376c11ad263152bd50ea295c05370360776f8c3427b30991df774f9fb26c450',
  ),
  cuda(
    'cusparse',
    '12.5.8.93',
    'manylinux2014_x86_64.manylinux_2_17_x86_64',
    288216466,
    387990224,
    '1ec05d76bbbd8b61b06a80e1eaf8cf4959c3d4ce8e711b65ebd0443bb0ebb13b',
  ),
  cuda(
    'nccl',
    '2.27.7',
    'manylinux2014_x86_64.manylinux_2_17_x86_64',
    322546339,
    430126192,
    'de5ba5562f08029a19cb1cd659404b18411ed0d6c90ac5f52f30bf99ad5809aa',
  ),
  cuda(
    'nvjitlink',
    '12.8.93',
    'manylinux2010_x86_64.manylinux_2_12_x86_64',
    39254836,
    94101392,
    '81ff63371a7ebd6e6451970684f916be2eab07321b73c9d244dc2b4da7f73b88',
  ),
]

function cuda(
  part: string,
  version: string,
  tag: string,
  sizeBytes: number,
  unpackedBytes: number,
  sha256: string,
): Wheel {
  const project = `nvidia-${part}-cu12`
  return {
    project,
    version,
    fileName: `${project.replaceAll('-', '_')}-${version}-py3-none-${tag}.whl`,
    sha256,
    sizeBytes,
    unpackedBytes,
    platforms: tag.split('.'),
    take: takeCuda,
  }
}

/** Oldest glibc that the `manylinux_2_27` wheels run on. */
export const oldestGlibc = '2.27'

/**
 * The wheels for a device on a platform, TensorFlow's first, or `null` where there are none (Windows, macOS; graphics cards
 * on ARM).
 */
export function wheelsFor(
  device: 'gpu' | 'cpu',
  platform: NodeJS.Platform,
  arch: string,
): readonly Wheel[] | null {
  if (platform !== 'linux') return null
  if (device === 'gpu') return arch === 'x64' ? [gpuX64, ...cudaX64] : null
  if (arch === 'x64') return [cpuX64]
  return arch === 'arm64' ? [cpuArm64] : null
}
