import { createInterface } from 'node:readline'
import { Command, InvalidArgumentError } from 'commander'
import { serveWindow } from '../../web/serve.ts'
import { printJson } from '../progress-display.ts'

interface ServeFlags {
  root: string[]
  port: number
  json?: true
}

/** `phasemark serve`: the window in a browser, on this machine or through a tunnel. */
export function serveCommand(): Command {
  return new Command('serve')
    .description('open the window in a browser: for a server with a graphics card, reached through a tunnel')
    .argument('[path...]', 'folder, file or project to open in the first window')
    .requiredOption(
      '--root <folder...>',
      'folders that the window may reach, for scans and projects; nothing else of this machine is visible to it',
    )
    .option('--port <number>', 'port on 127.0.0.1; 0 lets the system choose', parsePort, 8737)
    .option('--json', 'print the address as a JSON line')
    .action(serve)
}

async function serve(paths: string[], flags: ServeFlags): Promise<void> {
  const served = await serveWindow({
    roots: flags.root,
    port: flags.port,
    open: paths,
    log: (text) => process.stderr.write(text),
  })
  const announce = (): void => {
    if (flags.json) printJson({ type: 'listening', port: served.port, link: served.link() })
    else console.log(`Open  ${served.link()}`)
  }
  announce()
  if (!flags.json) {
    console.log(
      [
        'The link works once. Press Enter for another one, Ctrl-C to stop.',
        `From another computer:  ssh -L ${served.port}:127.0.0.1:${served.port} <this machine>`,
      ].join('\n'),
    )
  }
  const lines = createInterface({ input: process.stdin }).on('line', announce)
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  lines.close()
  await served.close()
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65535) throw new InvalidArgumentError('expected a number from 0 to 65535')
  return port
}
