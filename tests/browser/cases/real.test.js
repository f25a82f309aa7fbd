// The page with the real console and a real child: the tasks whose answer depends on both.
//
// With PAGE=tree, the files of the work tree replace those in the binary, so that a change needs no build.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { launch, open } from '../browser.js';
import { RealConsole, visit } from '../console.js';
import { eventually, rows } from './setup.js';

const binary = process.env.PLIMSOLL;
const WEB = new URL('../../../crates/plimsoll-console/web/', import.meta.url);
/** @type {import('playwright-core').Browser} */
let browser;

before(async () => {
  if (binary) browser = await launch();
});
after(() => browser?.close());

/**
 * @param {(it: {console: RealConsole, page: import('playwright-core').Page, base: string}) => Promise<void>} run
 * @param {RegExp} [expected]
 */
async function withConsole(run, expected) {
  const real = await RealConsole.start(String(binary));
  const { page, errors, context } = await open(browser);
  page.setDefaultTimeout(10_000);
  if (process.env.PAGE === 'tree') {
    await page.route((url) => !url.pathname.startsWith('/api/'), async (route) => {
      const file = new URL(new URL(route.request().url()).pathname.slice(1) || 'index.html', WEB);
      const response = await route.fetch();
      await (existsSync(file) ? route.fulfill({ response, body: readFileSync(file) }) : route.fulfill({ response }));
    });
  }
  try {
    const base = await real.address();
    await page.goto(real.url);
    await run({ console: real, page, base });
    assert.deepEqual(errors.filter((it) => !expected?.test(it)), []);
  } finally {
    await context.close();
    await real.stop();
  }
}

const options = { skip: binary ? false : 'PLIMSOLL names no binary' };

test('request_of_the_child_appears_with_its_records', options, () => withConsole(async ({ page, base }) => {
  for (let seed = 0; seed < 37; seed++) await visit(base, seed);
  const failed = page.locator('.row.status-error').first();
  await failed.waitFor();
  assert.match(await failed.locator('.c-route').innerText(), /^\/orders\/\{id\}\s*\/orders\/13$/);
  await failed.click();
  await page.locator('.panel').getByText('canceling statement due to statement timeout').waitFor();
  assert.ok((await page.locator('.panel .record').count()) >= 2);
  await page.getByLabel('Filter').fill('status:404');
  await eventually(async () => (await rows(page).count()) === 1, 'one request');
}));

test('views_of_a_real_console_report_no_error', options, () => withConsole(async ({ page, base, console: real }) => {
  for (let seed = 0; seed < 20; seed++) await visit(base, seed);
  for (const view of ['overview', 'logs', 'routes', 'service', 'requests']) {
    await page.goto(`${real.origin}/#${view}`);
    await page.locator('.view').waitFor();
    await page.locator('.card:visible, .spacer .row:visible, .empty:visible, .routes:visible').first().waitFor();
  }
  await page.goto(`${real.origin}/#logs`);
  await page.locator('.row.marker-run', { hasText: 'orders run 1 began' }).waitFor();
  await page.getByLabel('Lowest level').selectOption('WARNING');
  await eventually(async () => (await page.locator('.spacer .row:not(.spare, .level-warning, .level-error)').count()) === 0, 'warnings and errors');
}, /40[45]/));

test('cell_of_the_heat_map_has_its_requests', options, () => withConsole(async ({ page, base, console: real }) => {
  for (let seed = 0; seed < 150; seed++) await visit(base, seed);
  await page.goto(`${real.origin}/#overview`);
  const plot = page.locator('.heat .plot');
  await eventually(async () => {
    const box = await plot.boundingBox();
    if (!box) return false;
    for (let x = 6; x < 60; x += 4) {
      for (let y = 0.2; y < 0.9; y += 0.05) {
        await page.mouse.move(box.x + box.width - x, box.y + box.height * y);
        if ((await page.locator('.heat .plot.hot').count()) > 0) return true;
      }
    }
    return false;
  }, 'a cell under the pointer');
  const shown = Number((await page.locator('.heat .value .reading').innerText()).replace(/\D/g, ''));
  await page.mouse.down();
  await page.mouse.up();
  await page.waitForURL(/#requests/);
  await eventually(async () => (await rows(page).count()) >= shown, `${shown} requests`);
}));

test('restart_while_the_page_is_open_is_followed', options, () => withConsole(async ({ page }) => {
  await page.locator('.chip', { hasText: 'ready' }).waitFor();
  await page.getByRole('button', { name: 'Restart orders' }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restart orders' }).click();
  await page.getByRole('link', { name: 'Service', exact: true }).click();
  await page.getByRole('rowheader', { name: '#2' }).waitFor();
  await page.locator('.chip', { hasText: 'ready' }).waitFor();
  assert.match(await page.getByRole('row', { name: /#1/ }).innerText(), /exit 0/);
  await page.getByText('Set by console').waitFor();
  await page.getByText('LOG_FORMAT').first().waitFor();
}, /40[45]/));

test('ended_console_and_its_successor_are_shown', options, () => withConsole(async ({ page, console: real }) => {
  await page.locator('.chip', { hasText: 'ready' }).waitFor();
  await real.stop();
  await page.getByText(/^Disconnected for/).waitFor();
  const next = await RealConsole.start(String(binary), new URL(real.origin).host);
  try {
    await page.getByText('Open the address in the terminal.', { exact: true }).waitFor();
    await page.goto(next.url);
    await page.locator('.chip', { hasText: 'orders' }).waitFor();
  } finally {
    await next.stop();
  }
}, /ERR_|40[145]/));
