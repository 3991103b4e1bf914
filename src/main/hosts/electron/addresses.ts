/** Addresses of the window and who may speak from them. Pure, so that the rules are tested without Electron. */

export const windowScheme = 'app'
export const windowOrigin = `${windowScheme}://phasemark`
export const windowAddress = `${windowOrigin}/index.html`

/** Whether `address` is a page of the window itself. */
export function isWindowAddress(address: string): boolean {
  // `URL.origin` of an own scheme is "null" in Node, so its parts are compared.
  const url = URL.canParse(address) ? new URL(address) : null
  return (
    url !== null &&
    url.protocol === `${windowScheme}:` &&
    url.host === 'phasemark' &&
    url.username === '' &&
    url.password === ''
  )
}

/** Who sent a message; Electron's `IpcMainEvent` has it. */
export interface MessageOrigin {
  /** The page's `WebContents`. */
  readonly sender: object
  /** `null` when the frame was torn down in the meantime: trusted as little as any other. */
  readonly senderFrame: { readonly url: string; readonly parent: object | null } | null
}

/** Whether a message comes from the top frame of `window` while it shows a page of ours. */
export function isFromWindow({ sender, senderFrame }: MessageOrigin, window: object): boolean {
  return (
    sender === window &&
    senderFrame !== null &&
    senderFrame.parent === null &&
    isWindowAddress(senderFrame.url)
  )
}

/**
 * Whether the window may load `address` as a page, script, picture or connection. The policy of the page says so too; this
 * holds even for what a policy does not cover.
 */
export function isLoadableAddress(address: string): boolean {
  return (
    isWindowAddress(address) ||
    address.startsWith('data:') ||
    address.startsWith(`blob:${windowOrigin}/`) ||
    // Developer tools are pages of the browser itself; no page can navigate there.
    address.startsWith('devtools://devtools/')
  )
}
