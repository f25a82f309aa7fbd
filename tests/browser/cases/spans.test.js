// The waterfall of a request: its spans on one axis, as they were received.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demo } from '../mock/data.js';
import { span } from '../mock/spans.js';
import { eventually, rows, withBrowser, withPage } from './setup.js';

/** @typedef {import('playwright-core').Page} Page */

withBrowser();

/** Opens the newest failed request. @param {Page} page */
async function openFailed(page) {
  await page.locator('.row.status-error').first().click();
  const spans = page.locator('.panel').getByRole('region', { name: 'Spans' });
  await spans.waitFor();
  return spans;
}

/** Places of bars as shares of the axis. @param {Page} page */
function bars(page) {
  return page.locator('.span').evaluateAll((all) => all.map((it) => {
    const bar = it.querySelector('.bar')?.getBoundingClientRect();
    const axis = /** @type {Element} */ (it.querySelector('summary')).getBoundingClientRect();
    return bar ? [(bar.left - axis.left) / axis.width, bar.width / axis.width] : null;
  }));
}

/** @param {number | undefined} found @param {number} wanted */
function near(found, wanted) {
  assert.ok(found !== undefined && Math.abs(found - wanted) < 0.02, `${found} is not ${wanted}`);
}

test('waterfall_shows_spans_in_their_order', () => withPage(demo, async ({ page }) => {
  const spans = await openFailed(page);
  assert.equal(await spans.getByRole('heading').innerText(), 'Spans (6)');
  const names = await spans.locator('.name').allInnerTexts();
  assert.deepEqual(names.map((it) => it.replace(/^[▸▾] /, '')), ['GET /orders/{id}', 'authorise', 'load order', 'pool.acquire', 'db.query', 'GET /prices prices']);
  const items = spans.locator('ol.records > li');
  assert.deepEqual(await items.evaluateAll((all) => all.map((it) => it.ariaLevel)), ['1', '2', '2', '3', '3', '1']);
  const indents = await spans.locator('.name').evaluateAll((all) => all.map((it) => parseFloat(getComputedStyle(it).paddingLeft)));
  assert.deepEqual(indents, [0, 12, 12, 24, 24, 0]);
  assert.match(await items.first().innerText(), /31\.4 ms/);
  // The span of the other service begins 1.1 ms before the request: it is where its clock says.
  const places = await bars(page);
  near(places[5]?.[0], 0);
  near(places[0]?.[0], 1.1 / 32.5);
  near(places[0]?.[1], 31.4 / 32.5);
  near(places[3]?.[0], 4.2 / 32.5);
  near(places[3]?.[1], 8.2 / 32.5);
}));

test('error_and_missing_parent_are_marked_by_text', () => withPage(demo, async ({ page }) => {
  const spans = await openFailed(page);
  const texts = await spans.locator('summary').allInnerTexts();
  assert.deepEqual(texts.map((it) => /\berror\b/.test(it)), [true, false, true, false, true, false]);
  assert.deepEqual(texts.map((it) => it.includes('(parent not received)')), [false, false, false, false, false, true]);
  const colours = await spans.locator('.bar').evaluateAll((all) => all.map((it) => getComputedStyle(it).backgroundColor));
  assert.equal(colours[0], colours[4]);
  assert.notEqual(colours[0], colours[1]);
}));

test('keyboard_opens_attributes_and_events', () => withPage(demo, async ({ page }) => {
  const spans = await openFailed(page);
  const query = spans.locator('summary').nth(4);
  await spans.locator('summary').nth(3).focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const shown = spans.locator('details').nth(4);
  await shown.locator('.fields').first().waitFor();
  const text = await shown.innerText();
  assert.match(text, /db\.query\.text\s+SELECT \* FROM orders WHERE id = \$1/);
  assert.match(text, /Event exception/);
  assert.match(text, /exception\.type\s+QueryCanceled/);
  assert.match(text, /error\s+canceling statement\ndue to statement timeout/);
  assert.ok(await query.evaluate((it) => it === document.activeElement));
  await page.keyboard.press('Enter');
  await shown.locator('.fields').first().waitFor({ state: 'hidden' });
  await query.click();
  await shown.locator('.fields').first().waitFor();
}));

test('later_spans_appear_and_the_open_one_stays', () => withPage(demo, async ({ page, mock }) => {
  const spans = await openFailed(page);
  await spans.locator('summary').nth(1).focus();
  await page.keyboard.press('Enter');
  const [n, trace] = /** @type {[number, any]} */ ([...mock.traces].at(-1));
  mock.spans(n, [...trace.spans, span({ id: 'e1', name: 'late', start: trace.spans[0].start })], trace.missingParents);
  await page.getByRole('heading', { name: 'Spans (7)' }).waitFor();
  assert.deepEqual(await page.locator('.span details').evaluateAll((all) => all.flatMap((it, at) => (it.hasAttribute('open') ? [at] : []))), [1]);
  await eventually(() => page.evaluate(() => document.activeElement?.textContent?.includes('authorise') ?? false), 'the focus is on the same span');
}));

test('unusual_times_are_drawn_as_received', () => withPage((mock) => {
  mock.service();
  const row = mock.request({ ms: 10 });
  const { start } = row;
  mock.spans(row.n, [
    span({ id: 'a', name: 'own', start, ms: 10 }),
    span({ id: 'b', name: 'ends before its start', parent: 'a', start: start + 0.008, ms: -4 }),
    span({ id: 'c', name: 'after the request', parent: 'a', start: start + 0.03, ms: 10 }),
    span({ id: 'd', name: 'no time', parent: 'a', start: null, ms: null }),
    span({ id: 'e', name: 'no end', parent: 'a', start: start + 0.04, ms: null }),
  ]);
}, async ({ page }) => {
  await rows(page).first().click();
  await page.locator('.span').nth(4).waitFor();
  const places = await bars(page);
  assert.equal(places[3], null);
  for (const [at, from, length] of /** @type {const} */ ([[0, 0, 0.25], [1, 0.1, 0.1], [2, 0.75, 0.25]])) {
    near(places[at]?.[0], from);
    near(places[at]?.[1], length);
  }
  near(places[4]?.[0], 1);
  const texts = await page.locator('.span summary').allInnerTexts();
  assert.match(String(texts[1]), /−4\.00 ms/);
  assert.match(String(texts[3]), /–$/);
  await page.locator('.span summary').nth(1).click();
  await page.getByText('negative: the end is before the start').waitFor();
}));

test('many_spans_are_limited_and_counted', () => withPage((mock) => {
  mock.service();
  const row = mock.request({ ms: 900 });
  // One chain: the depth has a limit on the page.
  mock.spans(row.n, Array.from({ length: 1234 }, (_, at) => span({ id: `s${at}`, parent: at ? `s${at - 1}` : null, name: `span ${at}`, start: row.start + at / 2000, ms: 900 - at / 2 })));
}, async ({ page }) => {
  await rows(page).first().click();
  await page.getByText('The first 200 of 1,234 spans.').waitFor();
  assert.equal(await page.locator('.span').count(), 200);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0);
  const last = await page.locator('.span .name').last().boundingBox();
  assert.ok(last && last.width > 60 && last.x + last.width <= 320, JSON.stringify(last));
}, { width: 320, height: 640 }));

test('request_without_spans_has_no_waterfall', () => withPage(demo, async ({ page }) => {
  await page.locator('.row:not(.status-error, .head, .spare)').first().click();
  await page.locator('.panel h3').first().waitFor();
  assert.equal(await page.getByRole('region', { name: 'Spans' }).count(), 0);
  assert.equal(await page.locator('.span').count(), 0);
}));
