/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { evaluateGlsl } from './glsl-functions.ts'
import { openView, type ViewHandle } from './view-handle.ts'

/** What the tests in Node call inside the browser. */
export interface ViewerPage {
  openView: typeof openView
  evaluateGlsl: typeof evaluateGlsl
  /** The view of the running test. */
  view: ViewHandle | null
}

declare global {
  interface Window {
    viewerPage: ViewerPage
  }
}

window.viewerPage = { openView, evaluateGlsl, view: null }
