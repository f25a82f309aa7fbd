// What the page does: the tasks of a developer, with the pointer and with keys alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { demo, fleet, shop } from '../mock/data.js';
import { eventually, rows, withBrowser, withPage } from './setup.js';

withBrowser();

test('token_leaves_the_address', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  assert.equal(new URL(page.url()).hash, '');
  assert.equal(await page.evaluate(() => localStorage.getItem('plimsoll.token')), mock.token);
  // The address without the token works in this browser.
  await page.reload();
  await rows(page).first().waitFor();
}));

test('failed_request_shows_its_records_in_three_seconds', () => withPage(demo, async ({ page }) => {
  const began = Date.now();
  await page.locator('.row.status-error').first().click();
  await page.locator('.panel').getByText('canceling statement due to statement timeout').waitFor();
  assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
  assert.equal(await page.locator('.panel .record').count(), 4);
  assert.match(await page.locator('.panel h2').innerText(), /500\s*GET \/orders\/\d+\s*31\.4 ms/);
}));

test('panel_copies_id_and_command', () => withPage((mock) => {
  demo(mock);
  mock.request({ method: 'POST', path: "/o'rders/$(id)\u001b[31m", query: 'a=`id`&b=é', id: 'an id' });
}, async ({ page }) => {
  await page.getByText('an id', { exact: true }).click();
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await page.getByRole('button', { name: 'Copy id' }).click();
  await eventually(async () => (await clipboard()) === 'an id', 'the id is copied');
  await page.getByRole('button', { name: 'Copy curl' }).click();
  await eventually(async () => (await clipboard()).startsWith('curl'), 'the command is copied');
  assert.equal(await clipboard(), "curl -i -X POST 'http://127.0.0.1:8080/o'\\''rders/$(id)%1B[31m?a=`id`&b=%C3%A9'");
}));

test('filter_is_in_the_address_and_narrows_the_list', () => withPage(demo, async ({ page }) => {
  await rows(page).first().waitFor();
  await page.getByLabel('Filter').fill('status:5xx');
  await page.waitForURL(/#requests\?filter=status%3A5xx/);
  await eventually(async () => (await rows(page).count()) > 3 && (await page.locator('.spacer .row:not(.spare, .status-error)').count()) === 0, 'only failed requests');
  await page.reload();
  await page.locator('.row.status-error').first().waitFor();
  assert.equal(await page.getByLabel('Filter').inputValue(), 'status:5xx');
  await page.getByRole('button', { name: '4xx' }).click();
  await eventually(async () => (await page.locator('.spacer .row.status-warning').count()) > 3, 'the other status replaces it');
  assert.equal(await page.getByLabel('Filter').inputValue(), 'status:4xx');
}));

test('invalid_filter_names_the_term', () => withPage(demo, async ({ page }) => {
  await page.getByLabel('Filter').fill('colour:red');
  await page.getByRole('alert').getByText('unknown key').waitFor();
  assert.equal(await page.getByLabel('Filter').getAttribute('aria-invalid'), 'true');
  await page.getByLabel('Filter').fill('');
  await page.getByRole('alert').waitFor({ state: 'hidden' });
}, { expected: /400/ }));

test('new_request_appears_at_the_top', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  mock.request({ path: '/fresh', route: '/fresh' });
  await page.locator('.row', { hasText: '/fresh' }).waitFor();
  const box = await page.locator('.row', { hasText: '/fresh' }).boundingBox();
  const head = await page.locator('.row.head').boundingBox();
  assert.ok(box && head && Math.abs(box.y - head.y - head.height) < 2, 'directly below the head');
}));

