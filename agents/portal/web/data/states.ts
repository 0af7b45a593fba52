// SPDX-License-Identifier: Apache-2.0
/** The states of a task as the page shows them: a word, a tone, and their order. */
export type Tone = 'wait' | 'assigned' | 'proving' | 'settled' | 'refused'

export interface StateView {
  word: string
  tone: Tone
  /** Steps done of received, assigned, proving, proven, settled. */
  step: number
  says: string
}

const views: Readonly<Record<string, StateView>> = {
  received: { word: 'Received', tone: 'wait', step: 1, says: 'The coordinator has the window and waits to assign it.' },
  assigned: { word: 'Assigned', tone: 'assigned', step: 2, says: 'A prover is named on chain and the pay is held in escrow.' },
  leased: { word: 'Proving', tone: 'proving', step: 3, says: 'A prover works on it.' },
  proven: { word: 'Proven', tone: 'proving', step: 4, says: 'The proof is there and waits for its transaction.' },
  submitted: { word: 'Submitted', tone: 'proving', step: 4, says: 'The transaction with the proof is on its way.' },
  settled: { word: 'Settled', tone: 'settled', step: 5, says: 'Verified on chain and paid.' },
  dead: { word: 'Refused', tone: 'refused', step: 0, says: 'Put aside: it cannot be settled as it is.' },
  recalled: { word: 'Recalled', tone: 'refused', step: 1, says: 'The prover was too late; the task is assigned again.' },
}

export const viewOf = (state: string): StateView => views[state] ?? { word: state, tone: 'wait', step: 0, says: '' }

export const taskStates = ['received', 'assigned', 'leased', 'proven', 'submitted', 'settled', 'dead'] as const
