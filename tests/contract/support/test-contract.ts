import { z } from 'zod'
import { voxelArraySchema } from '../../../src/shared/contract/arrays.ts'
import { method, service } from '../../../src/shared/contract/definition.ts'

/** A contract with one method for everything that can happen to a call. */
export const testContract = {
  sample: service({
    methods: {
      double: method(z.object({ value: z.number().int() }), z.object({ value: z.number() })),
      /** Uses its default when the client says nothing. */
      greet: method(z.object({ name: z.string().default('nobody') }), z.object({ text: z.string() })),
      echo: method(
        z.object({ data: z.custom<ArrayBufferView>((value) => ArrayBuffer.isView(value)) }),
        z.object({ data: z.custom<ArrayBufferView>((value) => ArrayBuffer.isView(value)) }),
      ),
      /** The first `count` voxels of a much larger array. */
      slice: method(z.object({ count: z.number().int() }), z.object({ data: voxelArraySchema })),
      /** Throws `BadInput` with its fields. */
      refuse: method(z.object({}), z.object({})),
      /** Throws something that is no error of ours. */
      stumble: method(z.object({}), z.object({})),
      /** Answers with something else than it promises. */
      lie: method(z.object({}), z.object({ nested: z.object({ value: z.number() }) })),
      /** Runs until it is cancelled. */
      hold: method(z.object({}), z.object({})),
      /** Announces `ticked` for 0 … count − 1, then answers. */
      tick: method(z.object({ count: z.number().int() }), z.object({})),
      /** Announces an event that breaks the contract. */
      mistick: method(z.object({}), z.object({})),
      status: method(
        z.object({}),
        z.object({
          pid: z.number(),
          connections: z.number(),
          /** Calls of `hold` that run now, and those whose signal has fired. */
          holding: z.number(),
          cancelled: z.number(),
          defects: z.array(z.string()),
        }),
      ),
    },
    events: { ticked: z.object({ count: z.number() }) },
  }),
} as const
