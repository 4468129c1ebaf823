// The picture of the whole: from listeners through routes and their plugins to clusters. The boxes are lists
// that can be read and reached with the keyboard; lines between them are drawn behind, from where the boxes are.

import { duration, percent, rate } from './format.js';
import { Empty, Section, html, useEffect, useLayoutEffect, useRef, useState } from './parts.js';
import { flow, pluginFlow, quantile, sum } from './rates.js';
import { span, state } from './store.js';

/** Routes shown before somebody asks for more. */
const FEW = 12;

/** The routes to show: those that somebody looks for, or else the busiest, in the configuration's order. */
function choose(routes, numbers, words, all) {
  const text = (route) => `${route.name} ${describe(route.match)} ${route.plugins.join(' ')} ${(route.destination.clusters ?? []).map(({ name }) => name).join(' ')}`.toLowerCase();
  const wanted = words.length === 0 ? routes : routes.filter((route) => words.every((word) => text(route).includes(word)));
  if (all || wanted.length <= FEW) return { shown: wanted, found: wanted.length };
  const count = (route) => sum(numbers.routes[route.name]?.classes ?? []);
  const busiest = new Set([...wanted].sort((a, b) => count(b) - count(a)).slice(0, FEW));
  return { shown: wanted.filter((route) => busiest.has(route)), found: wanted.length };
}

export function Flow() {
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState(null);
  const [filter, setFilter] = useState('');
  const { now, before, seconds } = span(5);
  const long = span(30);
  const { listeners, routes } = state.config;
  const seen = (name) => {
    const lately = flow(now.routes[name], before.routes[name], seconds);
    const buckets = flow(long.now.routes[name], long.before.routes[name], long.seconds).buckets;
    return { ...lately, p50: quantile(buckets, state.bounds, 0.5), p99: quantile(buckets, state.bounds, 0.99) };
  };
  const { shown, found } = choose(routes, now, filter.toLowerCase().split(/\s+/).filter(Boolean), all);
  const rows = shown.map((route) => ({ route, flow: seen(route.name) }));
  const unmatched = seen('');
  const links = connect(rows, listeners);
  // Of many clusters, those that the routes shown lead to.
  const reached = new Set(links.map((link) => link.to));
  const targets = shown.length < routes.length ? now.clusters.filter((cluster) => reached.has(`cluster ${cluster.name}`)) : now.clusters;
  const note = html`${routes.length > FEW && html`<label class="field">Find <input id="find-routes" type="search" value=${filter} placeholder="route, path, plugin…" onInput=${(event) => setFilter(event.target.value)} /></label>`}<span class="key"><i class="dot accent"></i>well <i class="dot warn"></i>client errors <i class="dot bad"></i>server errors; wider is more</span>`;
  const tall = rows.length > 7 || targets.length > 7;
  return html`<${Section} id="flow" title="Flow" note=${note}>
    <${Picture} links=${links} chosen=${chosen} tall=${tall}>
      <ul class="column listeners" aria-label="Listeners">${listeners.map((listener) => html`<${Listener} key=${listener.name} listener=${listener} numbers=${now.listeners[listener.name]} />`)}</ul>
      <ul class="column routes" aria-label="Routes">${rows.map((row) => html`<${Route} key=${row.route.name} row=${row} setChosen=${setChosen} />`)}
        ${found > FEW && html`<li><button onClick=${() => setAll(!all)}>${all ? `Show the ${FEW} busiest` : `Show all ${found} routes`}</button><span class="sub more">${all ? '' : `these are the ${FEW} busiest`}</span></li>`}
        ${found === 0 && routes.length > 0 && html`<li class="sub">No route fits.</li>`}
        ${unmatched.rate > 0 && html`<li class="unmatched sub">${rate(unmatched.rate)}/s found no route</li>`}
      </ul>
      <ul class="column targets" aria-label="Clusters">${targets.map((cluster) => html`<${Target} key=${cluster.name} cluster=${cluster} />`)}</ul>
    <//>
    ${routes.length === 0 && html`<${Empty}>No route is configured.<//>`}
  <//>`;
}

