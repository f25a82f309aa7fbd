// Content of services is text: it runs no script, makes no policy error and causes no request to another host.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { HOSTILE, demo, hostile } from '../mock/data.js';
import { eventually, rows, withBrowser, withPage } from './setup.js';

withBrowser();

const WEB = new URL('../../../crates/plimsoll-console/web/', import.meta.url);

test('hostile_strings_are_text_in_every_field', () => withPage(hostile, async ({ page, mock }) => {
  /** @type {string[]} */
  const elsewhere = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${mock.origin}/`)) elsewhere.push(request.url());
  });
  page.on('dialog', () => elsewhere.push('dialog'));
  const services = [...new Set(mock.services.map((it) => it.name))];
  await page.goto(`${mock.origin}/#requests`);
  await rows(page).first().waitFor();
  for (const row of mock.requests) {
    await page.goto(`${mock.origin}/#requests?n=${row.n}`);
    await page.locator('.panel .span').nth(4).waitFor();
    for (const summary of await page.locator('.span summary').all()) await summary.press('Enter');
    await page.locator('.span .fields').nth(4).waitFor();
  }
  await page.goto(`${mock.origin}/#logs`);
  await rows(page).first().waitFor();
  const records = Math.min(await rows(page).count(), 40);
  for (let at = 0; at < records; at++) await page.keyboard.press(at === 0 ? 'j' : 'k');
  await page.locator('.grid').focus();
  for (let at = 0; at < 30; at++) {
    await page.keyboard.press('Enter');
    await page.locator('.grid').focus();
    await page.keyboard.press('ArrowUp');
  }
  for (const view of ['overview', 'routes', 'service']) {
    for (const service of services) {
      await page.goto(`${mock.origin}/#${view}?service=${encodeURIComponent(service)}`);
      await page.locator('.view').waitFor();
      await page.waitForTimeout(150);
    }
  }
  await page.locator('.control-restart:visible').first().click();
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  // Strings in the address are content too.
  for (const text of HOSTILE) {
    const part = encodeURIComponent(text.toWellFormed());
    for (const view of ['requests', 'logs']) await page.goto(`${mock.origin}/#${view}?filter=${part}&n=${part}&from=${part}&to=${part}&service=${part}`);
    for (const view of ['overview', 'service', part]) await page.goto(`${mock.origin}/#${view}?service=${part}&window=${part}`);
  }
  assert.equal(await page.evaluate(() => /** @type {any} */ (globalThis).__ran), undefined, 'no script ran');
  assert.deepEqual(elsewhere, [], 'no request to another host');
  assert.equal(await page.locator('main a[href^="http"], main a[href^="javascript"], iframe, main img, main style, main script').count(), 0, 'no element from content');
}, { expected: /the server responded with a status of 400/ }));

test('hostile_strings_neither_hide_nor_reorder_text', () => withPage((mock) => {
  mock.service();
  mock.request({ path: '/a\u202Efdp.exe', route: '/x\u001b[31m\u0000' });
}, async ({ page }) => {
  await rows(page).first().waitFor();
  const shown = await page.locator('.spacer .c-route').first().innerText();
  assert.match(shown, /\/x␛\[31m␀/);
  assert.match(shown, /\/a\ufffdfdp\.exe/);
}));

test('policy_rejects_markup', () => withPage(demo, async ({ page }) => {
  await rows(page).first().waitFor();
  const rejected = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<b>x</b>';
      return false;
    } catch (error) {
      return error instanceof TypeError;
    }
  });
  assert.ok(rejected);
}, { expected: /TrustedHTML|trusted/i }));

test('token_stays_out_of_addresses_and_of_other_hosts', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  await page.goto(`${mock.origin}/#overview`);
  await page.locator('.chart .reading').first().waitFor();
  await eventually(() => mock.seen.some((it) => it.includes('/api/series')), 'charts were read');
  assert.deepEqual(mock.seen.filter((it) => it.includes(mock.token)), []);
  assert.equal(await page.evaluate(() => document.cookie), '');
  assert.ok(!(await page.content()).includes(mock.token));
}));

test('source_has_no_markup_sink_and_no_other_host', () => {
  for (const name of readdirSync(WEB).filter((it) => it.endsWith('.js') || it.endsWith('.html') || it.endsWith('.css'))) {
    const source = readFileSync(new URL(name, WEB), 'utf8');
    assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('style'|srcdoc|DOMParser/, name);
    assert.doesNotMatch(source.replaceAll('http://www.w3.org/2000/svg', '').replaceAll('http://${', ''), /https?:\/\//, name);
    if (name.endsWith('.html')) assert.doesNotMatch(source, /\sstyle=|\son[a-z]+=|<script(?![^>]*src=)/, name);
  }
});
