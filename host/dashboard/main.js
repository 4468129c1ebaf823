// The page: puts the sections together and keeps them up to date.

import { Charts } from './charts.js';
import { Clusters } from './clusters.js';
import { Refusals, Reloads } from './events.js';
import { Flow } from './flow.js';
import { Header, Problems, Tiles } from './header.js';
import { html, render, useLayoutEffect, useState } from './parts.js';
import { Plugins } from './plugins.js';
import { run, state, subscribe, useToken } from './store.js';

function App() {
  const [, tick] = useState(0);
  useLayoutEffect(() => {
    const again = () => tick((number) => number + 1);
    const end = subscribe(again);
    // What changed before there was somebody to tell.
    again();
    return end;
  }, []);
  const { connection, config, numbers } = state;
  const loaded = config && numbers.length > 0;
  return html`
    <a class="skip" href="#flow">Skip to the content</a>
    <${Header} />
    <main>
      ${connection === 'locked' ? html`<${Lock} />` : connection === 'forbidden' ? html`<${Closed} />` : loaded ? html`<${Sections} />` : html`<${Waiting} />`}
    </main>
    <${Message} />`;
}

function Sections() {
  return html`
    <${Problems} /><${Tiles} /><${Flow} /><${Charts} /><${Plugins} /><${Clusters} />
    <div class="pair"><${Refusals} /><${Reloads} /></div>`;
}

function Waiting() {
  return html`<p class="empty big">${state.connection === 'lost' ? 'The gateway doesn’t answer. Trying again…' : 'Asking the gateway…'}</p>`;
}

/** What the gateway says to a browser that shows no certificate. */
function Closed() {
  return html`<div class="lock card" role="alert"><h2>This gateway doesn’t let the page in</h2><p>It says: ${state.refused}.</p></div>`;
}

/** Asks for the token of the admin API. */
function Lock() {
  const [text, setText] = useState('');
  const submit = (event) => {
    event.preventDefault();
    useToken(text.trim());
    setText('');
  };
  return html`<form class="lock card" onSubmit=${submit}>
    <h2>This gateway asks for a token</h2>
    <p>It is the <code>token</code> of <code>[admin]</code> in its configuration. It is kept until this tab is closed.</p>
    <label for="token">Token</label>
    <input id="token" type="password" autocomplete="off" required value=${text} onInput=${(event) => setText(event.target.value)} />
    <button class="primary">Show the dashboard</button>
  </form>`;
}

/** What came of the last action. */
function Message() {
  const { message } = state;
  const old = !message || Date.now() - message.at > 8000;
  return html`<div role="status" class=${`message ${old ? 'gone' : ''} ${message?.bad ? 'bad' : ''}`}>${old ? '' : message.text}</div>`;
}

render(html`<${App} />`, document.getElementById('app'));
run();
