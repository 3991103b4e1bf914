import type { LabelStore, LabelStoreOptions } from '../../src/main/engine/annotation/label-store.ts'
import type { Shape3 } from '../../src/shared/volume.ts'

export declare const paintingShape: Shape3
export declare const paintingOptions: LabelStoreOptions
export declare function editIdOf(seed: number, step: number): string
export declare function carryOut(store: LabelStore, seed: number, step: number): Promise<unknown>
