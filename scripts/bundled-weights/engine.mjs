// The parts of the engine that training of the bundled weights is made of, built first where they are not.
import { build } from '../build.mjs'

build()

const part = (name) => import(new URL(`../../dist/${name}.js`, import.meta.url).href)

export const { createRandom } = await part('shared/random')
export const { createLatticeField } = await part('main/engine/sample/lattice-field')
export const { imagenetMeans } = await part('main/engine/learning/network/network-spec')
export const parameters = await part('main/engine/learning/network/parameters')
export const { learningRateAt } = await part('main/engine/learning/training/schedule')
export const { loadComputeRuntime } = await part('main/engine/compute/runtime/load')
export const { writeFileAtomic } = await part('main/engine/files/atomic-file')
export const { decodeTensors, encodeTensors } = await part('main/engine/learning/model/safetensors')
