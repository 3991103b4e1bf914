import { defineStore } from 'pinia'
import { computed, onScopeDispose, shallowReactive, type Component } from 'vue'
import { keysOfEvent } from '../format/keys.ts'

/** Menus of the title bar, in their order. */
export const commandMenus = ['Project', 'Edit', 'View', 'Go', 'Help'] as const
export type CommandMenu = (typeof commandMenus)[number]

/**
 * Something a person can do. Every command is in a menu and in the palette; most have keys. Whoever offers a command registers
 * it for as long as it makes sense (`useCommandsWhileMounted`).
 */
export interface Command {
  /** `label.brush` */
  id: string
  /** Imperative, as in a menu: `Next labelled slice`. */
  title: string
  menu: CommandMenu
  /** Combinations as in `format/keys.ts`; the first is the one shown. */
  keys?: readonly string[]
  icon?: Component
  /** Other words by which it may be looked for. */
  words?: string
  /** Why it cannot be done now; `null` = it can. Asked each time the command is shown or called. */
  blocked?: () => string | null
  /** Whether it is on, for those that switch something. */
  checked?: () => boolean
  /** Does it; rejections are shown as an error. */
  run: () => void | Promise<void>
  /** Called when the key is let go, for those that last while it is held. */
  release?: () => void
  /** Whether a held key repeats it (stepping through slices). */
  repeats?: boolean
  /** Whether its keys work while the caret is in a text field (only for keys with Ctrl and function keys). */
  inText?: boolean
}

/** All commands that can be given now and the keys that give them. */
export const useCommandsStore = defineStore('commands', () => {
  const registered = shallowReactive(new Map<string, Command>())
  /** Commands whose key is down now. */
  const held = new Map<string, Command>()
  let onFailure: (command: Command, error: unknown) => void = (_command, error) => {
    throw error
  }

  const all = computed(() => [...registered.values()])

  /** Adds commands; a later one of the same id takes the place of the earlier. Returns what takes them away again. */
  function register(commands: readonly Command[]): () => void {
    for (const command of commands) registered.set(command.id, command)
    return () => {
      for (const command of commands)
        if (registered.get(command.id) === command) registered.delete(command.id)
    }
  }

  /** Where errors of commands go. */
  function reportFailuresTo(report: (command: Command, error: unknown) => void): void {
    onFailure = report
  }

  function find(id: string): Command | undefined {
    return registered.get(id)
  }

  /** Runs it unless it is blocked; whether it ran. */
  function run(command: Command | string): boolean {
    const found = typeof command === 'string' ? registered.get(command) : command
    if (found === undefined || (found.blocked?.() ?? null) !== null) return false
    void perform(found)
    return true
  }

  async function perform(command: Command): Promise<void> {
    try {
      await command.run()
    } catch (error) {
      onFailure(command, error)
    }
  }

  /** Gives the command that the key event asks for. Returns whether there was one; its default is then prevented. */
  function handleKeyDown(event: KeyboardEvent): boolean {
    if (event.defaultPrevented || event.isComposing) return false
    const keys = keysOfEvent(event)
    // The newest first: what a workspace offers comes before what the shell offers.
    const command = all.value.findLast((candidate) => candidate.keys?.includes(keys))
    if (command === undefined) return false
    if (isEditingText(event.target) && !command.inText) return false
    if (usesKeyItself(event.target, keys)) return false
    event.preventDefault()
    if (event.repeat && !command.repeats) return true
    if (run(command) && command.release !== undefined) held.set(event.code, command)
    return true
  }

  function handleKeyUp(event: KeyboardEvent): void {
    held.get(event.code)?.release?.()
    held.delete(event.code)
  }

  /** Lets go of everything that is held: the window lost the focus, key-up events will not come. */
  function releaseAll(): void {
    for (const command of held.values()) command.release?.()
    held.clear()
  }

  return { all, register, reportFailuresTo, find, run, handleKeyDown, handleKeyUp, releaseAll }
})

/** Offers the commands until the calling component (or scope) ends. */
export function useCommandsWhileMounted(commands: readonly Command[]): void {
  onScopeDispose(useCommandsStore().register(commands))
}

/** Whether keys typed into `target` become text. */
function isEditingText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable) return true
  if (target instanceof HTMLInputElement)
    return !['range', 'checkbox', 'radio', 'button', 'color'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

const controlsWithArrows = 'input[type=range], [role=radio], [role=slider], [role=tab], [role=separator]'
const openLists = '[role=menu], [role=listbox], [role=dialog], [role=alertdialog]'

/** Whether the focused control acts on that key by itself: arrows on a slider, Enter on a button, everything in a menu. */
function usesKeyItself(target: EventTarget | null, keys: string): boolean {
  if (!(target instanceof Element)) return false
  if (keys.startsWith('Ctrl+') || /^F\d+$/.test(keys)) return false
  if (target.closest(openLists) !== null) return true
  if (/^(Arrow|Home$|End$|Page)/.test(keys)) return target.closest(controlsWithArrows) !== null
  if (keys === 'Enter' || keys === ' ') return target.closest('button, a, [role=option], [role=row]') !== null
  return false
}
