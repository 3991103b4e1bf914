import { readFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import type { ServiceImplementation } from '../../../shared/contract/definition.ts'
import type { settingsService } from '../../../shared/contract/files.ts'
import { badInput } from '../../../shared/errors.ts'
import { makeFolder, writeFileAtomic } from '../files/atomic-file.ts'
import { systemErrorCode } from '../files/system-error.ts'

const fileName = 'settings.json'

/** What a window remembers is small; a value beyond this is a mistake that would slow every start. */
const maxValueBytes = 256 * 1024
const maxKeys = 1000

const settingsSchema = z.record(z.string(), z.json())
type Settings = z.infer<typeof settingsSchema>

/** Settings of this user in `<stateFolder>/settings.json`, saved as they are set. */
export function createSettingsService(options: {
  stateFolder: string
}): ServiceImplementation<typeof settingsService> {
  const file = path.join(options.stateFolder, fileName)
  let writing: Promise<unknown> = Promise.resolve()

  async function read(): Promise<Settings> {
    let text
    try {
      text = await readFile(file, 'utf8')
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return {}
      throw badInput(file, 'a readable file', String(error), { cause: error })
    }
    const settings = parse(text)
    if (settings !== null) return settings
    const aside = `${file}.damaged`
    await rename(file, aside)
    process.emitWarning(
      `${file} could not be read; settings begin anew, and the old file is kept as ${aside}`,
    )
    return {}
  }

  return {
    read: async () => {
      await writing
      return await read()
    },
    async write({ key, value }) {
      const size = Buffer.byteLength(JSON.stringify(value))
      if (size > maxValueBytes)
        throw badInput(file, `a setting of at most ${maxValueBytes} bytes`, `${size} bytes for "${key}"`)
      // No object can hold it as a key of its own through JSON and back.
      if (key === '__proto__') throw badInput(file, 'the name of a setting', key)
      const written = writing.then(async () => {
        const settings = new Map(Object.entries(await read()))
        if (value === null) settings.delete(key)
        else settings.set(key, value)
        if (settings.size > maxKeys) throw badInput(file, `at most ${maxKeys} settings`, 'one more')
        await makeFolder(options.stateFolder)
        await writeFileAtomic(file, `${JSON.stringify(Object.fromEntries(settings), null, 2)}\n`)
      })
      writing = written.catch(() => undefined)
      await written
      return {}
    },
  }
}

function parse(text: string): Settings | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = settingsSchema.safeParse(value)
  return parsed.success ? parsed.data : null
}
