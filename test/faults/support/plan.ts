// SPDX-License-Identifier: Apache-2.0
/**
 * What happens in a seed. A plan depends on its seed alone. Faults are dealt like cards: over any ten seeds in a row from 1, 11, 21, … every kind and every
 * aimed state comes at least once, in an order and at instants that the seed draws.
 */

/** Faults at random instants, with who they strike. */
export const KINDS = [
  'kill gateway',
  'kill coordinator',
  'kill prover',
  'kill device',
  'stop gateway',
  'stop coordinator',
  'stop prover',
  'stop device',
  'chain dead',
  'chain slow',
  'chain reorganised',
  'broker cut',
  'mqtt duplicated',
  'mqtt reordered',
  'disk full gateway',
  'disk full prover',
  'disk full device',
  'database down',
  'clock skewed coordinator',
  'clock skewed gateway',
  'prover sends garbage',
  'prover sends a proof twice',
  'prover sends another’s proof',
  'coordinator assigns twice',
] as const
export type Kind = (typeof KINDS)[number]

/** States of a window in which a process is struck: `stored` is at the gateway and not yet on its way to the chain. */
export const STATES = ['stored', 'received', 'assigned', 'proving', 'proven', 'submitted', 'mined-unseen'] as const
export type State = (typeof STATES)[number]

export interface Strike {
  kind: Kind
  /** Milliseconds after the one before it. */
  afterMs: number
  /** How long it lasts, where it lasts. */
  lastsMs: number
  /** For what the kind leaves open: which prover, how far, which way. */
  choice: number
}

export interface Aim {
  state: State
  who: 'coordinator' | 'prover'
  how: 'kill' | 'stop'
  lastsMs: number
}

export interface Plan {
  seed: number
  /** Null: nothing is aimed at. */
  aim: Aim | null
  strikes: Strike[]
}

/** mulberry32: a small generator with a full period of 2^32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const deck = [...items]
  for (let i = deck.length - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1))
    ;[deck[i], deck[j]] = [deck[j]!, deck[i]!]
  }
  return deck
}

const ROUND = 10

/** The plan of a seed, 1 or more. `kinds` are those that this machine can make. */
export function planOf(seed: number, kinds: readonly Kind[] = KINDS): Plan {
  const round = Math.floor((seed - 1) / ROUND)
  const place = (seed - 1) % ROUND
  const dealer = randomOf(round * 7_919 + 1)
  const [deck, states] = [shuffled(kinds, dealer), shuffled(STATES, dealer)]
  const random = randomOf(seed * 104_729)
  const strikes = deck
    .filter((_, i) => i % ROUND === place)
    .map((kind) => ({
      kind,
      afterMs: Math.round(200 + 900 * random()),
      lastsMs: Math.round(700 + 1_300 * random()),
      choice: Math.floor(random() * 1_000),
    }))
  const state = place < states.length ? states[place]! : STATES[Math.floor(random() * STATES.length)]!
  const who =
    state === 'stored' || state === 'mined-unseen' || state === 'proven' || state === 'submitted' || random() < 0.5
      ? 'coordinator'
      : 'prover'
  const how = state === 'mined-unseen' || random() < 0.7 ? 'kill' : 'stop'
  return { seed, aim: { state, who, how, lastsMs: Math.round(500 + 1_000 * random()) }, strikes }
}

export const describePlan = ({ seed, aim, strikes }: Plan): string =>
  [
    `seed ${seed}${aim === null ? '' : `: ${aim.how} ${aim.who} when a window is ${aim.state}`}`,
    ...strikes.map(({ kind, afterMs }) => `+${afterMs} ms ${kind}`),
  ].join('; ')