test('position_is_kept_while_requests_arrive', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  await page.locator('.grid').evaluate((it) => it.scrollTo(0, 1200));
  await page.locator('.newest').waitFor();
  const row = rows(page).nth(20);
  const name = await row.locator('.c-id').innerText();
  const before = await page.locator('.row', { hasText: name }).boundingBox();
  for (let seed = 0; seed < 40; seed++) shop(mock, seed);
  await eventually(async () => (await page.locator('.grid').evaluate((it) => it.scrollTop)) > 1900, 'the list has grown above');
  const after = await page.locator('.row', { hasText: name }).boundingBox();
  assert.ok(before && after && Math.abs(before.y - after.y) < 2, `${before?.y} and ${after?.y}`);
  await page.locator('.newest').click();
  await eventually(async () => (await page.locator('.grid').evaluate((it) => it.scrollTop)) === 0, 'at the newest');
}));

test('older_rows_are_read_on_demand', () => withPage(demo, async ({ page }) => {
  await rows(page).first().waitFor();
  await eventually(async () => {
    await page.locator('.grid').evaluate((it) => it.scrollTo(0, it.scrollHeight));
    return (await page.locator('.grid').getAttribute('aria-rowcount')) === '601';
  }, 'all 600 rows and the head');
}));

test('logs_follow_and_keep_their_position', () => withPage(demo, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#logs`);
  const follow = page.getByRole('button', { name: 'Follow' });
  await rows(page).first().waitFor();
  mock.log({ message: 'the newest one' });
  await page.getByText('the newest one').waitFor();
  await page.locator('.grid').evaluate((it) => it.scrollTo(0, 400));
  await eventually(async () => (await follow.getAttribute('aria-pressed')) === 'false', 'scrolling stops to follow');
  const before = await page.locator('.grid').evaluate((it) => it.scrollTop);
  mock.log({ message: 'one more' });
  await page.waitForResponse(/api/).catch(() => null);
  assert.ok(Math.abs((await page.locator('.grid').evaluate((it) => it.scrollTop)) - before) < 2);
  await follow.click();
  await page.getByText('one more').waitFor();
}));

test('logs_narrow_by_level_target_and_text', () => withPage(demo, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#logs`);
  await page.getByLabel('Lowest level').selectOption('WARNING');
  await eventually(async () => (await rows(page).count()) > 3 && (await page.locator('.spacer .row:not(.spare, .level-warning, .level-error)').count()) === 0, 'warnings and errors');
  await page.getByLabel('Target').fill('orders::db');
  await eventually(async () => (await page.locator('.spacer .row:not(.spare) .c-target', { hasText: /^http$/ }).count()) === 0, 'one target');
  await page.getByLabel('Filter').fill('timeout');
  await eventually(async () => decodeURIComponent(page.url()).replaceAll('+', ' ').endsWith('#logs?filter=level:WARNING target:orders::db timeout'), page.url());
  await eventually(async () => (await rows(page).count()) > 3 && (await page.locator('.spacer .row:not(.spare)', { hasNotText: 'timeout' }).count()) === 0, 'one text');
}));

test('runs_are_separated_in_logs', () => withPage((mock) => {
  mock.service();
  mock.log();
  mock.logs.push({ n: ++mock.n, service: 'orders', run: 2, time: 1_795_933_383, marker: 'run', pid: 7 });
  mock.log();
}, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#logs`);
  await page.locator('.row.marker-run', { hasText: 'orders run 2 began, ' }).waitFor();
}));

test('pause_pins_the_list_and_counts_newer_rows', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  const shown = () => page.locator('.spacer .row[aria-rowindex="2"]:not(.spare)').innerText();
  await page.keyboard.press('p');
  const before = await shown();
  for (let seed = 0; seed < 7; seed++) mock.request();
  await page.getByText('Paused; 7 newer').waitFor();
  assert.equal(await shown(), before);
  await page.getByRole('button', { name: 'Resume' }).first().click();
  await eventually(async () => (await shown()) !== before, 'the newer rows are shown');
  await page.locator('.banner').waitFor({ state: 'hidden' });
}));

