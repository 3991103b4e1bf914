/** For the type check of the tests, which does not read single-file components; vue-tsc checks them in the window's own project. */
declare module '*.vue' {
  import type { DefineComponent } from 'vue'

  const component: DefineComponent
  export default component
}
