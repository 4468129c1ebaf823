// The head of the page: who this is, how it is, and what can be done to the whole gateway.

import { count, duration, percent, rate } from './format.js';
import { Pill, html, useEffect, useState } from './parts.js';
import { flow, quantile, sum } from './rates.js';
import { change } from './session.js';
import { say, span, state } from './store.js';

const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];

export function Header() {
  const { connection, config, numbers } = state;
  const now = numbers.at(-1);
  const [busy, setBusy] = useState(false);
  const reload = async () => {
    setBusy(true);
    try {
      const { outcome, refused_files: refused } = await change('POST', 'api/v1/reload');
      const rest = refused > 0 ? `; ${refused} ${refused === 1 ? 'file is' : 'files are'} refused` : '';
      say({ published: 'Reloaded: a new snapshot serves', refused: 'Refused: what served before serves on', unchanged: 'Nothing has changed' }[outcome] + rest, outcome === 'refused');
    } catch (error) {
      say(`Can’t reload: ${error.message}`, true);
    }
    setBusy(false);
  };
  const gateway = now && !now.ready ? 'stopping' : config?.configuration.state === 'last-good' ? 'last-good' : 'ready';
  return html`<header class="top">
    <div class="brand"><img src="dashboard/icon.svg" alt="" width="30" height="30" /><h1>Sluice</h1>${config && html`<span class="version">${config.version}</span>`}</div>
    <div class="states">
      ${config && html`<${Pill} state=${gateway} text=${gateway === 'last-good' ? 'last good configuration' : gateway} />`}
      <span class=${`beat ${connection}`} aria-live="polite">${connection}</span>
    </div>
    <nav aria-label="Sections">
      ${['flow', 'traffic', 'plugins', 'clusters', 'refusals', 'reloads'].map((id) => html`<a href=${`#${id}`}>${id}</a>`)}
    </nav>
    <div class="actions">
      ${config && !config.may_change && html`<span class="sub" id="read-only">Read-only: set <code>admin.token</code> or <code>admin.tls.client_ca</code> to act</span>`}
      <${LogLevel} current=${now?.log} disabled=${!config?.may_change} />
      <${Theme} />
      <button class="primary" id="reload" disabled=${busy || !config?.may_change} onClick=${reload}>${busy ? 'Reloading…' : 'Reload now'}</button>
    </div>
  </header>`;
}

function LogLevel({ current, disabled }) {
  if (!current) return null;
  const set = async (event) => {
    const filter = event.target.value;
    try {
      await change('PUT', 'api/v1/log', { filter });
      say(`The log says ${filter} from now on`);
    } catch (error) {
      say(`Can’t change the log: ${error.message}`, true);
    }
  };
  const options = LEVELS.includes(current) ? LEVELS : [current, ...LEVELS];
  return html`<label class="field">Log <select id="log-level" value=${current} disabled=${disabled} onChange=${set}>
    ${options.map((level) => html`<option value=${level} selected=${level === current}>${level}</option>`)}
  </select></label>`;
}

const THEMES = ['auto', 'light', 'dark'];

function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem('sluice-theme') ?? 'auto');
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem('sluice-theme', theme);
    window.dispatchEvent(new Event('sluice-theme'));
  }, [theme]);
  return html`<label class="field">Theme <select id="theme" value=${theme} onChange=${(event) => setTheme(event.target.value)}>
    ${THEMES.map((name) => html`<option value=${name} selected=${name === theme}>${name}</option>`)}
  </select></label>`;
}

/** What is wrong until somebody mends it. */
export function Problems() {
  const { configuration, plugins } = state.config;
  const broken = plugins.filter((plugin) => plugin.reason && plugin.state !== 'refused');
  if (configuration.problems.length + configuration.needs_restart.length + broken.length === 0) return null;
  return html`<div class="problems" role="alert">
    ${configuration.problems.length > 0 && html`<div class="problem bad"><h2>The configuration was refused; the last good one serves</h2>
      <ul>${configuration.problems.map((text) => html`<li><code>${text}</code></li>`)}</ul></div>`}
    ${broken.map((plugin) => html`<div class="problem bad"><h2>Plugin ${plugin.name}: ${plugin.state === 'unavailable' ? 'no version works, its calls fail' : 'the last good version serves'}</h2>
      <p><code>${plugin.file} ${plugin.reason}</code></p></div>`)}
    ${configuration.needs_restart.length > 0 && html`<div class="problem warn"><h2>Needs a restart: ${configuration.needs_restart.join(', ')}</h2></div>`}
  </div>`;
}

/** The gateway in six numbers. */
export function Tiles() {
  const short = span(5);
  const long = span(30);
  const lately = flow(short.now.total, short.before.total, short.seconds);
  const latency = flow(long.now.total, long.before.total, long.seconds);
  const at = (q) => duration(quantile(latency.buckets, state.bounds, q));
  const open = sum(Object.values(short.now.listeners).map((listener) => listener.open));
  const flying = sum(short.now.clusters.flatMap((cluster) => cluster.endpoints.map((endpoint) => endpoint.in_flight)));
  const total = sum(short.now.total.classes);
  return html`<ul class="tiles" aria-label="Now">
    <${Tile} id="rate" name="Requests a second" value=${rate(lately.rate)} note="over 5 s" />
    <${Tile} id="errors" name="Server errors" value=${percent(latency.serverErrors)} note="5xx, over 30 s" tone=${latency.serverErrors > 0.01 ? 'bad' : ''} />
    <${Tile} id="refused" name="Client errors" value=${percent(latency.clientErrors)} note="4xx, over 30 s" />
    <${Tile} id="latency" name="Latency, median" value=${at(0.5)} note=${`p99 ${at(0.99)}, over 30 s`} />
    <${Tile} id="connections" name="Connections" value=${count(open)} note=${`${count(flying)} requests upstream`} />
    <${Tile} id="total" name="Requests in all" value=${count(total)} note="since the start" exact=${total} />
  </ul>`;
}

function Tile({ id, name, value, note, tone, exact }) {
  return html`<li class=${`tile card ${tone ?? ''}`} id=${`tile-${id}`} data-value=${exact}><span class="name">${name}</span><span class="value">${value}</span><span class="note">${note}</span></li>`;
}
