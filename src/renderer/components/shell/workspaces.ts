import { Box, Brush, ChartSpline, Images, Sigma, SquareSplitHorizontal } from '@lucide/vue'
import type { Component } from 'vue'

/** The six workspaces in the order of the work. `later` says what will be there; those cannot be entered yet. */
export interface Workspace {
  name: string
  title: string
  icon: Component
  path: string | null
  later: string | null
}

export const workspaces: readonly Workspace[] = [
  { name: 'data', title: 'Data', icon: Images, path: '/data', later: null },
  { name: 'label', title: 'Label', icon: Brush, path: '/label', later: null },
  {
    name: 'train',
    title: 'Train',
    icon: ChartSpline,
    path: null,
    later: 'Training in the window comes in a later version. The command line trains now: phasemark train',
  },
  {
    name: 'compare',
    title: 'Compare',
    icon: SquareSplitHorizontal,
    path: null,
    later:
      'Comparing in the window comes in a later version. The command line compares now: phasemark compare',
  },
  { name: '3d', title: '3D', icon: Box, path: null, later: 'The 3D view comes in a later version.' },
  {
    name: 'quantify',
    title: 'Quantify',
    icon: Sigma,
    path: null,
    later: 'Quantification comes in a later version.',
  },
]
