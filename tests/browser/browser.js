// Chromium for the tests: one process, one fresh context a page, and all errors of the page collected.

import { chromium } from 'playwright-core';
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function executable() {
  const path = process.env.CHROMIUM ?? PLACES.find(existsSync);
  if (!path) throw new Error('chromium is missing: apt-get install chromium');
  return path;
}

export function launch() {
  return chromium.launch({ executablePath: executable(), args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb'] });
}

/** @typedef {{width?: number, height?: number, theme?: 'light' | 'dark', reduced?: boolean, scale?: number}} Look */

/**
 * A page in a context of its own. `errors` has every console error, exception and rejected request.
 * @param {import('playwright-core').Browser} browser
 * @param {Look} [look]
 */
export async function open(browser, { width = 1280, height = 800, theme = 'light', reduced = false, scale = 1 } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: theme, reducedMotion: reduced ? 'reduce' : 'no-preference', deviceScaleFactor: scale,
    permissions: ['clipboard-read', 'clipboard-write'], locale: 'en-GB', timezoneId: 'UTC',
  });
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return { context, page, errors };
}
