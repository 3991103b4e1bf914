import { getActivePinia, type Pinia } from 'pinia'
import type { Api } from '../api/api.ts'

const apis = new WeakMap<Pinia, Api>()

/** Gives the stores (and components) of this application their connection to the processes. */
export function provideApi(pinia: Pinia, api: Api): void {
  apis.set(pinia, api)
}

/** The connection of the running application, for stores, set-ups of components and what they call. */
export function useApi(): Api {
  const pinia = getActivePinia()
  const api = pinia === undefined ? undefined : apis.get(pinia)
  if (api === undefined) throw new Error('useApi() was called before provideApi()')
  return api
}
