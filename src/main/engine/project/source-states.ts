import type { ProjectVolume, VolumeEntry } from '../../../shared/contract/projects.ts'
import { hasTag, isPhasemarkError } from '../../../shared/errors.ts'
import type { PathGuard } from '../settings/path-guard.ts'
import type { ProjectSession } from './project-session.ts'
import { describeChange } from './project-volumes.ts'
import type { ProjectServiceOptions } from './projects-engine.ts'

type SourceState = VolumeEntry['source']

const fine: SourceState = { state: 'ok', message: null }

/**
 * What is known of the sources of the open project. Whether they are there is asked at once; whether they are what they were
 * takes reading the headers of every slice and is found out in the background.
 */
export class SourceStates {
  private readonly states = new Map<string, SourceState>()
  private readonly inspect: ProjectServiceOptions['inspect']
  private readonly guard: PathGuard

  constructor({ inspect, guard }: Pick<ProjectServiceOptions, 'inspect' | 'guard'>) {
    this.inspect = inspect
    this.guard = guard
  }

  of(volumeId: string): SourceState {
    return this.states.get(volumeId) ?? fine
  }

  /** The source was looked at just now and is what the project says. */
  settle(volumeId: string): void {
    this.states.delete(volumeId)
  }

  /** Quick: is everything there, and may it be reached? */
  async locate(session: ProjectSession): Promise<void> {
    for (const volume of session.volumes) await this.locateOne(session, volume)
  }

  /** One that is not there is judged too: it may appear later. */
  private async locateOne(session: ProjectSession, volume: ProjectVolume): Promise<void> {
    if (await this.guard.allows(volume.path)) {
      session.permit(volume.id)
      if (!session.isSourceFound(volume.id)) this.states.set(volume.id, missing(volume))
      return
    }
    const message = `${volume.path} lies outside of the folders that were opened for this window.`
    this.states.set(volume.id, { state: 'missing', message })
    session.forbid(volume.id, message)
  }

  /** Looks at one source anew: whether it is there, and whether it is what it was. */
  async lookAgain(session: ProjectSession, volumeId: string, signal: AbortSignal): Promise<void> {
    // Another place may be found: nobody gets it before it is known to be one that the window may reach.
    session.forbid(volumeId, 'The source of this volume is being looked for.')
    await session.locateAgain(volumeId)
    this.settle(volumeId)
    const volume = session.volumes.find(({ id }) => id === volumeId)
    if (volume === undefined) return
    await this.locateOne(session, volume)
    if (this.of(volumeId).state !== 'ok') return
    const found = await this.look(volume, signal)
    if (!signal.aborted && found !== fine) this.states.set(volumeId, found)
  }

  /** Reads the headers of all sources, one after the other. Returns whether anything was found to be otherwise. */
  async verify(session: ProjectSession, signal: AbortSignal): Promise<boolean> {
    let differs = false
    for (const volume of session.volumes) {
      if (this.of(volume.id).state !== 'ok') continue
      const found = await this.look(volume, signal)
      if (signal.aborted) return false
      if (found === fine) continue
      this.states.set(volume.id, found)
      differs = true
    }
    return differs
  }

  private async look(volume: ProjectVolume, signal: AbortSignal): Promise<SourceState> {
    try {
      const now = await this.inspect(volume.path, volume.raw, { signal })
      const change = describeChange(volume.summary, now)
      return change === null ? fine : { state: 'changed', message: change }
    } catch (error) {
      if (hasTag(error, 'Cancelled')) return fine
      if (hasTag(error, 'NotFound')) return missing(volume)
      if (!isPhasemarkError(error)) throw error
      return { state: 'changed', message: `The source cannot be read: ${error.message}` }
    }
  }
}

function missing(volume: ProjectVolume): SourceState {
  return {
    state: 'missing',
    message: `${volume.path} is not there. Connect its drive, or say where it is now; its labels are safe in the project.`,
  }
}
