// SPDX-License-Identifier: Apache-2.0
/** Readings over time: the line, a band for each window in the colour of its task, the threshold, and alarms as triangles. Drawn by uPlot. */
import { type ReactNode, useEffect, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { HistoryPoint } from '../../api.ts'
import type { Tone } from '../data/states.ts'

const HEIGHT = 300

export interface Band {
  from: number
  to: number
  tone: Tone
  label: string
}

interface ChartProps {
  points: readonly HistoryPoint[]
  bands: readonly Band[]
  threshold: number | null
  unit: string
  label: string
}

/** Hours and minutes in UTC; the day where it changes. */
function clock(time: number, before: number | undefined): string {
  const text = new Date(time * 1000).toISOString()
  const hour = text.slice(11, 16)
  return before !== undefined && new Date(before * 1000).toISOString().slice(0, 10) === text.slice(0, 10)
    ? hour
    : `${hour}\n${text.slice(0, 10)}`
}

interface Drawn {
  bands: readonly Band[]
  threshold: number | null
}

/** A colour of the theme of this moment, as the canvas wants it. */
function colours(host: HTMLElement): (name: string) => string {
  const probe = host.ownerDocument.createElement('i')
  host.append(probe)
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`
    return getComputedStyle(probe).color
  }
  return (name) => read(name)
}

const tones: Readonly<Record<Tone, [string, string]>> = {
  wait: ['sunken', 'ink-3'],
  assigned: ['sky-soft', 'sky'],
  proving: ['amber-soft', 'amber'],
  settled: ['leaf-soft', 'leaf'],
  refused: ['rust-soft', 'rust'],
}

function options(host: HTMLElement, drawn: { current: Drawn }, unit: string): uPlot.Options {
  const colour = colours(host)
  const [ink, line, leaf, amber, rust] = [colour('ink-3'), colour('line'), colour('leaf'), colour('amber'), colour('rust')]
  const toneColours = Object.fromEntries(Object.entries(tones).map(([tone, [soft, strong]]) => [tone, [colour(soft), colour(strong)]]))
  const font = `12px ${getComputedStyle(host).fontFamily}`
  const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false } }
  const bands = (u: uPlot): void => {
    const { ctx, bbox } = u
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    for (const { from, to, tone, label } of drawn.current.bands) {
      const [soft, strong] = toneColours[tone] as [string, string]
      const x0 = u.valToPos(from, 'x', true)
      const x1 = u.valToPos(to, 'x', true)
      ctx.fillStyle = soft
      ctx.fillRect(x0 + 1, bbox.top, Math.max(2, x1 - x0 - 2), bbox.height)
      ctx.fillStyle = strong
      ctx.fillRect(x0 + 1, bbox.top, Math.max(2, x1 - x0 - 2), 3 * devicePixelRatio)
      if (x1 - x0 < 48 * devicePixelRatio) continue
      ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(host).fontFamily}`
      ctx.textAlign = 'left'
      ctx.textBaseline = 'top'
      ctx.fillText(label, x0 + 7 * devicePixelRatio, bbox.top + 9 * devicePixelRatio)
    }
    ctx.restore()
  }
  const alarms = (u: uPlot): void => {
    const { threshold } = drawn.current
    if (threshold === null) return
    const { ctx, bbox } = u
    const y = u.valToPos(threshold, 'y', true)
    ctx.save()
    ctx.beginPath()
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height)
    ctx.clip()
    ctx.strokeStyle = amber
    ctx.lineWidth = 1.5 * devicePixelRatio
    ctx.setLineDash([6 * devicePixelRatio, 5 * devicePixelRatio])
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
    ctx.fillStyle = rust
    const size = 5 * devicePixelRatio
    const [times, , maxima] = u.data
    let last = -Infinity
    for (const [i, time] of times.entries()) {
      const value = maxima![i]
      if (value === null || value === undefined || value <= threshold) continue
      const x = u.valToPos(time, 'x', true)
      if (x - last < size * 1.6) continue
      last = x
      const top = u.valToPos(value, 'y', true) - size * 2.6
      ctx.beginPath()
      ctx.moveTo(x, top)
      ctx.lineTo(x + size, top + size * 1.7)
      ctx.lineTo(x - size, top + size * 1.7)
      ctx.fill()
    }
    ctx.restore()
  }
  return {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 8, fill: leaf } },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), 'UTC'),
    scales: { x: { time: true }, y: { range: (_, low, high) => rangeOf(low, high, drawn.current.threshold) } },
    axes: [
      { ...axis, grid: { show: false }, space: 80, values: (_, splits) => splits.map((time, i) => clock(time, splits[i - 1])) },
      { ...axis, size: 52, values: (_, splits) => splits.map((value) => `${value}${unit}`) },
    ],
    series: [
      {},
      { stroke: leaf, width: 1.75, points: { show: false } },
      { stroke: leaf, width: 0, points: { show: false } },
      { stroke: leaf, width: 0, points: { show: false } },
    ],
    bands: [{ series: [2, 3], fill: `color-mix(in srgb, ${leaf} 22%, transparent)` }],
    hooks: { drawClear: [bands], draw: [alarms] },
  }
}

function rangeOf(low: number, high: number, threshold: number | null): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1]
  // The threshold is shown where it is near; a far one must not flatten the line.
  const span = Math.max(high - low, 1)
  const top = threshold !== null && threshold > high && threshold - high < span * 2 ? threshold : high
  const pad = (top - low || 1) * 0.14
  return [low - pad, top + pad]
}

export function Chart({ points, bands, threshold, unit, label }: ChartProps): ReactNode {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const drawn = useRef<Drawn>({ bands, threshold })
  const data = useRef<uPlot.AlignedData>([[], [], [], []])
  data.current = [
    points.map(({ time }) => time),
    points.map(({ mean }) => mean),
    points.map(({ max }) => max),
    points.map(({ min }) => min),
  ]
  drawn.current = { bands, threshold }

  useEffect(() => {
    const element = host.current!
    const make = (): void => {
      plot.current?.destroy()
      element.replaceChildren()
      plot.current = new uPlot(options(element, drawn, unit), data.current, element)
    }
    make()
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }))
    resized.observe(element)
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', make)
    window.addEventListener('trellis:theme', make)
    return () => {
      resized.disconnect()
      system.removeEventListener('change', make)
      window.removeEventListener('trellis:theme', make)
      plot.current?.destroy()
      plot.current = null
    }
  }, [unit])

  useEffect(() => plot.current?.setData(data.current), [points, bands, threshold])

  return <div className="chart" ref={host} role="img" aria-label={label} />
}
