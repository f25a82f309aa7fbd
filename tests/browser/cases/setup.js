// What all cases share: one browser a file, one mock and one page a test.

import { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { launch, open } from '../browser.js';
import { Mock } from '../mock/server.js';

/** @type {import('playwright-core').Browser} */
let browser;

/** Starts the browser of a file. */
export function withBrowser() {
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());
}

/**
 * Runs a test with a mock and a page, and checks that the page has reported no error.
 * @param {(mock: Mock) => void} fill
 * @param {(it: {mock: Mock, page: import('playwright-core').Page, errors: string[]}) => Promise<void>} test
 * @param {import('../browser.js').Look & {expected?: RegExp}} [look]
 */
export async function withPage(fill, test, look = {}) {
  const mock = await new Mock().listen();
  fill(mock);
  const { context, page, errors } = await open(browser, look);
  page.setDefaultTimeout(10_000);
  try {
    await page.goto(mock.url);
    await test({ mock, page, errors });
    const unexpected = errors.filter((it) => !look.expected?.test(it));
    assert.deepEqual(unexpected, [], 'the page reported errors');
  } finally {
    await context.close();
    await mock.close();
  }
}

/** Rows of the list that are shown. @param {import('playwright-core').Page} page */
export function rows(page) {
  return page.locator('.spacer .row:not(.spare)');
}

/**
 * Waits for a condition.
 * @param {() => Promise<boolean> | boolean} condition
 * @param {string} what
 */
export async function eventually(condition, what) {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`not within 10 s: ${what}`);
}
