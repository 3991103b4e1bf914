import { flushPromises, mount, type VueWrapper } from '@vue/test-utils'
import { createPinia, setActivePinia, type Pinia } from 'pinia'
import type { Component } from 'vue'
import { createMemoryHistory, createRouter, type Router } from 'vue-router'
import { provideApi } from '../../../src/renderer/stores/api.ts'
import { useConnectionStore } from '../../../src/renderer/stores/connection.ts'
import { createFakeApi, type FakeApi } from './fake-api.ts'
import { createFakeServices, type World } from './fake-services.ts'

/** Stores over fake services, as in the running window; the connection has not been started. */
export interface Stage {
  fake: FakeApi
  world: World
  pinia: Pinia
  router: Router
}

export function createStage(change: Partial<World> = {}): Stage {
  const world: World = { project: null, settings: {}, sources: new Map(), ...change }
  const holder: { fake: FakeApi | null } = { fake: null }
  const services = createFakeServices(world, (project) =>
    holder.fake?.emit('data', 'projects', 'changed', project),
  )
  const fake = createFakeApi(services)
  holder.fake = fake
  const pinia = createPinia()
  setActivePinia(pinia)
  provideApi(pinia, fake.api)
  const nothing = { template: '<div />' }
  const router = createRouter({
    history: createMemoryHistory(),
    routes: ['/', '/data', '/label'].map((path) => ({ path, component: nothing })),
  })
  return { fake, world, pinia, router }
}

/** Mounts a component of the window on the stage, in the document, with everything that was asked answered. */
export async function mountOn(
  stage: Stage,
  component: Component,
  props: Record<string, unknown> = {},
): Promise<VueWrapper> {
  useConnectionStore().start()
  const wrapper = mount(component, {
    props,
    global: { plugins: [stage.pinia, stage.router] },
    attachTo: document.body,
  })
  await flushPromises()
  return wrapper
}

/** Lets everything that was asked be answered, time-outs of up to `ms` included. */
export async function settle(ms = 0): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  await flushPromises()
}
