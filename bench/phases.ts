/** What is measured: one row a measurement, and how long it takes. The order is the order of the report. */
import type { StreamShape } from './traffic.ts'

/** What one measurement says. `count` of CPU per event = events, else exchanges. */
export type Figure = 'cpu_per_request' | 'requests_per_second' | 'cpu_per_event'

export interface Phase {
  readonly id: string
  readonly title: string
  readonly figure: Figure
  readonly unit: string
  readonly connections: number
  readonly stream?: StreamShape
  /** Runs a round, each a third as long; absent = 1. Neighbours in time are compared: what a bar hangs on gets more of them. */
  readonly repeats?: number
}

export const BURST: StreamShape = { events: 100, gapMs: 0 }
export const PACED: StreamShape = { events: 100, gapMs: 5 }

const rate = (connections: number): Phase => ({
  id: `rate_${connections}`,
  title: `whole requests per second, ${connections} ${connections === 1 ? 'connection' : 'connections'}`,
  figure: 'requests_per_second',
  unit: 'req/s',
  connections,
})

/** What the bars judge by. */
const JUDGED = 5

const burst = (connections: number): Phase => ({
  id: `burst_${connections}`,
  title: `CPU per streamed event, bursts of ${BURST.events}, ${connections} connections`,
  figure: 'cpu_per_event',
  unit: 'µs',
  connections,
  stream: BURST,
  ...(connections === 32 && { repeats: JUDGED }),
})

export const PHASES: readonly Phase[] = [
  {
    id: 'cpu_32',
    title: 'CPU per whole request, 32 connections',
    figure: 'cpu_per_request',
    unit: 'µs',
    connections: 32,
    repeats: JUDGED,
  },
  rate(1),
  rate(16),
  rate(64),
  rate(256),
  burst(16),
  burst(32),
  {
    id: 'paced_32',
    title: `CPU per streamed event, 32 streams, one event every ${PACED.gapMs} ms`,
    figure: 'cpu_per_event',
    unit: 'µs',
    connections: 32,
    stream: PACED,
  },
]

/** How much of everything. Bounded in time and count. */
export interface Size {
  readonly rounds: number
  /** Exchanges before the first round, the same for every target: V8 tiers up by count, not by time. */
  readonly warmWhole: number
  readonly warmStreams: number
  /** A run lasts this long and has at least so many exchanges a connection. */
  readonly seconds: number
  readonly perConnection: number
  /** Fixed-rate runs, seconds a round. */
  readonly openSeconds: number
  readonly openStreams: number
  /** The whole program gives up after this. */
  readonly limitSeconds: number
}

export const DEFAULT: Size = {
  rounds: 5,
  warmWhole: 20_000,
  warmStreams: 1_500,
  seconds: 1,
  perConnection: 2,
  openSeconds: 4,
  openStreams: 1_000,
  limitSeconds: 1_500,
}

export const QUICK: Size = {
  rounds: 3,
  warmWhole: 4_000,
  warmStreams: 300,
  seconds: 0.25,
  perConnection: 1,
  openSeconds: 1.5,
  openStreams: 1_000,
  limitSeconds: 400,
}
