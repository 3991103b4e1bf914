import { describe, expect, it, vi } from 'vitest'
import {
  matchItems,
  matchScore,
  parsePlace,
  type PaletteItem,
} from '../../../src/renderer/components/shell/palette-matches.ts'
import CommandPalette from '../../../src/renderer/components/shell/CommandPalette.vue'
import { useCommandsStore } from '../../../src/renderer/stores/commands.ts'
import { useDialogsStore } from '../../../src/renderer/stores/dialogs.ts'
import { useProjectStore } from '../../../src/renderer/stores/project.ts'
import { useViewStore } from '../../../src/renderer/stores/view.ts'
import { entryOf, projectOf, summaryOf } from '../support/fake-services.ts'
import { createStage, mountOn, settle } from '../support/mount-with.ts'

function itemOf(title: string, change: Partial<PaletteItem> = {}): PaletteItem {
  return {
    id: title,
    group: 'Commands',
    title,
    words: '',
    keys: null,
    note: null,
    disabled: false,
    run: vi.fn(),
    ...change,
  }
}

describe('what fits a query', () => {
  it('reads places in any order', () => {
    expect(parsePlace('z 308')).toEqual({ z: 308 })
    expect(parsePlace(' x=7, Z12 ')).toEqual({ x: 7, z: 12 })
    expect(parsePlace('zoom 2')).toBeNull()
    expect(parsePlace('')).toBeNull()
  })

  it('prefers beginnings of words, then insides, then letters in order', () => {
    expect(matchScore('lab', 'Next labelled slice')).toBe(2)
    expect(matchScore('bel', 'Next labelled slice')).toBe(1)
    expect(matchScore('nls', 'Next labelled slice')).toBe(0.5)
    expect(matchScore('xyz', 'Next labelled slice')).toBeNull()
    expect(matchScore('slice next', 'Next labelled slice')).toBe(4)
  })

  it('keeps groups together, best first, and leaves commands only after >', () => {
    const items = [
      itemOf('Open a file…'),
      itemOf('Profile', { id: 'inside' }),
      itemOf('filed_volume', { group: 'Volumes' }),
    ]
    expect(matchItems('file', items).map(({ id }) => id)).toEqual(['Open a file…', 'inside', 'filed_volume'])
    expect(matchItems('> file', items).map(({ id }) => id)).toEqual(['Open a file…', 'inside'])
  })
})

describe('the palette', () => {
  async function open() {
    const volume = entryOf({ name: 'NMC811', summary: summaryOf({ shape: [768, 100, 100] }) })
    const stage = createStage({ project: projectOf({ volumes: [volume] }) })
    await useProjectStore().refresh()
    const run = vi.fn()
    useCommandsStore().register([
      { id: 'a', title: 'Brush', menu: 'Edit', keys: ['B'], run },
      { id: 'b', title: 'Polygon', menu: 'Edit', blocked: () => 'No material', run: vi.fn() },
    ])
    const wrapper = await mountOn(stage, CommandPalette)
    useDialogsStore().palette = true
    await settle()
    const input = document.querySelector<HTMLInputElement>('.palette input')!
    const type = async (text: string): Promise<void> => {
      input.value = text
      input.dispatchEvent(new Event('input'))
      await settle()
    }
    const press = async (key: string): Promise<void> => {
      input.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
      await settle()
    }
    const options = (): string[] =>
      [...document.querySelectorAll('.palette [role=option]')].map((option) => option.textContent)
    return { volume, wrapper, run, type, press, options }
  }

  it('runs the chosen command by keyboard and closes', async () => {
    const { wrapper, run, type, press } = await open()
    await type('bru')
    await press('Enter')
    expect(run).toHaveBeenCalledOnce()
    expect(useDialogsStore().palette).toBe(false)
    wrapper.unmount()
  })

  it('shows why a command is blocked and does not run it', async () => {
    const { wrapper, type, press, options } = await open()
    await type('polygon')
    expect(options()[0]).toContain('No material')
    await press('Enter')
    expect(useDialogsStore().palette).toBe(true)
    wrapper.unmount()
  })

  it('goes to a slice, and says where the volume ends', async () => {
    const { volume, wrapper, type, press, options } = await open()
    await type('z 768')
    expect(options()[0]).toContain('z ends at 767')
    await press('Enter')
    expect(useViewStore().viewOf(volume.id, volume.summary.shape).position.z).toBe(384)
    await type('z 308')
    await press('Enter')
    expect(useViewStore().viewOf(volume.id, volume.summary.shape).position.z).toBe(308)
    wrapper.unmount()
  })
})