test('page_resumes_without_loss_after_the_server_was_away', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  await mock.close();
  await page.getByText(/^Disconnected for/).waitFor();
  assert.ok(await page.locator('body.stale').count(), 'values are grey');
  assert.ok((await rows(page).count()) > 10, 'the rows stay');
  mock.request({ path: '/while-away', route: '/while-away' });
  await mock.listen();
  await page.locator('.row', { hasText: '/while-away' }).waitFor();
  await page.locator('.banner').waitFor({ state: 'hidden' });
  assert.equal(await page.locator('.row.marker').count(), 0);
  assert.equal(await page.locator('.row', { hasText: '/while-away' }).count(), 1);
}, { expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_SOCKET|ERR_EMPTY/ }));

test('evicted_cursor_is_a_gap', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  await mock.close();
  await page.getByText(/^Disconnected for/).waitFor();
  for (let seed = 0; seed < 30; seed++) mock.request();
  mock.evict(mock.n - 5);
  await mock.listen();
  await page.locator('.row.marker-gap', { hasText: 'evicted' }).waitFor();
}, { expected: /ERR_/ }));

test('rows_that_the_stream_skips_can_be_read', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  for (let seed = 0; seed < 260; seed++) mock.request({ path: `/burst/${seed}`, route: '/burst' });
  await page.locator('.row', { hasText: '/burst' }).first().waitFor();
  const marker = page.locator('.row.marker-skipped');
  await eventually(async () => {
    await page.locator('.grid').evaluate((it) => it.scrollBy(0, 600));
    return (await marker.count()) > 0;
  }, 'the marker');
  assert.match(await marker.innerText(), /60 not shown/);
  await marker.click();
  await marker.waitFor({ state: 'detached' }).catch(() => null);
  await eventually(async () => (await marker.count()) === 0, 'the marker is filled');
}));

test('restarted_console_asks_for_the_new_address', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  mock.restart();
  await page.getByText('Open the address in the terminal.', { exact: true }).waitFor();
  demo(mock);
  // The new address in the same tab.
  await page.goto(mock.url);
  await rows(page).first().waitFor();
}, { expected: /401|ERR_/ }));

