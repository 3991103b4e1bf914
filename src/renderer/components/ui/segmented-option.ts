import type { Component } from 'vue'

/** One of 2–5 exclusive choices. With `iconOnly` the label is the name and the tooltip. */
export interface SegmentedOption<Value extends string> {
  value: Value
  label: string
  icon?: Component
  iconOnly?: boolean
  keys?: string
  disabled?: boolean
}
