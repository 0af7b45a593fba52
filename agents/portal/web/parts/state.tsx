// SPDX-License-Identifier: Apache-2.0
/** The state of a task: a shape of its own beside the colour, so that nobody needs the colour. */
import type { ReactNode } from 'react'
import { type Tone, viewOf } from '../data/states.ts'

const shapes: Readonly<Record<Tone, ReactNode>> = {
  wait: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="1.6 2" />,
  assigned: <circle cx="6" cy="6" r="4.25" fill="none" stroke="currentColor" strokeWidth="2" />,
  proving: (
    <>
      <path d="M6 .8L11.2 6 6 11.2.8 6z" fill="none" stroke="currentColor" strokeWidth="1.4" />
      <path d="M6 .8v10.4L.8 6z" fill="currentColor" />
    </>
  ),
  settled: (
    <>
      <rect x=".5" y=".5" width="11" height="11" rx="2.5" fill="currentColor" />
      <path d="M3.2 6.2l2 2 3.6-4.2" fill="none" stroke="var(--surface)" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" />
    </>
  ),
  refused: <path d="M2 2l8 8M10 2l-8 8" fill="none" stroke="currentColor" strokeWidth="2.4" strokeLinecap="round" />,
}

export const Glyph = ({ tone }: { tone: Tone }): ReactNode => (
  <svg className="glyph" data-tone={tone} viewBox="0 0 12 12" aria-hidden="true">
    {shapes[tone]}
  </svg>
)

export function State({ state, pill = false }: { state: string; pill?: boolean }): ReactNode {
  const { word, tone, says } = viewOf(state)
  return (
    <span className={pill ? 'state pill' : 'state'} data-tone={tone} title={says}>
      <Glyph tone={tone} />
      {word}
    </span>
  )
}

/** Received, assigned, proving, proven, settled as five steps. */
export function Track({ state }: { state: string }): ReactNode {
  const { step, tone, word } = viewOf(state)
  return (
    <span className="track" data-tone={tone} role="img" aria-label={`${word}: step ${step} of 5`}>
      {[1, 2, 3, 4, 5].map((place) => (
        <i key={place} data-done={place <= step || undefined} />
      ))}
    </span>
  )
}
