// First: it decides how every schema is made.
import './api/zod-without-eval.ts'
import './styles/index.css'
import { createApi } from './api/api.ts'
import { electronBridge, isElectronWindow } from './api/electron-bridge.ts'
import { webBridge } from './api/web-bridge.ts'
import { createWindowRouter } from './router.ts'
import { createWindowApp } from './start-app.ts'

const bridge = isElectronWindow(window) ? electronBridge(window) : webBridge(window.location)
createWindowApp(createApi(bridge), createWindowRouter()).mount('#app')
