// Numbers and times for people.

/** 0.4, 12.3, 1,234 a second. */
export function rate(value) {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  if (value < 0.05) return '<0.1';
  if (value < 100) return value.toFixed(1);
  return Math.round(value).toLocaleString('en');
}

export function count(value) {
  return Number.isFinite(value) ? value.toLocaleString('en') : '–';
}

export function percent(share) {
  if (!Number.isFinite(share)) return '–';
  const value = share * 100;
  if (value === 0) return '0 %';
  if (value < 0.1) return '<0.1 %';
  return value < 10 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

/** Seconds, in the unit that suits. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 1e-6) return seconds === 0 ? '0' : `${Math.round(seconds * 1e9)} ns`;
  if (seconds < 1e-3) return `${tidy(seconds * 1e6)} µs`;
  if (seconds < 1) return `${tidy(seconds * 1e3)} ms`;
  return `${tidy(seconds)} s`;
}

function tidy(value) {
  return value < 10 ? value.toFixed(2).replace(/\.?0+$/, '') : value < 100 ? value.toFixed(1) : Math.round(value);
}

export function bytes(value) {
  if (!Number.isFinite(value)) return '–';
  if (value < 1024) return `${value} B`;
  return value < 1024 * 1024 ? `${Math.round(value / 1024)} KiB` : `${(value / 1024 / 1024).toFixed(1)} MiB`;
}

/** The time of day of a moment in milliseconds. */
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString('en-GB');
}

export function ago(milliseconds, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - milliseconds) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}
