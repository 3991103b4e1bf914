import { createRouter, createWebHashHistory, type Router } from 'vue-router'

/** The place in the window is in the address after `#`, so that a page that is loaded again shows the same workspace. */
export function createWindowRouter(history = createWebHashHistory()): Router {
  return createRouter({
    history,
    routes: [
      { path: '/', component: () => import('./workspaces/start/StartPage.vue') },
      { path: '/data', component: () => import('./workspaces/data/DataWorkspace.vue') },
      { path: '/label', component: () => import('./workspaces/label/LabelWorkspace.vue') },
      { path: '/:rest(.*)*', redirect: '/' },
    ],
  })
}
