// Makes the pictures of README.md in docs/images: `npm run screenshots`, `PLIMSOLL=… npm run screenshots`.
//
// With PLIMSOLL, the real console shows its child under load for LOAD seconds (320). Without, the mock has its
// data. `pngquant` makes the files smaller; each one has to stay below 200 kB.

import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { launch, open } from './browser.js';
import { RealConsole, visit } from './console.js';
import { demo } from './mock/data.js';
import { Mock } from './mock/server.js';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));
const LIMIT = 200_000;
const SIZE = { width: 1240, height: 775, scale: 1.5 };

/** @param {string} path */
function optimise(path) {
  try {
    // 98 and 99 are its statuses for a file that would grow or lose too much.
    execFileSync('pngquant', ['--force', '--skip-if-larger', '--strip', '--quality', '70-98', '--speed', '1', '--ext', '.png', path], { stdio: 'ignore' });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') console.log('pngquant is missing: the file stays as it is (Debian: apt-get install pngquant)');
  }
  const { size } = statSync(path);
  console.log(`${path} ${size}`);
  if (size >= LIMIT) throw new Error(`${path} has ${size} bytes, the limit is ${LIMIT}`);
}

/** @param {string} binary */
async function real(binary) {
  const shown = await RealConsole.start(binary, '127.0.0.1:4680');
  let base = await shown.address();
  const time = Number(process.env.LOAD ?? 320) * 1000;
  let seed = 0;
  let stopped = false;
  const load = async () => {
    while (!stopped) {
      await visit(base, seed++, 397);
      // More and fewer clients, so that the charts have a shape.
      await new Promise((resolve) => setTimeout(resolve, 14 + 10 * Math.sin(Date.now() / 23_000)));
    }
  };
  const clients = [load(), load(), load()];
  await new Promise((resolve) => setTimeout(resolve, time * 0.45));
  base = await shown.restart();
  await new Promise((resolve) => setTimeout(resolve, time * 0.55));
  const calm = async () => {
    stopped = true;
    await Promise.all(clients);
    // The newest ones have a failure among them.
    for (let last = 20; last < 48; last++) await visit(base, last);
  };
  return { url: shown.url, origin: shown.origin, calm, stop: () => shown.stop() };
}

async function mocked() {
  const mock = await new Mock().listen();
  demo(mock);
  return { url: mock.url, origin: mock.origin, calm: async () => {}, stop: () => mock.close() };
}

mkdirSync(IMAGES, { recursive: true });
const source = process.env.PLIMSOLL ? await real(process.env.PLIMSOLL) : await mocked();
const browser = await launch();
try {
  const looks = [];
  for (const theme of /** @type {const} */ (['light', 'dark'])) {
    const { page } = await open(browser, { ...SIZE, theme });
    await page.goto(source.url);
    await page.goto(`${source.origin}/#overview`);
    await page.locator('.chart .reading').nth(4).waitFor();
    await page.waitForTimeout(1500);
    await page.screenshot({ path: `${IMAGES}console-overview-${theme}.png` });
    looks.push({ theme, page });
  }
  // The list stands still without load.
  await source.calm();
  for (const { theme, page } of looks) {
    await page.goto(`${source.origin}/#requests`);
    await page.locator('.row.status-error').first().click();
    await page.locator('.panel .record').first().waitFor();
    await page.mouse.move(0, 0);
    await page.screenshot({ path: `${IMAGES}console-requests-${theme}.png` });
    optimise(`${IMAGES}console-requests-${theme}.png`);
    optimise(`${IMAGES}console-overview-${theme}.png`);
  }
} finally {
  await browser.close();
  await source.stop();
}
