import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isFromWindow,
  isLoadableAddress,
  isWindowAddress,
} from '../../../src/main/hosts/electron/addresses.ts'
import { OpenRequests, pathsFromArguments } from '../../../src/main/hosts/electron/open-requests.ts'
import { placeWindow, readBounds, writeBounds } from '../../../src/main/hosts/electron/window-bounds.ts'
import { externalPages, isExternalPage } from '../../../src/shared/external-pages.ts'
import { scratchFolder } from '../../support/file-tree.ts'

describe('addresses of the window', () => {
  it.each([
    ['app://phasemark/index.html', true],
    ['app://phasemark/index.html#/label', true],
    ['app://phasemark.evil/index.html', false],
    ['app://user@phasemark/index.html', false],
    ['app://phasemark:1/index.html', false],
    ['https://phasemark/index.html', false],
    ['file:///index.html', false],
    ['about:blank', false],
    ['', false],
  ])('%s → %s', (address, own) => {
    expect(isWindowAddress(address)).toBe(own)
  })

  it('loads own pages, data and own blobs, nothing else', () => {
    expect(isLoadableAddress('blob:app://phasemark/1-2-3')).toBe(true)
    expect(isLoadableAddress('data:image/png;base64,')).toBe(true)
    for (const address of [
      'blob:https://evil.example/1',
      'http://127.0.0.1/',
      'file:///etc/passwd',
      'ws://a/',
      'devtools://evil/',
    ]) {
      expect(isLoadableAddress(address), address).toBe(false)
    }
  })

  it('listens to the top frame of the window only', () => {
    const window = {}
    const top = { url: 'app://phasemark/index.html', parent: null }
    expect(isFromWindow({ sender: window, senderFrame: top }, window)).toBe(true)
    expect(isFromWindow({ sender: {}, senderFrame: top }, window)).toBe(false)
    expect(isFromWindow({ sender: window, senderFrame: null }, window)).toBe(false)
    expect(isFromWindow({ sender: window, senderFrame: { ...top, parent: {} } }, window)).toBe(false)
    expect(isFromWindow({ sender: window, senderFrame: { ...top, url: 'about:blank' } }, window)).toBe(false)
  })

  it('opens no page outside that is not on the list, to the letter', () => {
    const listed = new Set<string>(Object.values(externalPages))
    for (const page of listed) {
      expect(isExternalPage(page)).toBe(true)
      expect(new URL(page).protocol).toBe('https:')
    }
    fc.assert(
      fc.property(
        fc.oneof(fc.webUrl(), fc.string()),
        (address) => isExternalPage(address) === listed.has(address),
      ),
    )
  })
})

describe('paths to open', () => {
  const options = { ownArguments: 2, workingFolder: path.resolve('/data') }

  it('are the arguments after the program, made absolute', () => {
    const argv = [
      'electron',
      '--no-sandbox',
      '.',
      'tomogram',
      '--lang=de',
      path.resolve('/other/x.phasemark'),
      '',
    ]
    expect(pathsFromArguments(argv, options)).toEqual([
      path.resolve('/data/tomogram'),
      path.resolve('/other/x.phasemark'),
    ])
    expect(pathsFromArguments(['phasemark', 'a'], { ...options, ownArguments: 1 })).toEqual([
      path.resolve('/data/a'),
    ])
    expect(pathsFromArguments(['electron', '.'], options)).toEqual([])
  })

  it('wait until the window takes them, in order, once', () => {
    let announced = 0
    const requests = new OpenRequests(() => announced++)
    requests.add([])
    expect(announced).toBe(0)
    requests.add(['a'])
    requests.add(['b', 'c'])
    expect(announced).toBe(2)
    expect(requests.take()).toEqual(['a', 'b', 'c'])
    expect(requests.take()).toEqual([])
  })
})

describe('place of the window', () => {
  const primary = { x: 0, y: 0, width: 1920, height: 1040 }
  const second = { x: 1920, y: 0, width: 2560, height: 1400 }
  const saved = { x: 2000, y: 100, width: 1700, height: 1100, maximised: true }

  it('is where it was left while that can be reached', () => {
    expect(placeWindow(saved, [primary, second])).toEqual(saved)
  })

  it('is the middle of the first display when the other one is gone', () => {
    // (1920 − 1600) / 2 = 160 and (1040 − 1000) / 2 = 20
    expect(placeWindow(saved, [primary])).toEqual({
      x: 160,
      y: 20,
      width: 1600,
      height: 1000,
      maximised: true,
    })
    expect(placeWindow(null, [primary])).toMatchObject({ x: 160, y: 20, maximised: false })
    // Title bar above the display: nobody could drag it.
    expect(placeWindow({ ...saved, x: 100, y: -50 }, [primary])).toMatchObject({ x: 160, y: 20 })
  })

  it('is never smaller than the least size, nor larger than the display when it can be', () => {
    expect(placeWindow({ ...saved, width: 300, height: 200 }, [second])).toMatchObject({
      width: 1280,
      height: 800,
    })
    expect(placeWindow(null, [{ x: 0, y: 0, width: 1366, height: 900 }])).toMatchObject({
      width: 1366,
      height: 900,
    })
    expect(placeWindow(null, [{ x: 0, y: 0, width: 1024, height: 768 }])).toMatchObject({
      x: 0,
      y: 0,
      width: 1280,
      height: 800,
    })
  })

  it('comes back from its file; a damaged one counts as none', async () => {
    const file = path.join(scratchFolder('bounds'), 'deep', 'bounds.json')
    expect(readBounds(file)).toBeNull()
    await writeBounds(file, saved)
    expect(readBounds(file)).toEqual(saved)
    for (const damaged of ['', '{', '[]', '{"x":"1"}', JSON.stringify({ ...saved, width: -1 })]) {
      mkdirSync(path.dirname(file), { recursive: true })
      writeFileSync(file, damaged)
      expect(readBounds(file), damaged).toBeNull()
    }
  })
})
