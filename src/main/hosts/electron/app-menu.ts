import { app, Menu } from 'electron'
import type { MenuItemConstructorOptions } from 'electron'

/**
 * The window draws its own menu; this one is there for the keys of the system: editing in text fields, text size and, in
 * development, reloading. Undo and redo are left out: they belong to the labels, and text fields have theirs from the page.
 */
export function installAppMenu(): void {
  const mac: MenuItemConstructorOptions[] =
    process.platform === 'darwin'
      ? [{ role: 'appMenu' }]
      : [{ label: 'File', submenu: [{ role: 'quit', label: 'Quit' }] }]
  const development: MenuItemConstructorOptions[] = app.isPackaged
    ? []
    : [{ type: 'separator' }, { role: 'reload' }, { role: 'toggleDevTools' }]
  Menu.setApplicationMenu(
    Menu.buildFromTemplate([
      ...mac,
      {
        label: 'Edit',
        submenu: [{ role: 'cut' }, { role: 'copy' }, { role: 'paste' }, { role: 'selectAll' }],
      },
      {
        label: 'View',
        submenu: [
          { role: 'zoomIn', label: 'Larger text' },
          { role: 'zoomOut', label: 'Smaller text' },
          { role: 'resetZoom', label: 'Usual text size' },
          { type: 'separator' },
          { role: 'togglefullscreen', label: 'Full screen' },
          ...development,
        ],
      },
    ]),
  )
}
