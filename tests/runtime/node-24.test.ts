import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { cacheFolder, currentHost } from '../../src/main/engine/compute/runtime/host.ts'
import { convolutionResult, downloadLimitMs, lastJson, run, testFolder } from './processes.ts'

/** Path of a Node 24 from the npm registry, kept in the user's cache, or the reason why there is none. */
async function obtainNode24(): Promise<{ node: string } | { reason: string }> {
  if (process.platform !== 'linux') return { reason: `there is no npm package of it for ${process.platform}` }
  const project = `node-linux-${process.arch}`
  const folder = path.join(cacheFolder(currentHost()), 'test-tools', 'node-24')
  const node = path.join(folder, 'node_modules', project, 'bin', 'node')
  if (existsSync(node)) return { node }
  const args = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', `${project}@24`]
  const { code, stderr } = await run('npm', args, {}, downloadLimitMs)
  return code === 0 ? { node } : { reason: `npm could not install ${project}: ${stderr.trim().slice(-200)}` }
}

const found = await obtainNode24()
const title = 'reason' in found ? `Node 24 (absent: ${found.reason})` : 'Node 24'

describe.skipIf('reason' in found)(title, () => {
  it('loads the runtime and computes, in spite of what Node 23 removed', async () => {
    if ('reason' in found) return
    const script = path.join(testFolder, 'convolution-main.mjs')
    const { code, stdout, stderr } = await run(found.node, [script])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const printed = lastJson(stdout)
    expect(printed).toMatchObject(convolutionResult)
    expect(printed['versions']).toMatchObject({ node: expect.stringMatching(/^24\./) as string })
  })
})
