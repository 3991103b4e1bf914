import { formatInteger, unitSpace } from './numbers.ts'

/** How long something takes, in at most two units: `3 s`, `41 min`, `1 h 52 min`, `2 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–'
  if (seconds < 1) return `<${unitSpace}1${unitSpace}s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}${unitSpace}s`
  const minutes = Math.round(seconds / 60)
  if (whole < 600 && whole % 60 !== 0)
    return `${Math.floor(whole / 60)}${unitSpace}min ${whole % 60}${unitSpace}s`
  if (minutes < 60) return `${minutes}${unitSpace}min`
  if (minutes < 24 * 60) return pair(minutes, 60, 'h', 'min')
  return pair(Math.round(minutes / 60), 24, 'd', 'h')
}

function pair(value: number, base: number, large: string, small: string): string {
  const rest = value % base
  const head = `${formatInteger(Math.floor(value / base))}${unitSpace}${large}`
  return rest === 0 ? head : `${head} ${rest}${unitSpace}${small}`
}

/** Time that is over, in one unit: `now`, `2 s ago`, `3 min ago`, `5 h ago`. */
export function formatAgo(at: Date, now: Date): string {
  const seconds = Math.round((now.getTime() - at.getTime()) / 1000)
  if (seconds < 1) return 'now'
  if (seconds < 60) return `${seconds}${unitSpace}s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}${unitSpace}min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}${unitSpace}h ago`
  return formatDay(at, now)
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const

function clock(at: Date): string {
  return `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`
}

/** Whole calendar days between two moments, in local time. */
function daysBetween(at: Date, now: Date): number {
  const midnight = (date: Date): number => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate())
  return Math.round((midnight(now) - midnight(at)) / 86_400_000)
}

/** A day as short as it can be told: `today 11:30`, `yesterday`, `Fri`, `12 Nov`, `June 2025`. Local time. */
export function formatDay(at: Date, now: Date): string {
  const days = daysBetween(at, now)
  if (days === 0) return `today ${clock(at)}`
  if (days === 1) return `yesterday ${clock(at)}`
  const month = months[at.getMonth()] ?? ''
  if (days > 1 && days < 7) return weekdays[at.getDay()] ?? ''
  if (at.getFullYear() === now.getFullYear()) return `${at.getDate()}${unitSpace}${month.slice(0, 3)}`
  return `${month} ${at.getFullYear()}`
}

/** For a list of events of these days: the time when it was today, else the day. */
export function formatMoment(at: Date, now: Date): string {
  return daysBetween(at, now) === 0 ? clock(at) : formatDay(at, now)
}
