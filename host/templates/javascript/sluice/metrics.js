// Numbers of the plugin's own in the gateway's /metrics. Grant: metrics. Never use what a client sends as a label.

import metrics from "sluice:plugin/metrics@0.1.0";

const pairs = (labels) => Object.entries(labels).map(([name, value]) => ({ name, value: String(value) }));

/** Add to a counter. */
export const add = (name, labels = {}, by = 1) => metrics.add(name, pairs(labels), by);

/** Set a gauge. */
export const set = (name, labels, value) => metrics.set(name, pairs(labels), value);

/** Record a value in a histogram. */
export const observe = (name, labels, value) => metrics.observe(name, pairs(labels), value);
