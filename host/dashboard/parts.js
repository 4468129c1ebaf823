// The libraries, bound together once, and the smallest parts of the page.

/* global preact, preactHooks, htm */
export const { render } = preact;
export const { useState, useEffect, useLayoutEffect, useRef, useMemo } = preactHooks;
export const html = htm.bind(preact.h);

/** A section of the page with a heading that can be linked to. */
export function Section({ id, title, note, children }) {
  return html`<section id=${id} aria-labelledby=${`${id}-title`}>
    <div class="section-head"><h2 id=${`${id}-title`}>${title}</h2>${note && html`<div class="note">${note}</div>`}</div>
    ${children}
  </section>`;
}

const TONES = {
  serving: 'good', healthy: 'good', published: 'good', ready: 'good', live: 'good',
  'last-good': 'warn', drained: 'warn', warming: 'warn', ejected: 'bad', unused: 'quiet', unchanged: 'quiet', connecting: 'quiet',
  refused: 'bad', unavailable: 'bad', unhealthy: 'bad', stopping: 'bad', lost: 'bad',
};

/** A state in one word. The word says it; the colour only helps. */
export function Pill({ state, text }) {
  return html`<span class=${`pill ${TONES[state] ?? 'quiet'}`}>${text ?? state}</span>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}
