// Ten minutes of traffic as charts, drawn by uPlot; and the same as a table, for those who can't see them.

/* global uPlot */
import { clock, duration, percent, rate } from './format.js';
import { Section, html, useEffect, useRef, useState } from './parts.js';
import { series } from './rates.js';
import { state } from './store.js';

const HEIGHT = 190;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** What each chart shows. Stacked lines are drawn from the sum down, and told as what they are. */
const CHARTS = [
  {
    id: 'requests', title: 'Requests a second', unit: rate, stacked: true,
    lines: [['server', '5xx', 'bad'], ['client', '4xx', 'warn'], ['ok', '2xx and 3xx', 'accent']],
  },
  {
    id: 'error-rate', title: 'Errors', unit: (value) => percent(value / 100), range: [0, 5],
    lines: [['errors', '5xx', 'bad'], ['refused', '4xx', 'warn']],
  },
  {
    id: 'durations', title: 'Latency', unit: (value) => duration(value / 1000), log: true,
    lines: [['p99', 'p99', 'violet'], ['p90', 'p90', 'blue'], ['p50', 'median', 'accent']],
  },
];

export function Charts() {
  const lines = series(state.points, state.bounds);
  // The moment that is pointed at, in any of the charts; else the last one.
  const [pointed, setPointed] = useState(null);
  const last = lines.at.length - 1;
  const index = pointed !== null && pointed <= last ? pointed : last;
  const note = index === pointed ? `at ${clock(lines.at[index] * 1000)}` : 'the last ten minutes';
  return html`<${Section} id="traffic" title="Traffic" note=${note}>
    <div class="charts">${CHARTS.map((chart) => html`<${Chart} key=${chart.id} chart=${chart} lines=${lines} index=${index} setPointed=${setPointed} />`)}</div>
    <${Table} lines=${lines} />
  <//>`;
}

function Chart({ chart, lines, index, setPointed }) {
  const holder = useRef(null);
  const plot = useRef(null);
  const [theme, setTheme] = useState(0);
  useEffect(() => {
    const next = () => setTheme((number) => number + 1);
    const dark = window.matchMedia('(prefers-color-scheme: dark)');
    window.addEventListener('sluice-theme', next);
    dark.addEventListener('change', next);
    return () => {
      window.removeEventListener('sluice-theme', next);
      dark.removeEventListener('change', next);
    };
  }, []);
  useEffect(() => {
    const element = holder.current;
    const width = () => Math.max(200, Math.floor(element.clientWidth));
    plot.current = new uPlot(options(chart, width(), setPointed), data(chart, lines), element);
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: width(), height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [theme]);
  useEffect(() => { plot.current?.setData(data(chart, lines)); }, [lines.at.at(-1), theme]);
  const value = (key) => chart.unit(lines[key][index] ?? NaN);
  return html`<figure class="card chart" id=${`chart-${chart.id}`}>
    <figcaption><h3>${chart.title}</h3><span class="legend">${[...chart.lines].reverse().map(([key, name, tone]) => html`<span><i class=${`dot ${tone}`} aria-hidden="true"></i>${name} <b>${value(key)}</b></span>`)}</span></figcaption>
    <div class="plot" ref=${holder} aria-hidden="true"></div>
  </figure>`;
}

function data(chart, lines) {
  if (!chart.stacked) return [lines.at, ...chart.lines.map(([key]) => lines[key])];
  // The first is the sum of all, the last itself alone.
  const columns = chart.lines.map((_, first) =>
    lines.at.map((_, index) => chart.lines.slice(first).reduce((all, [key]) => all + lines[key][index], 0)));
  return [lines.at, ...columns];
}

function options(chart, width, pointed) {
  const axis = {
    stroke: colour('muted'), grid: { stroke: colour('line'), width: 1 }, ticks: { show: false },
    font: '11px system-ui, sans-serif', gap: 4,
  };
  const drawn = ([, label, tone]) => ({
    label, stroke: colour(tone), width: 1.6, points: { show: false },
    fill: chart.stacked ? colour(`${tone}-fill`) : undefined,
  });
  return {
    width, height: HEIGHT, padding: [8, 26, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'sluice' }, points: { size: 6 } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => pointed(plot.cursor.idx ?? null)] },
    scales: {
      x: { range: (_, min, max) => (max === null ? [Date.now() / 1000 - 600, Date.now() / 1000] : [Math.min(min, max - 60), max]) },
      y: chart.log ? { distr: 3, log: 10, range: decades } : { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.1, chart.range?.[1] ?? 1)] },
    },
    axes: [
      { ...axis, size: 32, space: 70, values: (_, splits) => splits.map((at) => clock(at * 1000)) },
      { ...axis, size: 58, space: 36, values: (_, splits) => splits.map((value) => (value === null || (chart.log && !isDecade(value)) ? '' : plain(chart.unit(value)))) },
    ],
    series: [{ label: 'Time' }, ...chart.lines.map(drawn)],
  };
}

/** Whole powers of ten around what was measured: medians and outliers are both to be seen. */
function decades(_, min, max) {
  if (max === null || !(max > 0)) return [0.1, 10];
  const [low, high] = [Math.floor(Math.log10(Math.max(min, 0.001))), Math.ceil(Math.log10(max))];
  return [10 ** low, 10 ** Math.max(high, low + 1)];
}

/** As a mark of an axis: 50 and not 50.0. */
const plain = (text) => text.replace(/\.0+(?=\D|$)/, '');

const isDecade = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-6;

/** Every half minute of what the charts show. */
function Table({ lines }) {
  const rows = [];
  for (let index = lines.at.length - 1; index >= 0 && rows.length < 20; index -= 15) rows.push(index);
  const ms = (value) => duration((value ?? NaN) / 1000);
  return html`<details class="as-table"><summary>The charts as a table</summary><div class="scroll"><table>
    <caption class="sr">Traffic every half minute, the newest first</caption>
    <thead><tr>${['Time', '2xx and 3xx/s', '4xx/s', '5xx/s', 'Median', 'p90', 'p99'].map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${rows.map((index) => html`<tr><th scope="row">${clock(lines.at[index] * 1000)}</th>
      <td>${rate(lines.ok[index])}</td><td>${rate(lines.client[index])}</td><td>${rate(lines.server[index])}</td>
      <td>${ms(lines.p50[index])}</td><td>${ms(lines.p90[index])}</td><td>${ms(lines.p99[index])}</td></tr>`)}</tbody>
  </table></div></details>`;
}
