// Drives the dashboard in Chromium, as a person would, and fails if what it shows isn't so or what it does doesn't
// act. Started by tests/integration/dashboard.rs, which says where everything is.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const { ADMIN, PUBLIC, SOURCES, CHROMIUM, MODULES, OUTPUT, FILES, TOKEN, FIRST, SECOND } = process.env;
const require = createRequire(path.join(MODULES, 'package.json'));
const { chromium } = require('playwright-core');
const AXE = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const BROWSER = {
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
};
/** Long enough for a busy machine. */
const BROKEN = Number(process.env.PATIENCE ?? 60_000);

const authorized = { Authorization: `Bearer ${TOKEN}` };
const ask = (target, headers = {}) => fetch(`${PUBLIC}${target}`, { headers }).then(async (answer) => ({ status: answer.status, text: await answer.text() }));
const metrics = () => fetch(`${ADMIN}/metrics`, { headers: authorized }).then((answer) => answer.text());

/** The sum of all series of that name whose labels have all of these. */
function value(text, name, labels = {}) {
  const wanted = Object.entries(labels).map(([key, label]) => `${key}="${label}"`);
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && wanted.every((label) => line.includes(label)));
  return lines.reduce((all, line) => all + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

async function step(name, run) {
  await run();
  console.log(`ok: ${name}`);
}

const browser = await chromium.launch(BROWSER);
const complaints = [];

async function open(options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(BROKEN);
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type()) && !message.text().includes('401')) complaints.push(message.text()); });
  page.on('pageerror', (error) => complaints.push(error.message));
  // To work on the page without building the gateway anew.
  if (SOURCES) await page.route('**/dashboard/**', async (route) => route.fulfill({ response: await route.fetch(), body: fs.readFileSync(path.join(SOURCES, new URL(route.request().url()).pathname.slice('/dashboard/'.length))) }));
  page.on('request', (request) => { if (!request.url().startsWith(ADMIN)) complaints.push(`asked ${request.url()}`); });
  await page.goto(`${ADMIN}/`);
  return page;
}

async function unlock(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
}