test('restart_of_a_service_asks_first_and_is_followed', () => withPage(demo, async ({ page, mock }) => {
  await page.getByRole('button', { name: 'Restart orders' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Sends SIGTERM to pid 24272').waitFor();
  await dialog.getByText('37 requests are in flight').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual(mock.posts, []);
  await page.getByRole('button', { name: 'Restart orders' }).first().click();
  await dialog.getByRole('button', { name: 'Restart orders' }).click();
  await eventually(() => mock.posts.join() === 'orders restart', 'the request was sent');
  mock.service({ state: 'draining', since: Date.now() / 1000, controls: ['stop'] });
  await page.locator('.chip', { hasText: 'draining 37 left' }).waitFor();
  mock.service({ state: 'starting', since: Date.now() / 1000, pid: null, run: 3, lastLine: 'Compiling orders', controls: ['stop'] });
  await page.locator('.chip', { hasText: 'starting' }).waitFor();
  await page.locator('#announcer', { hasText: 'orders is starting' }).waitFor({ state: 'attached' });
  mock.service({ run: 3, pid: 25000 });
  await page.locator('.chip', { hasText: 'ready' }).waitFor();
}));

test('exited_service_shows_status_last_lines_and_start', () => withPage(fleet, async ({ page, mock }) => {
  await page.getByRole('link', { name: /^py/ }).click();
  await page.getByRole('heading', { name: 'Last lines before exit 1' }).waitFor();
  await page.locator('.last-lines', { hasText: "No module named 'fastapi'" }).first().waitFor();
  await page.getByRole('button', { name: 'Start py' }).first().click();
  await page.getByRole('dialog').getByRole('button', { name: 'Start py' }).click();
  await eventually(() => mock.posts.join() === 'py start', 'the request was sent');
}));

test('all_views_work_with_keys_alone', () => withPage(demo, async ({ page }) => {
  await rows(page).first().waitFor();
  for (const [key, view] of [['o', 'overview'], ['l', 'logs'], ['t', 'routes'], ['s', 'service'], ['r', 'requests']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(String(key));
    await page.waitForURL(new RegExp(`#${view}`));
  }
  await rows(page).first().waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('status:5xx');
  await page.waitForURL(/status%3A5xx/);
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'grid');
  await eventually(async () => (await rows(page).count()) > 3 && (await page.locator('.spacer .row:not(.spare, .status-error)').count()) === 0, 'filtered');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await eventually(async () => (await page.locator('.row.active').getAttribute('aria-rowindex')) === '2', 'the first row is active');
  const active = await page.locator('.grid').getAttribute('aria-activedescendant');
  assert.equal(await page.locator('.row.active').getAttribute('id'), active);
  await page.keyboard.press('Enter');
  await page.locator('.panel h2').waitFor();
  await eventually(() => page.evaluate(() => document.activeElement?.localName === 'h2'), 'the panel has the focus');
  await page.keyboard.press('Escape');
  await page.locator('.panel').waitFor({ state: 'hidden' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'grid');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keys and settings' }).waitFor();
  await page.getByLabel('Single keys act').uncheck();
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');
  await page.keyboard.press('o');
  assert.match(page.url(), /#requests/);
}));

test('focus_and_active_row_survive_updates', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  await page.locator('.grid').focus();
  await page.keyboard.press('ArrowDown');
  const id = await page.locator('.row.active .c-id').innerText();
  for (let seed = 0; seed < 5; seed++) mock.request({ path: '/update', route: '/update' });
  await page.locator('.row', { hasText: '/update' }).first().waitFor();
  assert.equal(await page.locator('.row.active .c-id').innerText(), id);
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'grid');
  await page.goto(`${mock.origin}/#service`);
  await page.getByText('Last lines of run 1').focus();
  mock.service({ lastLine: 'x', run: 2 });
  await page.waitForFunction(() => document.activeElement?.localName === 'summary');
}));

test('hidden_page_closes_its_stream', () => withPage(demo, async ({ page, mock }) => {
  await rows(page).first().waitFor();
  const streams = () => mock.open;
  assert.equal(streams(), 1);
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await eventually(() => streams() === 0, 'the stream is closed');
  mock.request({ path: '/while-hidden', route: '/while-hidden' });
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: false, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await page.locator('.row', { hasText: '/while-hidden' }).waitFor();
  assert.equal(streams(), 1);
}));

test('cell_of_the_heat_map_opens_its_requests', () => withPage(demo, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#overview`);
  const plot = page.locator('.heat .plot');
  await plot.waitFor();
  await eventually(async () => {
    const box = await plot.boundingBox();
    if (!box) return false;
    await page.mouse.move(box.x + box.width - 60, box.y + box.height * 0.78);
    return (await page.locator('.heat .plot.hot').count()) > 0;
  }, 'a cell under the pointer');
  await page.mouse.down();
  await page.mouse.up();
  await page.waitForURL(/#requests\?filter=service%3Aorders\+ms%3E.*from=.*to=/);
}));

test('route_leads_to_its_requests', () => withPage(demo, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#routes`);
  await page.getByRole('button', { name: '/orders/{id}/items/{item}' }).click();
  await page.waitForURL(/method%3APUT/);
  await eventually(async () => (await rows(page).count()) > 3 && (await page.locator('.spacer .row:not(.spare) .c-method', { hasNotText: 'PUT' }).count()) === 0, 'only this route');
}));

test('routes_sort_by_each_column_with_unknown_values_last', () => withPage(demo, async ({ page, mock }) => {
  await page.goto(`${mock.origin}/#routes`);
  const p99 = () => page.locator('.routes tbody .r-p99').allInnerTexts();
  await page.getByRole('button', { name: 'p99' }).click();
  assert.deepEqual(await p99(), ['64.0 ms', '31.5 ms', '22.0 ms', '18.0 ms', '3.10 ms', '–']);
  await page.getByRole('button', { name: 'p99' }).click();
  assert.deepEqual(await p99(), ['3.10 ms', '18.0 ms', '22.0 ms', '31.5 ms', '64.0 ms', '–']);
}));