/** The lines: where from, where to, how much, and of which routes. */
function connect(rows, listeners) {
  const links = [];
  for (const { route, flow: seen } of rows) {
    const tone = seen.serverErrors > 0.02 ? 'bad' : seen.clientErrors > 0.2 ? 'warn' : 'accent';
    const line = (from, to, share, kind) => links.push({ from, to, rate: (seen.rate || 0) * share, tone, kind, route: route.name });
    route.listeners.forEach(({ name }) => line(`listener ${name}`, `route ${route.name}`, 1 / route.listeners.length));
    let last = `route ${route.name}`;
    route.plugins.forEach((name, index) => {
      const next = `plugin ${route.name} ${index}`;
      line(last, next, 1);
      last = next;
      called(name).forEach((cluster) => line(next, `cluster ${cluster}`, 1, 'called'));
    });
    const clusters = route.destination.clusters ?? [];
    const weights = clusters.reduce((sum, { weight }) => sum + weight, 0) || 1;
    clusters.forEach(({ name, weight }) => line(last, `cluster ${name}`, weight / weights));
    if (route.destination.redirect || route.destination.respond) line(last, `end ${route.name}`, 1);
  }
  for (const listener of listeners) {
    listener.clusters.forEach((name) => links.push({ from: `listener ${listener.name}`, to: `cluster ${name}`, rate: 0, tone: 'accent', kind: 'stream', route: null }));
  }
  return links;
}

/** The clusters that a plugin may call by itself. */
function called(name) {
  const plugin = state.config.plugins.find((known) => known.name === name);
  const grant = plugin?.grants.find((text) => text.startsWith('http-client: '));
  return grant ? grant.slice('http-client: '.length).split(', ') : [];
}

function Picture({ links, chosen, tall, children }) {
  const holder = useRef(null);
  const [shape, setShape] = useState({ width: 0, height: 0, places: {} });
  const measure = () => {
    const base = holder.current.getBoundingClientRect();
    const places = {};
    holder.current.querySelectorAll('[data-node]').forEach((element) => {
      const box = element.getBoundingClientRect();
      places[element.dataset.node] = [box.left - base.left, box.right - base.left, box.top - base.top + Math.min(box.height / 2, 34)].map(Math.round);
    });
    const next = { width: Math.round(base.width), height: Math.round(base.height), places };
    setShape((before) => (JSON.stringify(before) === JSON.stringify(next) ? before : next));
  };
  useLayoutEffect(measure);
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(holder.current);
    return () => observer.disconnect();
  }, []);
  const most = Math.max(...links.map((link) => link.rate), 1e-9);
  return html`<div class=${`flow card ${chosen === null ? '' : 'choosing'} ${tall ? 'tall' : ''}`} ref=${holder}>
    <svg class="links" width=${shape.width} height=${shape.height} aria-hidden="true" focusable="false">
      ${links.map((link) => html`<${Link} key=${`${link.from}>${link.to}>${link.route}`} link=${link} places=${shape.places} most=${most} chosen=${chosen} />`)}
    </svg>
    ${children}
  </div>`;
}

