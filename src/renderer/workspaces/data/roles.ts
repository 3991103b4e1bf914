import type { VolumeEntry } from '../../../shared/contract/projects.ts'

export type VolumeRole = VolumeEntry['role']

/** How the role of a volume is printed. */
export const roleNames: Record<VolumeRole, string> = { seen: 'Seen', unseen: 'Unseen', none: '–' }

/** What a role means when it is chosen. */
export const roleOptions: readonly { value: VolumeRole; label: string }[] = [
  { value: 'seen', label: 'Train and test' },
  { value: 'unseen', label: 'Unseen, test only' },
  { value: 'none', label: 'None yet' },
]
