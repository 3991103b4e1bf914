import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import type { Page } from 'playwright'
import { afterAll, describe, expect, it } from 'vitest'
import { openVolume } from '../../src/main/engine/volume/open-volume.ts'
import { scratchFolder } from '../support/file-tree.ts'
import { defaultStem, writeLongTomogram } from '../support/sample-tomogram.ts'
import { waitFor, type AppUnderTest } from './support/app-under-test.ts'
import { testHosts } from './support/hosts.ts'
import { labelledVoxels, largePlane } from './support/painting.ts'
import { showFailures } from './support/show-failures.ts'

/**
 * The data process is killed in the middle of an import and of an export of labels: the window opens its project again, and the job
 * goes on under its name to its proper end. The tests of a host build on each other.
 */

const hosts = await testHosts()
/** Seconds of work, so that a kill comes in the middle of it. */
const [slices, height, width] = [400, 512, 512]
/** For a machine that does much else. */
const patienceMs = 90_000

describe.each(hosts)('jobs of a data process that is killed in $title', (host) => {
  if (host.absent) {
    it.skip('are taken up again', () => undefined)
    return
  }
  const scratch = scratchFolder(`resumed-${host.kind}`)
  const tomogram = writeLongTomogram(scratch, { slices, height, width })
  const output = path.join(scratch, 'exported')
  let app: AppUnderTest | null = null
  let page: Page

  const button = (name: string) => page.getByRole('button', { name, exact: true })
  /** What the list of jobs says of the one called `title`. */
  const jobText = async (title: string): Promise<string> =>
    await page.getByRole('listitem').filter({ hasText: title }).innerText()
  const killInTheMiddle = async (title: string, done: () => Promise<number>): Promise<void> => {
    await waitFor(`the middle of ${title}`, async () => (await done()) >= slices / 4, patienceMs)
    const { data } = await app!.processIds()
    expect(await done()).toBeLessThan(slices)
    process.kill(data!, 'SIGKILL')
  }

  showFailures(() => (app === null ? null : page))
  afterAll(async () => {
    await app?.close()
  })

  it('an import is carried out in the next one', async () => {
    app = await host.launch({
      args: [tomogram.images],
      userFolder: path.join(scratch, 'user'),
      roots: [scratch],
      env: { PHASEMARK_PROJECTS: scratch },
      allowedProblems: [/WebSocket|Disconnected|ended|Failed to load/],
    })
    page = app.page
    page.setDefaultTimeout(20_000)
    const opening = page.getByRole('dialog', { name: 'Import volume' })
    await opening.getByRole('textbox', { name: 'Name' }).fill('long')
    await opening.getByRole('button', { name: 'Import', exact: true }).click()
    await opening.waitFor({ state: 'hidden' })
    await page.keyboard.press('Control+2')
    await largePlane(page).waitFor()
    await button('More for slices').click()
    await page.getByRole('menuitem', { name: /^Import labels/ }).click()
    const importing = page.getByRole('dialog', { name: 'Import labels' })
    await importing.getByRole('textbox', { name: 'Folder or file of labels' }).fill(tomogram.labels)
    await importing.getByRole('button', { name: 'Import', exact: true }).click()
    await importing.waitFor({ state: 'hidden' })
    const title = 'Importing labels into long'
    await page.keyboard.press('Control+j')
    await killInTheMiddle(title, async () => slicesDone(await jobText(title)))
    await expect.poll(() => jobText(title), { timeout: patienceMs }).toContain(`Imported ${slices} slices`)
    const names = ['material 1', 'material 2', 'material 3']
    await expect
      .poll(async () => {
        let voxels = 0
        for (const name of names) voxels += await labelledVoxels(page, name)
        return voxels
      })
      // Every voxel of the label files has one of the three.
      .toBe(slices * height * width)
  })

  it('an export is written whole in the next one', async () => {
    await page.keyboard.press('Escape')
    await largePlane(page).focus()
    await page.keyboard.press('Control+e')
    const exporting = page.getByRole('dialog', { name: 'Export labels' })
    await exporting.getByRole('textbox', { name: 'New folder' }).fill(output)
    await exporting.getByRole('button', { name: 'Export', exact: true }).click()
    await exporting.waitFor({ state: 'hidden' })
    const partial = `${output}.partial`
    await killInTheMiddle('the export', () =>
      Promise.resolve(existsSync(partial) ? readdirSync(partial).length : 0),
    )
    expect(existsSync(output)).toBe(false)
    await page.keyboard.press('Control+j')
    await expect
      .poll(() => jobText('Exporting labels of long'), { timeout: patienceMs })
      .toContain(`Exported ${slices} labelled slices`)
    expect(existsSync(partial)).toBe(false)
    expect(readdirSync(output).sort()).toEqual(
      ['labels.json', ...Array.from({ length: slices }, (_, z) => `${defaultStem(z)}.tif`)].sort(),
    )
    for (const z of [0, 1, 2, 3, slices - 1]) {
      const [before, after] = await Promise.all(
        [tomogram.labels, output].map((folder) => openVolume(path.join(folder, `${defaultStem(z)}.tif`))),
      )
      expect(await after.readSlice(0)).toEqual(await before.readSlice(0))
      await Promise.all([before.close(), after.close()])
    }
  })
})

/** Of `slices 38 / 400`. */
function slicesDone(text: string): number {
  return Number(/slices (\d+) \//.exec(text.replace(/[\u2009\u202f\u00a0]/g, ' '))?.[1] ?? 0)
}
