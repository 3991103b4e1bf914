import { mount } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { nextTick, type Component } from 'vue'
import Button from '../../../src/renderer/components/ui/Button.vue'
import NumberField from '../../../src/renderer/components/ui/NumberField.vue'
import Segmented from '../../../src/renderer/components/ui/Segmented.vue'
import SliderField from '../../../src/renderer/components/ui/SliderField.vue'
import { areaPath, linePath, peakCount } from '../../../src/renderer/components/ui/histogram-path.ts'

/** In the document, its model followed as its owner would. */
function show(component: Component, props: Record<string, unknown>, slots: Record<string, string> = {}) {
  const follow: { set: (value: unknown) => unknown } = { set: () => undefined }
  const wrapper = mount(component, {
    props: { 'onUpdate:modelValue': (value: unknown) => follow.set(value), ...props },
    slots,
    attachTo: document.body,
  })
  follow.set = (modelValue) => wrapper.setProps({ modelValue } as object)
  return wrapper
}
type Shown = ReturnType<typeof show>
const model = (wrapper: Shown): unknown => (wrapper.props() as { modelValue: unknown }).modelValue

describe('a number field', () => {
  const field = (): Shown =>
    show(NumberField, { label: 'Brush size', modelValue: 14, min: 1, max: 500, unit: 'px' })

  it('keeps what is wrong as it was typed, with a sentence, and the model as it was', async () => {
    const wrapper = field()
    await wrapper.find('input').setValue('900')
    expect(wrapper.find<HTMLInputElement>('input').element.value).toBe('900')
    expect(wrapper.find('[role=alert]').text()).toBe('Brush size must be at most 500 px')
    expect(wrapper.find('.field').classes()).toContain('bad')
    expect(wrapper.emitted('update:problem')).toEqual([['Brush size must be at most 500 px']])
    expect(wrapper.emitted('update:modelValue')).toBeUndefined()
    wrapper.unmount()
  })

  it('goes one step with the wheel, ten with Shift, only with the focus and never past its end', async () => {
    const wrapper = field()
    const wheel = ({ shiftKey = false, ...init }: WheelEventInit): void => {
      const event = new WheelEvent('wheel', { cancelable: true, ...init })
      // happy-dom's wheel events know no modifiers.
      Object.defineProperty(event, 'shiftKey', { value: shiftKey })
      wrapper.find('.field').element.dispatchEvent(event)
    }
    wheel({ deltaY: -1 })
    expect(model(wrapper)).toBe(14)
    await wrapper.find('input').trigger('focus')
    wheel({ deltaY: -1 })
    await nextTick()
    expect(model(wrapper)).toBe(15)
    wheel({ deltaX: 1, shiftKey: true })
    await nextTick()
    expect(model(wrapper)).toBe(5)
    wheel({ deltaY: 1, shiftKey: true })
    await nextTick()
    expect(model(wrapper)).toBe(5)
    wrapper.unmount()
  })

  it('follows the model, but not while the same number is being typed', async () => {
    const wrapper = field()
    await wrapper.find('input').setValue('2.')
    expect(model(wrapper)).toBe(2)
    expect(wrapper.find<HTMLInputElement>('input').element.value).toBe('2.')
    await wrapper.setProps({ modelValue: 40 })
    expect(wrapper.find<HTMLInputElement>('input').element.value).toBe('40')
    wrapper.unmount()
  })
})

describe('a button', () => {
  it('that is busy or cannot be used does nothing, and stays reachable', async () => {
    const click = vi.fn()
    const wrapper = show(Button, { reason: 'Open a volume first', onClick: click }, { default: 'Import' })
    const button = wrapper.find('button')
    expect(button.attributes('disabled')).toBeUndefined()
    expect(button.attributes('aria-disabled')).toBe('true')
    await button.trigger('click')
    await wrapper.setProps({ reason: null, busy: true })
    await wrapper.find('button').trigger('click')
    expect(click).not.toHaveBeenCalled()
    await wrapper.setProps({ busy: false })
    await wrapper.find('button').trigger('click')
    expect(click).toHaveBeenCalledOnce()
    wrapper.unmount()
  })
})

describe('exclusive choices', () => {
  it('are radio buttons of one group', async () => {
    const wrapper = show(Segmented, {
      label: 'Role',
      modelValue: 'seen',
      options: [
        { value: 'seen', label: 'Train and test' },
        { value: 'unseen', label: 'Unseen' },
      ],
    })
    expect(wrapper.find('[role=radiogroup]').attributes('aria-label')).toBe('Role')
    const [first, second] = wrapper.findAll('[role=radio]')
    expect(first.attributes('aria-checked')).toBe('true')
    await second.trigger('click')
    expect(wrapper.emitted('update:modelValue')).toEqual([['unseen']])
    wrapper.unmount()
  })
})

describe('a slider with its number', () => {
  it('takes exact values from the number and steps from the wheel', async () => {
    const wrapper = show(SliderField, { label: 'Opacity', modelValue: 62, min: 0, max: 100, unit: '%' })
    await wrapper.find('input[type=text]').setValue('55')
    expect(wrapper.emitted('update:modelValue')).toEqual([[55]])
    await wrapper.find('input[type=range]').trigger('wheel', { deltaY: -1, shiftKey: true })
    expect(wrapper.emitted('update:modelValue')?.at(-1)).toEqual([65])
    wrapper.unmount()
  })
})

describe('a histogram', () => {
  const box = { width: 400, height: 100, peak: 100, from: 0, to: 1 }

  it('draws the middle of each bin on a square-root scale', () => {
    // Four bins of 100: middles at 50, 150, 250, 350; √(25/100) = 0.5, √(4/100) = 0.2.
    expect(linePath([100, 25, 4, 0], box)).toBe('M50.0,0.0L150.0,50.0L250.0,80.0L350.0,100.0')
    expect(areaPath([100, 25, 4, 0], box)).toBe(
      'M0.0,100L50.0,0.0L150.0,50.0L250.0,80.0L350.0,100.0L400.0,100Z',
    )
  })

  it('can take a part of the width and draws nothing without counts', () => {
    expect(linePath([100, 100], { ...box, from: 0.5, to: 1 })).toBe('M250.0,0.0L350.0,0.0')
    expect(areaPath([0, 0], { ...box, peak: 0 })).toBe('')
  })

  it('does not let clipped values at the ends set the scale', () => {
    expect(peakCount([9000, 10, 40, 8000])).toBe(40)
    expect(peakCount([5, 0, 0, 7])).toBe(7)
  })
})
