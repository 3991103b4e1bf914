// Lets a child process or worker thread of the tests load TypeScript; code of src/ comes from dist/, as users run it.
import { register } from 'node:module'

register('../../bench/typescript-hooks.mjs', import.meta.url)
