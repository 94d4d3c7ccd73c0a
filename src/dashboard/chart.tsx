/** A stacked column chart as SVG, drawn on the server, with its figures as a table for those who do not see it. */
import { readableUsd } from '../wire/readable.ts'

/** One column per slot; `values` in nano-USD, parallel to the chart's slots. */
export interface Series {
  readonly name: string
  readonly values: readonly number[]
}

export interface ChartProps {
  readonly title: string
  /** Labels of the columns, first to last. */
  readonly slots: readonly string[]
  /** Largest first; at most five and a rest. The last one is grey if it is called `Other`. */
  readonly series: readonly Series[]
}

/** The next of 1, 2, 5 × 10ⁿ at or above a quarter of `most`. */
function stepFor(most: number): number {
  const quarter = Math.max(1, most / 4)
  const power = 10 ** Math.floor(Math.log10(quarter))
  const factor = [1, 2, 5, 10].find(candidate => candidate * power >= quarter) ?? 10
  return factor * power
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const toneOf = (series: Series, index: number): string => (series.name === 'Other' ? 's0' : `s${index + 1}`)

function Columns({
  slots,
  series,
  top,
}: {
  slots: readonly string[]
  series: readonly Series[]
  top: number
}) {
  const width = 100 / slots.length
  const gap = Math.min(width * 0.3, 5)
  return (
    <>
      {slots.map((slot, at) => {
        const total = sum(series.map(entry => entry.values[at] ?? 0))
        let y = 100
        const parts = series.map((entry, index) => {
          const height = ((entry.values[at] ?? 0) / top) * 100
          y -= height
          return { tone: toneOf(entry, index), height, y }
        })
        const lines = series
          .filter(entry => (entry.values[at] ?? 0) > 0)
          .map(entry => `${entry.name}: ${readableUsd(entry.values[at] ?? 0)}`)
        return (
          <g class="column">
            <title>{[`${slot} · ${readableUsd(total)}`, ...lines].join('\n')}</title>
            <rect class="hit" x={(at * width).toFixed(3)} y="0" width={width.toFixed(3)} height="100" />
            {parts
              .filter(part => part.height > 0)
              .map(part => (
                <rect
                  class={part.tone}
                  x={(at * width + gap / 2).toFixed(3)}
                  y={part.y.toFixed(3)}
                  width={(width - gap).toFixed(3)}
                  height={part.height.toFixed(3)}
                />
              ))}
          </g>
        )
      })}
    </>
  )
}

function Figures({ title, slots, series }: ChartProps) {
  return (
    <details class="plain">
      <summary>Show the figures</summary>
      <div class="scroll">
        <table>
          <caption>{title}</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {series.map(entry => (
                <th scope="col" class="num">
                  {entry.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {slots.map((slot, at) => (
              <tr>
                <td class="time">{slot}</td>
                {series.map(entry => (
                  <td class="num">{readableUsd(entry.values[at] ?? 0)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  )
}

/** Stacked columns over time. The SVG stretches; its labels are HTML so that they do not. */
export function StackedChart({ title, slots, series }: ChartProps) {
  const totals = slots.map((_, at) => sum(series.map(entry => entry.values[at] ?? 0)))
  const most = Math.max(...totals, 0)
  const step = stepFor(most)
  const lines = Math.max(1, Math.ceil(Math.max(...totals, 1) / step))
  const top = step * lines
  const ticks = Array.from({ length: lines + 1 }, (_, index) => top - index * step)
  const busiest = totals.indexOf(Math.max(...totals))
  const summary = `${title}: ${readableUsd(sum(totals))} in all, most in ${slots[busiest]} with ${readableUsd(totals[busiest] ?? 0)}`
  const each = slots.length <= 8
  const quarters = [0, 0.25, 0.5, 0.75, 1].map(share => Math.round(share * (slots.length - 1)))
  const marks = each ? slots.map((_, at) => at) : quarters
  return (
    <figure>
      <div class="chart">
        <div class="y" aria-hidden="true">
          {ticks.map(tick => (
            <span>{tick > 0 && most === 0 ? '' : readableUsd(tick)}</span>
          ))}
        </div>
        <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label={summary}>
          {ticks.map((_, index) => {
            const y = ((index / lines) * 100).toFixed(3)
            return <path class="grid-line" d={`M0 ${y}H100`} />
          })}
          <Columns slots={slots} series={series} top={top} />
        </svg>
        <div class={each ? 'x each' : 'x'} aria-hidden="true">
          {marks.map((at, index) => (
            <span class={index % 2 === 1 ? 'between' : undefined}>{slots[at]}</span>
          ))}
        </div>
      </div>
      <ul class="legend">
        {series.map((entry, index) => (
          <li>
            <span class={`swatch ${toneOf(entry, index)}`}></span>
            <span>{entry.name}</span>
            <span class="muted num">{readableUsd(sum(entry.values))}</span>
          </li>
        ))}
      </ul>
      <Figures title={title} slots={slots} series={series} />
    </figure>
  )
}
