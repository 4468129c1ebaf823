// Clusters and their endpoints, which can be taken out and put back.

import { ago, count, duration, percent, rate } from './format.js';
import { Empty, Pill, Section, html, useState } from './parts.js';
import { sum } from './rates.js';
import { change } from './session.js';
import { say, span, state } from './store.js';

/** Why an endpoint is in its state. That somebody took it out, its state says. */
const CAUSES = {
  'health-check': 'its health check fails', 'slow-start': 'it starts slowly',
  'consecutive-failures': 'it failed several times in a row', 'success-rate': 'it fails more often than the others', latency: 'it is slower than the others',
};

/** Clusters shown before somebody asks for all. */
const FEW = 24;

/** Those that somebody looks for; of many, those in trouble first. */
function choose(clusters, words, all) {
  const text = (cluster) => `${cluster.name} ${cluster.endpoints.map((endpoint) => `${endpoint.address} ${endpoint.state}`).join(' ')}`.toLowerCase();
  const found = words.length === 0 ? clusters : clusters.filter((cluster) => words.every((word) => text(cluster).includes(word)));
  if (all || found.length <= FEW) return { shown: found, found };
  const trouble = (cluster) => (cluster.endpoints.some((endpoint) => endpoint.state !== 'healthy') ? 0 : 1);
  return { shown: [...found].sort((a, b) => trouble(a) - trouble(b)).slice(0, FEW), found };
}

export function Clusters() {
  const [filter, setFilter] = useState('');
  const [all, setAll] = useState(false);
  const { now, before, seconds } = span(30);
  const configured = new Map(state.config.clusters.map((cluster) => [cluster.name, cluster]));
  const { shown, found } = choose(now.clusters, filter.toLowerCase().split(/\s+/).filter(Boolean), all);
  const note = now.clusters.length > FEW && html`<label class="field">Find <input id="find-clusters" type="search" value=${filter} placeholder="name, address, unhealthy…" onInput=${(event) => setFilter(event.target.value)} /></label>`;
  return html`<${Section} id="clusters" title="Clusters" note=${note}>
    ${now.clusters.length === 0 ? html`<${Empty}>No cluster is configured.<//>` : html`<ul class="cards">
      ${shown.map((cluster) => html`<${Cluster} key=${cluster.name} cluster=${cluster} configured=${configured.get(cluster.name)}
        tries=${now.tries[cluster.name]} before=${before.tries[cluster.name]} seconds=${seconds} />`)}
    </ul>`}
    ${found.length > FEW && html`<p class="more"><button onClick=${() => setAll(!all)}>${all ? 'Show fewer' : `Show all ${found.length} clusters`}</button></p>`}
    ${found.length === 0 && now.clusters.length > 0 && html`<${Empty}>No cluster fits.<//>`}
  <//>`;
}

function Cluster({ cluster, configured, tries = {}, before = {}, seconds }) {
  const balance = configured?.balance;
  const policy = typeof balance === 'object' && balance ? `plugin ${balance.plugin}` : balance;
  const totals = Object.entries(tries).map(([outcome, { count: number }]) => [outcome, number, number - (before[outcome]?.count ?? 0)]);
  const lately = sum(totals.map((row) => row[2]));
  const failed = sum(totals.filter((row) => row[0] !== 'ok').map((row) => row[2]));
  const check = configured?.health_check;
  return html`<li class="card cluster" data-cluster=${cluster.name}>
    <div class="card-head"><h3>${cluster.name}</h3><span class="sub">${policy}${check ? ` · checks ${check.path ?? `by ${check.protocol}`}` : ' · no health check'}</span></div>
    <p class="sub">${seconds > 0 ? rate(lately / seconds) : '–'} requests/s${lately > 0 ? ` · ${percent(failed / lately)} failed` : ''}</p>
    <ul class="endpoints">${cluster.endpoints.map((endpoint) => html`<${Endpoint} key=${endpoint.address} cluster=${cluster} endpoint=${endpoint} />`)}</ul>
    ${totals.length > 0 && html`<p class="tags"><span class="sub">Tries since the start</span>${totals.map(([outcome, number]) => html`<span class=${`tag ${outcome === 'ok' ? '' : 'bad'}`} data-try=${outcome} data-value=${number}>${outcome} ${count(number)}</span>`)}</p>`}
  </li>`;
}

function Endpoint({ cluster, endpoint }) {
  const [busy, setBusy] = useState(false);
  const out = endpoint.state === 'drained';
  const others = cluster.endpoints.filter((other) => other.address !== endpoint.address && other.state !== 'drained');
  const toggle = async () => {
    if (!out && others.length === 0 && !window.confirm(`${endpoint.address} is the last endpoint of ${cluster.name}. Without it, requests to it are answered 503. Take it out?`)) return;
    setBusy(true);
    try {
      await change('PUT', 'api/v1/endpoints', { cluster: cluster.name, endpoint: endpoint.address, state: out ? 'ready' : 'drain' });
      say(`${endpoint.address} was ${out ? 'put back' : 'taken out'}`);
    } catch (error) {
      say(`Can’t change ${endpoint.address}: ${error.message}`, true);
    }
    setBusy(false);
  };
  return html`<li class="endpoint" data-endpoint=${endpoint.address}>
    <span class="line"><code>${endpoint.address}</code><${Pill} state=${endpoint.state} text=${out ? 'taken out' : endpoint.state} /></span>
    <span class="sub">${CAUSES[endpoint.reason] ? html`<span class=${endpoint.state === 'warming' ? 'warn-text' : 'bad-text'}>${CAUSES[endpoint.reason]}</span> · ` : ''}weight ${endpoint.weight} · ${endpoint.in_flight} on their way · ${endpoint.latency_us > 0 ? duration(endpoint.latency_us / 1e6) : 'no latency yet'}${endpoint.failures > 0 ? html` · <span class="bad-text">${endpoint.failures} failed in a row</span>` : ''}</span>
    ${endpoint.last_error && html`<span class="sub last">${endpoint.failed > 0 ? `${count(endpoint.failed)} of ${count(endpoint.requests)} tries failed, the last` : 'last error'} ${ago(endpoint.last_error.at * 1000)}: ${endpoint.last_error.name}</span>`}
    <button disabled=${busy || !state.config.may_change} onClick=${toggle} aria-label=${`${out ? 'Put back' : 'Take out'} ${endpoint.address} of ${cluster.name}`}>${out ? 'Put back' : 'Take out'}</button>
  </li>`;
}
