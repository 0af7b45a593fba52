// SPDX-License-Identifier: Apache-2.0
/** A small line of the last seconds; the newest at the right. */
import type { ReactNode } from 'react'

const WIDTH = 600
const HEIGHT = 120
const PAD = 6

export function Spark({ values, places, label }: { values: readonly number[]; places: number; label: string }): ReactNode {
  const top = Math.max(1, ...values) * 1.1
  const x = (i: number): number => ((places - values.length + i) / (places - 1)) * WIDTH
  const y = (value: number): number => HEIGHT - PAD - (value / top) * (HEIGHT - 2 * PAD)
  const line = values.map((value, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join('')
  return (
    <svg className="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {[0.25, 0.5, 0.75].map((part) => (
        <path key={part} className="spark-grid" d={`M0 ${HEIGHT * part}H${WIDTH}`} />
      ))}
      {values.length < 2 ? null : (
        <>
          <path className="spark-area" d={`${line}L${WIDTH} ${HEIGHT}L${x(0).toFixed(1)} ${HEIGHT}Z`} />
          <path className="spark-line" d={line} />
        </>
      )}
    </svg>
  )
}
