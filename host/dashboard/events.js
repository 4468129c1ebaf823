// What happened lately: requests that were refused, and reloads.

import { ago, clock } from './format.js';
import { Empty, Pill, Section, html, useState } from './parts.js';
import { state } from './store.js';

const SHOWN = 60;

export function Refusals() {
  const [filter, setFilter] = useState('');
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (refusal) => {
    const text = `${refusal.status} ${refusal.method} ${refusal.path} ${refusal.route ?? ''} ${refusal.plugin ?? ''} ${refusal.reason} ${refusal.request_id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const found = state.refusals.filter(fits);
  // The same again and again is one thing to know.
  const causes = new Map();
  for (const refusal of state.refusals) {
    const by = refusal.plugin ?? refusal.route ?? '';
    const key = `${refusal.status} ${by} ${refusal.reason}`;
    causes.set(key, { refusal, by, count: (causes.get(key)?.count ?? 0) + 1 });
  }
  const common = [...causes].sort((a, b) => b[1].count - a[1].count).slice(0, 6);
  const note = html`<label class="field">Find <input id="find-refusals" type="search" value=${filter} placeholder="route, plugin, id…" onInput=${(event) => setFilter(event.target.value)} /></label>`;
  return html`<${Section} id="refusals" title="Refused requests" note=${note}>
    ${common.length > 0 && html`<p class="tags causes">${common.map(([key, { refusal, by, count }]) => html`<button key=${key} class="tag" aria-pressed=${filter === key} onClick=${() => setFilter(filter === key ? '' : key)}><span class=${`status s${Math.floor(refusal.status / 100)}`}>${refusal.status}</span> ${by && `${by}: `}${refusal.reason} <b>×${count}</b></button>`)}</p>`}
    ${found.length === 0 ? html`<${Empty}>${words.length ? 'None of the last ones fits.' : 'None yet.'}<//>` : html`<ol class="card log" tabindex="0" aria-label="The last refused requests">
      ${found.slice(0, SHOWN).map((refusal) => html`<li key=${refusal.number}>
        <span class="line"><span class=${`status s${Math.floor(refusal.status / 100)}`}>${refusal.status}</span><code class="path">${refusal.method} ${refusal.path}</code><time>${clock(refusal.at * 1000)}</time></span>
        <span class="why">${refusal.reason}</span>
        <span class="sub">${refusal.route === null ? 'no route' : `route ${refusal.route}`}${refusal.plugin ? ` · by plugin ${refusal.plugin}` : ''} · id <code>${refusal.request_id}</code></span>
      </li>`)}
      ${found.length > SHOWN && html`<li class="sub">and ${found.length - SHOWN} before</li>`}
    </ol>`}
  <//>`;
}

export function Reloads() {
  return html`<${Section} id="reloads" title="Reloads">
    ${state.reloads.length === 0 ? html`<${Empty}>None since the start.<//>` : html`<ol class="card log" tabindex="0" aria-label="The last reloads">
      ${state.reloads.slice(0, SHOWN).map((reload) => html`<li key=${reload.number}>
        <span class="line"><${Pill} state=${reload.outcome} /><span class="sub">${reload.asked ? 'asked for' : 'a file changed'}, took ${reload.took_ms} ms</span><time title=${clock(reload.at * 1000)}>${ago(reload.at * 1000)}</time></span>
        ${reload.changes.length > 0 && html`<ul>${reload.changes.map((text) => html`<li>${text}</li>`)}</ul>`}
        ${reload.problems.length > 0 && html`<ul class="bad-text">${reload.problems.map((text) => html`<li><code>${text}</code></li>`)}</ul>`}
      </li>`)}
    </ol>`}
  <//>`;
}