function Link({ link, places, most, chosen }) {
  const [from, to] = [places[link.from], places[link.to]];
  if (!from || !to) return null;
  const [x1, y1, x2, y2] = [from[1], from[2], to[0], to[2]];
  const bend = Math.max(18, (x2 - x1) / 2);
  const path = `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  const width = link.rate > 0 ? 1.5 + 8 * Math.sqrt(link.rate / most) : 1.2;
  const fades = chosen !== null && chosen !== link.route;
  const kind = `${link.tone} ${link.kind ?? ''} ${link.rate > 0 ? 'flows' : 'idle'} ${fades ? 'fades' : ''}`;
  return html`<g class=${kind}><path class="pipe" d=${path} stroke-width=${width.toFixed(1)} />${link.rate > 0 && html`<path class="water" d=${path} stroke-width=${Math.max(1, width * 0.35).toFixed(1)} />`}</g>`;
}

function Listener({ listener, numbers }) {
  return html`<li class="node listener" data-node=${`listener ${listener.name}`}>
    <span class="strong">${listener.name}</span><span class="sub">${listener.protocol} ${listener.address}</span>
    <span class="sub">${numbers ? numbers.open : 0} open</span>
  </li>`;
}

function describe(match) {
  return `${match.methods?.join(' ') ?? ''} ${match.host ?? ''}${match.path}`.trim();
}

function Route({ row: { route, flow: seen }, setChosen }) {
  const { destination } = route;
  const end = destination.redirect ? `redirect ${destination.redirect.status}` : destination.respond ? `answer ${destination.respond.status}` : null;
  const to = destination.clusters?.map((cluster) => cluster.name).join(' and ') ?? end ?? 'its last plugin';
  const failing = seen.serverErrors > 0;
  const errors = failing ? `${percent(seen.serverErrors)} server errors` : seen.clientErrors > 0 ? `${percent(seen.clientErrors)} client errors` : '';
  const short = failing ? `${percent(seen.serverErrors)} 5xx` : `${percent(seen.clientErrors)} 4xx`;
  const label = `Route ${route.name}: ${describe(route.match)}, from ${route.listeners.map((listener) => listener.name).join(' and ')}, through ${route.plugins.join(', ') || 'no plugin'}, to ${to}; ${rate(seen.rate)} requests a second ${errors}`;
  const choose = () => setChosen(route.name);
  const leave = () => setChosen(null);
  return html`<li class="row" data-route=${route.name} tabindex="0" aria-label=${label} onMouseEnter=${choose} onMouseLeave=${leave} onFocus=${choose} onBlur=${leave}>
    <div class="node route" data-node=${`route ${route.name}`}>
      <span class="line"><span class="strong">${route.name}</span><span class="rate">${rate(seen.rate)}<small>/s</small></span></span>
      <code class="sub">${describe(route.match)}</code>
      <span class="sub">${Number.isNaN(seen.p50) ? 'no requests lately' : html`median ${duration(seen.p50)} · p99 ${duration(seen.p99)}`}${errors && html` · <span class=${failing ? 'bad-text' : 'warn-text'} title=${errors}>${short}</span>`}</span>
    </div>
    <div class="chain">
      ${route.plugins.map((name, index) => html`<${Chip} key=${index} name=${name} node=${`plugin ${route.name} ${index}`} />`)}
      ${end && html`<span class="chip end" data-node=${`end ${route.name}`}>${end}</span>`}
    </div>
    ${!end && html`<span class="to sub">→ ${to}</span>`}
  </li>`;
}

function Chip({ name, node }) {
  const plugin = state.config.plugins.find((known) => known.name === name);
  const tone = plugin?.state === 'serving' ? '' : plugin?.state === 'last-good' ? 'warn' : 'bad';
  const { now, before, seconds } = span(30);
  const cost = pluginFlow(now.plugins[name], before.plugins[name], seconds);
  const told = Number.isFinite(cost.each) ? `${duration(cost.each)} of computing for a call${cost.waits > 1e-4 ? `, and ${duration(cost.waits)} of waiting` : ''}` : 'not called lately';
  return html`<a class=${`chip ${tone}`} href="#plugins" tabindex="-1" data-node=${node} title=${`${plugin?.hooks.join(', ') ?? ''}: ${told}`}>${name}${Number.isFinite(cost.each) && html`<small>${duration(cost.each)}</small>`}</a>`;
}

function Target({ cluster }) {
  const down = cluster.endpoints.filter((endpoint) => !['healthy', 'warming'].includes(endpoint.state)).length;
  const some = cluster.endpoints.slice(0, 40);
  return html`<li class=${`node target ${down > 0 ? (down === cluster.endpoints.length ? 'bad' : 'warn') : ''}`} data-node=${`cluster ${cluster.name}`}>
    <span class="strong">${cluster.name}</span>
    <span class="dots" aria-hidden="true">${some.map((endpoint) => html`<i key=${endpoint.address} class=${`spot ${endpoint.state}`} title=${`${endpoint.address}: ${endpoint.state}`}></i>`)}</span>
    <span class="sub">${cluster.endpoints.length - down} of ${cluster.endpoints.length} endpoints serve</span>
  </li>`;
}
