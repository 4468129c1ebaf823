// From counts since the start to what is going on now. Pure.

/** The difference of two lists of counts; a restarted gateway begins at 0 again. */
export function difference(now, before) {
  return now.map((value, index) => Math.max(0, value - (before?.[index] ?? 0)));
}

export const sum = (values) => values.reduce((all, value) => all + value, 0);

/** The quantile `q` of a histogram in seconds: linear within a bucket, as Prometheus has it. */
export function quantile(buckets, bounds, q) {
  const total = sum(buckets);
  if (total === 0) return NaN;
  let rank = q * total;
  for (let index = 0; index < bounds.length; index += 1) {
    if (rank <= buckets[index]) {
      const low = index === 0 ? 0 : bounds[index - 1];
      return low + (bounds[index] - low) * (rank / buckets[index]);
    }
    rank -= buckets[index];
  }
  return bounds[bounds.length - 1];
}

/** What went through between two moments: rates and shares. */
export function flow(now, before, seconds) {
  const classes = difference(now?.classes ?? [0, 0, 0, 0, 0, 0], before?.classes);
  const requests = sum(classes);
  return {
    rate: seconds > 0 ? requests / seconds : NaN,
    requests,
    clientErrors: requests ? classes[4] / requests : 0,
    serverErrors: requests ? classes[5] / requests : 0,
    classes: classes.map((value) => (seconds > 0 ? value / seconds : NaN)),
    buckets: difference(now?.buckets ?? [], before?.buckets),
  };
}

/** Rates at each of a list of points. */
export function series(points, bounds) {
  const lines = { at: [], ok: [], client: [], server: [], errors: [], refused: [], p50: [], p90: [], p99: [] };
  for (let index = 1; index < points.length; index += 1) {
    const [before, now] = [points[index - 1], points[index]];
    const seconds = (now.at - before.at) / 1000;
    if (seconds <= 0) continue;
    const seen = flow(now, before, seconds);
    lines.at.push(now.at / 1000);
    lines.ok.push(seen.rate - seen.classes[4] - seen.classes[5]);
    lines.client.push(seen.classes[4]);
    lines.server.push(seen.classes[5]);
    lines.errors.push(seen.serverErrors * 100);
    lines.refused.push(seen.clientErrors * 100);
    for (const [name, q] of [['p50', 0.5], ['p90', 0.9], ['p99', 0.99]]) {
      const value = quantile(seen.buckets, bounds, q);
      lines[name].push(Number.isNaN(value) ? null : value * 1000);
    }
  }
  return lines;
}

/** A plugin between two readings. */
export function pluginFlow(now, before, seconds) {
  const total = (reading) => sum((reading?.calls ?? []).map((call) => call[2]));
  const calls = Math.max(0, total(now) - total(before));
  const busy = Math.max(0, (now?.busy ?? 0) - (before?.busy ?? 0));
  const waited = Math.max(0, (now?.waited ?? 0) - (before?.waited ?? 0));
  const all = total(now);
  return {
    rate: seconds > 0 ? calls / seconds : NaN,
    share: seconds > 0 ? busy / seconds : NaN,
    /** Of one call: lately, or else ever. */
    each: calls > 0 ? busy / calls : all > 0 ? now.busy / all : NaN,
    /** What one call waits for answers to requests of its own, or for its turn. */
    waits: calls > 0 ? waited / calls : all > 0 ? now.waited / all : NaN,
    total: all,
  };
}
