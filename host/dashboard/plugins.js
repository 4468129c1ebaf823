// Plugins: what runs, what it decides, what it costs, and what went wrong.

import { ago, bytes, count, duration, percent, rate } from './format.js';
import { Empty, Pill, Section, html, useState } from './parts.js';
import { pluginFlow, sum } from './rates.js';
import { span, state } from './store.js';

/** Outcomes that are no decision of the plugin's but its failure. */
const FAILURES = new Set(['trap', 'time', 'deadline', 'memory', 'failed', 'invalid-result', 'busy', 'unavailable']);

export const isFailure = (outcome) => FAILURES.has(outcome);

const ORDERS = {
  cost: ['most CPU first', (a, b) => (b.flow.share || 0) - (a.flow.share || 0) || b.flow.total - a.flow.total],
  each: ['slowest call first', (a, b) => (b.flow.each || 0) - (a.flow.each || 0)],
  failures: ['most failures first', (a, b) => b.failed - a.failed],
  name: ['by name', (a, b) => a.plugin.name.localeCompare(b.plugin.name)],
};

export function Plugins() {
  const [order, setOrder] = useState('cost');
  const { now, before, seconds } = span(30);
  const rows = state.config.plugins.map((plugin) => {
    const reading = now.plugins[plugin.name];
    const calls = reading?.calls ?? [];
    return {
      plugin, reading, calls,
      flow: pluginFlow(reading, before.plugins[plugin.name], seconds),
      failed: sum(calls.filter((call) => isFailure(call[1])).map((call) => call[2])),
    };
  });
  // What nothing names comes last, in whatever order.
  const idle = (row) => (row.plugin.state === 'unused' ? 1 : 0);
  rows.sort((a, b) => idle(a) - idle(b) || ORDERS[order][1](a, b));
  const most = Math.max(...rows.map((row) => row.flow.share || 0), 1e-9);
  const note = rows.length > 1 && html`<label class="field">Order <select id="plugin-order" value=${order} onChange=${(event) => setOrder(event.target.value)}>
    ${Object.entries(ORDERS).map(([key, [name]]) => html`<option value=${key} selected=${key === order}>${name}</option>`)}</select></label>`;
  return html`<${Section} id="plugins" title="Plugins" note=${note}>
    ${rows.length === 0 ? html`<${Empty}>No plugin yet: drop a component into the plugin directory.<//>` : html`<div class="card scroll"><table class="stack">
      <thead><tr><th scope="col">Plugin</th><th scope="col">State</th><th scope="col">Hooks and grants</th><th scope="col" class="number">Calls/s</th><th scope="col" class="number">A call</th><th scope="col">CPU</th><th scope="col">Decisions since the start</th><th scope="col">Last error</th></tr></thead>
      <tbody>${rows.map((row) => html`<${Row} key=${row.plugin.name + row.plugin.file} row=${row} most=${most} />`)}</tbody>
    </table></div>`}
  <//>`;
}

/** One that nothing names: there, and no more. */
function Idle({ plugin }) {
  return html`<tr class="idle" data-plugin=${plugin.name}>
    <th scope="row" data-label="Plugin"><span class="strong">${plugin.name}</span><${Version} plugin=${plugin} /></th>
    <td data-label="State"><${Pill} state=${plugin.state} /></td>
    <td data-label="Hooks and grants"><span class="tags">${plugin.hooks.map((hook) => html`<span class="tag">${hook}</span>`)}</span></td>
    <td data-label="Use" colspan="5" class=${plugin.reason ? 'bad-text' : 'sub'}>${plugin.reason ?? 'No route or cluster names it.'}</td>
  </tr>`;
}

function Version({ plugin }) {
  return html`<span class="sub" title=${plugin.digest ?? ''}>${plugin.file} · ${plugin.digest ? html`<code>${plugin.digest.slice(0, 12)}</code>` : 'no digest'}${plugin.size ? ` · ${bytes(plugin.size)}` : ''}</span>`;
}

function Row({ row: { plugin, reading, calls, flow, failed }, most }) {
  if (['unused', 'refused'].includes(plugin.state) && calls.length === 0) return html`<${Idle} plugin=${plugin} />`;
  const failure = reading?.last_failure;
  return html`<tr data-plugin=${plugin.name}>
    <th scope="row" data-label="Plugin"><span class="strong">${plugin.name}</span><${Version} plugin=${plugin} /></th>
    <td data-label="State"><${Pill} state=${plugin.state} />${plugin.reason && html`<span class="sub bad-text">${plugin.reason}</span>`}<span class="sub">${plugin.isolation}, fails ${plugin.on_error}</span>${reading && html`<span class="sub">${count(reading.instances)} ${reading.instances === 1 ? 'instance' : 'instances'}, ${bytes(reading.peak_memory)} at most</span>`}</td>
    <td data-label="Hooks and grants"><span class="tags">${plugin.hooks.map((hook) => html`<span class="tag">${hook}</span>`)}${plugin.grants.map((grant) => html`<span class="tag grant">${grant}</span>`)}</span></td>
    <td data-label="Calls/s" class="number">${rate(flow.rate)}</td>
    <td data-label="A call" class="number">${duration(flow.each)}${flow.waits > 1e-4 && html`<span class="sub">and waits ${duration(flow.waits)}</span>`}</td>
    <td data-label="CPU"><span class="bar" aria-hidden="true"><span style=${{ width: `${Math.round(((flow.share || 0) / most) * 100)}%` }}></span></span>${percent(flow.share)}<span class="sub">of one core</span></td>
    <td data-label="Decisions"><${Decisions} calls=${calls} />${failed > 0 && html`<span class="sub bad-text">${count(failed)} failed</span>`}</td>
    <td data-label="Last error" class="wide">${failure ? html`<span class="bad-text">${failure.reason}</span><span class="sub">in ${failure.hook}, ${ago(failure.at)}</span>` : html`<span class="sub">none</span>`}</td>
  </tr>`;
}

/** How often it decided what, over all its hooks. */
function Decisions({ calls }) {
  if (calls.length === 0) return html`<span class="sub">not called yet</span>`;
  const sorted = [...calls].sort((a, b) => b[2] - a[2]);
  return html`<span class="tags">${sorted.map(([hook, outcome, number]) => html`<span class=${`tag ${isFailure(outcome) ? 'bad' : ''}`} title=${hook} data-call=${`${hook} ${outcome}`} data-value=${number}>${outcome} ${count(number)}</span>`)}</span>`;
}
