// Module hooks with which plain Node runs the benchmarks: TypeScript below tests/ is transpiled as it is loaded (types are
// checked by `tsc -p tests`), and imports of src/ get the compiled twin in dist/, the code that users run.
import { readFile } from 'node:fs/promises'
import { fileURLToPath, URL } from 'node:url'
import typescript from 'typescript'

const tests = new URL('../', import.meta.url).href
const source = new URL('../../src/', import.meta.url).href
const compiled = new URL('../../dist/', import.meta.url).href

export async function resolve(specifier, context, nextResolve) {
  if (specifier.startsWith('.') && specifier.endsWith('.ts') && context.parentURL?.startsWith(tests)) {
    const { href } = new URL(specifier, context.parentURL)
    if (href.startsWith(source)) {
      return nextResolve(compiled + href.slice(source.length).replace(/\.ts$/, '.js'), context)
    }
  }
  return nextResolve(specifier, context)
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith(tests) || !url.endsWith('.ts')) return nextLoad(url, context)
  const file = fileURLToPath(url)
  const { outputText } = typescript.transpileModule(await readFile(file, 'utf8'), {
    fileName: file,
    compilerOptions: {
      target: typescript.ScriptTarget.ES2022,
      module: typescript.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  })
  return { format: 'module', source: outputText, shortCircuit: true }
}
