import { writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TrainingBatch } from '../../src/main/engine/learning/training/training-step.ts'
import type { DeviceInfo } from '../../src/shared/device.ts'
import { createRandom } from '../../src/shared/random.ts'
import { startPeer, type PeerChoice, type PythonPeer } from './python-peer.ts'
import { sampleSlice } from './sample-volume.ts'

/** The network and optimiser that all contenders share. */
export interface UnetSetting {
  batch: number
  size: number
  materials: number
  baseFilters: number
  normalisation: 'none' | 'batch'
  learningRate: number
  weightDecay: number
  statisticsMomentum: number
}

/** What a peer says of itself after set-up. */
export interface PeerAnswer {
  chosen: string
  /** Median seconds of each way of running that was tried. */
  variants: Record<string, number>
  parameters: number
  device: 'CPU' | 'GPU'
  versions: Record<string, string>
  /** Losses of the first steps, from the weights that were handed over; only when training. */
  losses?: readonly number[]
}

const peerScripts = {
  Keras: { script: 'keras_unet', packages: ['tensorflow', 'keras', 'numpy'] },
  PyTorch: { script: 'torch_unet', packages: ['torch', 'numpy'] },
} as const
export type UnetPeerName = keyof typeof peerScripts

export interface UnetPeer {
  name: UnetPeerName
  peer: PythonPeer
  answer: PeerAnswer
}

/** Names of all peers that run a UNet. */
export const unetPeerNames = Object.keys(peerScripts) as UnetPeerName[]

/**
 * Starts the peers that this machine can run and sets them up one after the other. Reasons for those that it cannot go
 * into `skipped`. Throws when a peer has another number of parameters than `parameters`: it would not be the same network.
 */
export async function startUnetPeers(
  command: 'train-setup' | 'predict-setup',
  fields: Record<string, unknown>,
  expected: { parameters: number; device: DeviceInfo },
  skipped: Record<string, string>,
  choice: PeerChoice,
): Promise<UnetPeer[]> {
  const started: UnetPeer[] = []
  try {
    for (const name of unetPeerNames) {
      const cpuOnly = expected.device.kind === 'cpu'
      const peer = await startPeer({ name, ...peerScripts[name], cpuOnly }, choice)
      if ('skipped' in peer) {
        skipped[name] = peer.skipped
        continue
      }
      started.push({ name, peer, answer: await peer.ask<PeerAnswer>(command, fields) })
    }
    for (const { name, answer } of started) {
      if (answer.parameters !== expected.parameters) {
        throw new Error(
          `${name} does not run the same network: expected ${expected.parameters} parameters, found ${answer.parameters}`,
        )
      }
    }
    return started
  } catch (error) {
    await closeUnetPeers(started)
    throw error
  }
}

export async function closeUnetPeers(peers: readonly UnetPeer[]): Promise<void> {
  await Promise.all(peers.map(({ peer }) => peer.close()))
}

/** Fields of set-up that describe the network, in the words of the peers. */
export function networkFields(setting: UnetSetting, epsilon: number): Record<string, unknown> {
  return {
    batch: setting.batch,
    size: setting.size,
    materials: setting.materials,
    base_filters: setting.baseFilters,
    batch_norm: setting.normalisation === 'batch',
    momentum: setting.statisticsMomentum,
    epsilon,
  }
}

/** Patches of the sample volume, a tenth of their voxels unlabelled. */
export function sampleBatch({ batch, size }: UnetSetting): TrainingBatch {
  const images = new Float32Array(batch * size * size)
  const labels = new Uint8Array(images.length)
  const random = createRandom(3)
  for (let patch = 0; patch < batch; patch++) {
    const { grey, materials } = sampleSlice(patch * 40, size, size)
    const offset = patch * size * size
    for (let index = 0; index < grey.length; index++) {
      images[offset + index] = grey[index] / 15_000 - 2
      labels[offset + index] = random.next() < 0.1 ? 0 : materials[index]
    }
  }
  return { images, labels, shape: [batch, size, size, 1] }
}

/** Writes a batch for the peers: images, then labels. */
export function writeBatch(folder: string, batch: TrainingBatch): string {
  const file = path.join(folder, 'batch.bin')
  writeFileSync(file, Buffer.concat([Buffer.from(batch.images.buffer), Buffer.from(batch.labels.buffer)]))
  return file
}

/** Writes parameters for the peers, in the order in which the network computes. */
export function writeWeights(folder: string, parameters: Float32Array): string {
  const file = path.join(folder, 'weights.bin')
  writeFileSync(file, Buffer.from(parameters.buffer, parameters.byteOffset, parameters.byteLength))
  return file
}