/** Look at it: for people, and for what can be measured. */
async function look(page, name) {
  await page.screenshot({ path: path.join(OUTPUT, `${name}.png`), fullPage: true });
  const { scroll, width } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: window.innerWidth }));
  assert.ok(scroll <= width, `${name}: the page is ${scroll} wide and the window ${width}`);
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  const found = violations.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.target.join(' ')).slice(0, 3).join(', ')} (${violation.help}; ${violation.nodes[0]?.any[0]?.message ?? ''})`);
  assert.deepEqual(found, [], `${name}: not accessible`);
}

await step('rates and quantiles are right', async () => {
  const source = fs.readFileSync(new URL('../../host/dashboard/rates.js', import.meta.url), 'utf8');
  const { difference, flow, pluginFlow, quantile, series } = await import(`data:text/javascript,${encodeURIComponent(source)}`);
  const bounds = [0.001, 0.01, 0.1];
  const near = (value, expected) => assert.ok(Math.abs(value - expected) < 1e-9, `${value} isn’t ${expected}`);
  near(quantile([0, 100, 0, 0], bounds, 0.5), 0.0055);
  near(quantile([50, 0, 50, 0], bounds, 0.5), 0.001);
  // What is beyond all bounds is told as the last of them, as Prometheus does.
  assert.equal(quantile([0, 0, 0, 5], bounds, 0.5), 0.1);
  assert.ok(Number.isNaN(quantile([0, 0, 0, 0], bounds, 0.5)));
  assert.deepEqual(difference([5, 1], [2, 4]), [3, 0]);
  const point = (at, ok, bad, buckets) => ({ at, classes: [0, 0, ok, 0, 0, bad], buckets });
  const [before, now] = [point(0, 10, 0, [10, 0, 0, 0]), point(2000, 16, 2, [10, 8, 0, 0])];
  const seen = flow(now, before, 2);
  assert.deepEqual([seen.rate, seen.serverErrors, seen.requests], [4, 0.25, 8]);
  const lines = series([before, now, now], bounds);
  assert.deepEqual([lines.at, lines.ok, lines.server, lines.errors], [[2], [3], [1], [25]]);
  near(lines.p50[0], 5.5);
  const calls = (count) => [['authenticate', 'identified', count]];
  const plugin = pluginFlow({ calls: calls(30), busy: 0.003, waited: 0 }, { calls: calls(10), busy: 0.001, waited: 0 }, 10);
  assert.deepEqual([plugin.rate, Math.round(plugin.each * 1e6), plugin.total], [2, 100, 30]);
});

try {
  const page = await open({ viewport: { width: 1440, height: 900 }, colorScheme: 'light' });
  await step('without the token it shows nothing', async () => {
    await page.getByRole('heading', { name: 'This gateway asks for a token' }).waitFor();
    await unlock(page, 'wrong');
    await page.getByRole('status').getByText('doesn’t take this token').waitFor();
    await page.getByRole('heading', { name: 'This gateway asks for a token' }).waitFor();
    assert.equal(await page.locator('#flow').count(), 0);
    await unlock(page, TOKEN);
    await page.locator('#flow').waitFor();
  });

  await step('its numbers are those of /metrics', async () => {
    for (let number = 0; number < 40; number += 1) await ask('/pair', { 'x-api-key': 'good-key' });
    for (let number = 0; number < 7; number += 1) await ask('/pair');
    for (let number = 0; number < 5; number += 1) await ask('/nowhere');
    const text = await metrics();
    const total = value(text, 'http_server_request_duration_seconds_count');
    assert.equal(total, 52);
    await page.locator(`#tile-total[data-value="${total}"]`).waitFor();
    const identified = value(text, 'sluice_plugin_calls_total', { plugin: 'keys', outcome: 'identified' });
    assert.equal(identified, 40);
    await page.locator(`[data-plugin="keys"] [data-call="authenticate identified"][data-value="${identified}"]`).waitFor();
    const tries = value(text, 'sluice_upstream_requests_total', { cluster: 'pair', outcome: 'ok' });
    assert.equal(tries, 40);
    await page.locator(`[data-cluster="pair"] [data-try="ok"][data-value="${tries}"]`).waitFor();
  });

  await step('what a plugin costs stands where requests pass it', async () => {
    await page.locator('[data-route="pair"] .chip small').filter({ hasText: /(µs|ms)$/ }).waitFor();
  });

  await step('pointing at a chart tells the numbers of that moment in all of them', async () => {
    const box = await page.locator('#chart-durations .u-over').boundingBox();
    await page.mouse.move(box.x + box.width - 3, box.y + 40);
    await page.locator('#traffic .note').getByText(/^at \d\d:\d\d:\d\d$/).waitFor();
    await page.mouse.move(0, 0);
    await page.locator('#traffic .note').getByText('the last ten minutes').waitFor();
  });

  await step('refused requests are told with their reasons', async () => {
    await page.locator('#refusals').getByText('no route matches').first().waitFor();
    await page.locator('#find-refusals').fill('keys');
    await page.locator('#refusals ol li').filter({ hasText: 'route pair' }).first().waitFor();
    assert.equal(await page.locator('#refusals ol li').filter({ hasText: '/nowhere' }).count(), 0);
    await page.locator('#find-refusals').fill('');
  });

  const endpoint = page.locator(`[data-endpoint="${SECOND}"]`);
  const answers = async () => {
    const seen = new Set();
    for (let number = 0; number < 24; number += 1) seen.add((await ask('/pair', { 'x-api-key': 'good-key' })).text);
    return [...seen].sort();
  };
  await step('an endpoint is taken out, and put back', async () => {
    assert.deepEqual(await answers(), ['first', 'second']);
    // By keyboard, as not everybody has a mouse.
    await endpoint.getByRole('button', { name: /Take out/ }).focus();
    await page.keyboard.press('Enter');
    await endpoint.getByText('taken out').waitFor();
    assert.deepEqual(await answers(), ['first']);
    assert.equal(value(await metrics(), 'sluice_endpoint_drained', { endpoint: SECOND }), 1);
    await look(page, 'light');
    await endpoint.getByRole('button', { name: /Put back/ }).click();
    await endpoint.getByText('healthy').waitFor();
    assert.deepEqual(await answers(), ['first', 'second']);
  });

  await step('the last endpoint is only taken out if one insists', async () => {
    await endpoint.getByRole('button', { name: /Take out/ }).click();
    await endpoint.getByText('taken out').waitFor();
    const last = page.locator(`[data-endpoint="${FIRST}"]`);
    page.once('dialog', (dialog) => dialog.dismiss());
    await last.getByRole('button', { name: /Take out/ }).click();
    assert.deepEqual(await answers(), ['first']);
    page.once('dialog', (dialog) => dialog.accept());
    await last.getByRole('button', { name: /Take out/ }).click();
    await last.getByText('taken out').waitFor();
    assert.equal((await ask('/pair', { 'x-api-key': 'good-key' })).status, 503);
    for (const each of [endpoint, last]) {
      await each.getByRole('button', { name: /Put back/ }).click();
      await each.getByText('healthy').waitFor();
    }
  });

  await step('the log says more when asked to', async () => {
    await page.locator('#log-level').selectOption('debug');
    await page.getByRole('status').getByText('The log says debug').waitFor();
    const log = await fetch(`${ADMIN}/api/v1/log`, { headers: authorized }).then((answer) => answer.json());
    assert.equal(log.filter, 'debug');
  });

  await step('a reload takes up what has changed, and a refused one says why', async () => {
    const file = path.join(FILES, 'sluice.toml');
    const before = fs.readFileSync(file, 'utf8');
    const replace = (text) => { fs.writeFileSync(`${file}.part`, text); fs.renameSync(`${file}.part`, file); };
    replace(`${before}\n[[route]]\nname = "added"\nmatch = { path = "/added" }\nrespond = { status = 200, body = "here" }\n`);
    await page.locator('#reload').click();
    await page.locator('#reloads').getByText('route added: added').waitFor();
    await page.locator('[data-route="added"]').waitFor();
    assert.equal((await ask('/added')).text, 'here');
    replace(`${before}\n[[route]]\nname = "broken"\npluginz = []\n`);
    await page.locator('#reload').click();
    await page.getByRole('alert').getByText('did you mean "plugins"?').waitFor();
    replace(before);
    await page.locator('#reload').click();
    await page.getByRole('alert').waitFor({ state: 'detached' });
  });

  await step('no page of another origin can do that', async () => {
    const [cluster, state] = ['pair', 'drain'];
    const body = JSON.stringify({ cluster, endpoint: SECOND, state });
    const options = { method: 'PUT', headers: { ...authorized, 'Content-Type': 'application/json', Origin: 'http://evil.example' }, body };
    assert.equal((await fetch(`${ADMIN}/api/v1/endpoints`, options)).status, 403);
    assert.deepEqual(await answers(), ['first', 'second']);
  });

  await step('dark, and on a phone', async () => {
    const dark = await open({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark' });
    await unlock(dark, TOKEN);
    await dark.locator('#flow').waitFor();
    await look(dark, 'dark');
    const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: 'light', hasTouch: true, isMobile: true });
    await unlock(phone, TOKEN);
    await phone.locator('#flow').waitFor();
    await look(phone, 'phone');
  });

  await step('without a token in the configuration it changes nothing', async () => {
    const file = path.join(FILES, 'sluice.toml');
    fs.writeFileSync(`${file}.part`, fs.readFileSync(file, 'utf8').replace(/^token = .*\n/m, ''));
    fs.renameSync(`${file}.part`, file);
    // Those who read already are told, and then it holds for new ones.
    await page.getByText('Read-only').waitFor();
    const phone = await open({ viewport: { width: 390, height: 844 }, colorScheme: 'dark', hasTouch: true, isMobile: true });
    await phone.getByText('Read-only').waitFor();
    for (const each of [page, phone]) {
      assert.ok(await each.locator('#reload').isDisabled() && await each.locator('#log-level').isDisabled());
      assert.ok(await each.locator(`[data-endpoint="${FIRST}"] button`).isDisabled());
    }
    await look(phone, 'read-only');
  });

  assert.deepEqual(complaints, [], 'the browser complains');
  console.log('1 page, all well');
} finally {
  await browser.close();
}
