import type { ContractImplementation } from '../../../shared/contract/definition.ts'
import type { dataContract } from '../../../shared/contract/contract.ts'
import type { PathGuard } from './path-guard.ts'

type DataImplementation = ContractImplementation<typeof dataContract>

/**
 * Puts `guard` before every method of volumes and labels that takes a path; `files` and `projects` check theirs themselves.
 * Sources of a project are judged when the project is opened: one outside of the roots reads as missing.
 */
export function guardServices<Implementation extends Pick<DataImplementation, 'volumes' | 'labels'>>(
  implementation: Implementation,
  guard: PathGuard,
): Implementation {
  const { volumes, labels } = implementation
  return {
    ...implementation,
    volumes: {
      ...volumes,
      inspect: async (request, context) =>
        await volumes.inspect({ ...request, path: await guard.check(request.path) }, context),
      preview: async (request, context) =>
        await volumes.preview({ ...request, path: await guard.check(request.path) }, context),
    },
    labels: {
      ...labels,
      startImport: async (request, context) =>
        await labels.startImport({ ...request, path: await guard.check(request.path) }, context),
      startExport: async (request, context) =>
        await labels.startExport({ ...request, path: await guard.check(request.path) }, context),
    },
  }
}
