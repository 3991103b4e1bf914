import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { ProjectSession } from '../../../src/main/engine/project/project-session.ts'
import { temporaryFolder } from '../volume/temporary-folder.ts'

const scratch = temporaryFolder('killed-project')
const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const compiled = path.join(repository, 'dist', 'main', 'engine', 'project', 'project-session.js')

/** Adds one material after the other and prints each value once it has been answered. */
const program = `
  const { ProjectSession } = await import(${JSON.stringify(pathToFileURL(compiled).href)})
  const session = await ProjectSession.open(process.argv[1])
  for (let value = session.materials.length + 1; value <= 250; value++) {
    await session.addMaterials([{ value, name: 'material ' + value }])
    console.log(value)
  }
`

const kills = 5

test(`a project survives ${kills} kills at random moments: what was answered is there`, async () => {
  const folder = path.join(scratch, 'p.phasemark')
  await (await ProjectSession.create(folder, 'p')).close()
  let answered = 0
  for (let kill = 0; kill < kills; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, folder])
    const ended = once(child, 'close')
    const wanted = answered + 3 + kill
    for await (const line of createInterface({ input: child.stdout })) {
      answered = Number(line)
      // Not at an answer, but some time after it: in the middle of the next change.
      if (answered === wanted) setTimeout(() => child.kill('SIGKILL'), kill * 1.5)
    }
    await ended
    expect(child.signalCode).toBe('SIGKILL')
    const session = await ProjectSession.open(folder)
    expect(session.readOnly).toBeNull()
    expect(session.uncleanEnd).not.toBeNull()
    expect(session.damage).toBeNull()
    // One more may have been written before its answer was.
    expect([answered, answered + 1]).toContain(session.materials.length)
    expect(session.materials.map(({ value }) => value)).toEqual(
      Array.from({ length: session.materials.length }, (_, position) => position + 1),
    )
    answered = session.materials.length
    await session.close()
    const again = await ProjectSession.open(folder)
    expect(again.uncleanEnd).toBeNull()
    await again.close()
  }
  rmSync(folder, { recursive: true })
})
