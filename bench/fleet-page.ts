/**
 * How the fleet's page behaves with many boards, in Debian's Chromium against the fake fleet server:
 *
 *     npm run bench:fleet-page -- [--boards 10000] [--updates 1000]
 *
 * First view: from the navigation to the table with all boards on the screen. Update: from the moment the
 * server changes a board to the frame after its figure stands in the table. Scroll and filter: the time
 * between frames while scrolling 100 pixels a frame, or a screenful, and from a key to the frame with the filtered table.
 */
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { HOT_BOARD } from '../test/fakes/fleet/boards.ts';
import { type FakeServer, startFakeFleet } from '../test/fakes/fleet/server.ts';

const { values } = parseArgs({
  options: {
    boards: { type: 'string', default: '10000' },
    updates: { type: 'string', default: '1000' },
  },
});

const quantile = (numbers: number[], share: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
};
const row = (what: string, numbers: number[], limit: number): void => {
  const [median, p95, most] = [0.5, 0.95, 1].map((share) => quantile(numbers, share));
  const figures = [median, p95, most]
    .map((ms) => `${(ms ?? 0).toFixed(0)} ms`.padStart(9))
    .join('');
  console.log(`${what.padEnd(34)}${figures}   (limit ${limit} ms, n = ${numbers.length})`);
};

/** Milliseconds from the navigation until the table holds all boards and is drawn. */
async function firstView(page: Page, url: string): Promise<number> {
  await page.goto('about:blank');
  await page.goto(`${url}/#/boards`);
  return (await page.evaluate(`new Promise((resolve) => {
    const look = () => {
      const grid = document.querySelector('[role=grid]');
      if (Number(grid?.getAttribute('aria-rowcount')) > 1) resolve(performance.now());
      else requestAnimationFrame(look);
    };
    look();
  })`)) as number;
}

/** Milliseconds from a change of the server's figure until the page has drawn it. */
async function updates(page: Page, server: FakeServer, count: number): Promise<number[]> {
  await page.goto(`${server.url}/#/boards?q=${HOT_BOARD}`);
  await page.getByRole('grid').waitFor();
  const delays: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const watts = 3 + i / 100;
    const text = watts.toFixed(2);
    const seen = page.evaluate(`new Promise((resolve) => {
      const look = () => {
        const row = document.querySelector('[aria-rowindex="2"]');
        if (row?.textContent.includes('${text}')) resolve(Date.now());
        else requestAnimationFrame(look);
      };
      look();
    })`);
    // Not in step with the server's batches.
    await page.waitForTimeout(137 + (i % 7) * 61);
    const telemetry = server.fleet.boards.get(HOT_BOARD)?.record.telemetry;
    if (telemetry) telemetry.power.budget_w = watts;
    const changed = Date.now();
    server.fleet.touch(HOT_BOARD);
    delays.push(((await seen) as number) - changed);
  }
  return delays;
}

/** Times between frames while the table is scrolled from end to end and back. */
async function scrolling(page: Page, url: string, pixels: number): Promise<number[]> {
  await page.goto(`${url}/#/boards`);
  await page.getByRole('grid').waitFor();
  return (await page.evaluate(`new Promise((resolve) => {
    const grid = document.querySelector('[role=grid]');
    const times = [];
    let last = performance.now();
    let left = 300;
    const step = () => {
      const now = performance.now();
      times.push(now - last);
      last = now;
      left -= 1;
      if (left === 0) return resolve(times.slice(1));
      grid.scrollTop += left > 150 ? ${pixels} : -${pixels};
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  })`)) as number[];
}

/** Milliseconds from each typed letter to the frame after the filtered table was drawn. */
async function filtering(page: Page, url: string): Promise<number[]> {
  await page.goto(`${url}/#/boards`);
  const box = page.getByRole('searchbox');
  await box.waitFor();
  await page.evaluate(`
    window.took = [];
    document.querySelector('[type=search]').addEventListener('input', () => {
      const began = performance.now();
      requestAnimationFrame(() => requestAnimationFrame(() => took.push(performance.now() - began)));
    }, true);
  `);
  for (const text of ['pi-00', 'soc_c>60', 'pool=lab -offline', 'queue_depth>=2']) {
    await box.fill('');
    await box.pressSequentially(text, { delay: 120 });
  }
  await page.waitForTimeout(500);
  return (await page.evaluate('took')) as number[];
}

const boards = Number(values.boards);
const server = await startFakeFleet({ boards, updatesPerS: Number(values.updates) });
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  chromiumSandbox: false,
  args: [
    '--disable-background-networking',
    '--no-first-run',
    '--disable-component-update',
    '--disable-sync',
    '--disable-quic',
  ],
});
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  console.log(`${boards} boards, ${values.updates} of them report each second\n`);
  console.log(`${''.padEnd(34)}   median      p95     most`);
  const first: number[] = [];
  for (let i = 0; i < 5; i += 1) first.push(await firstView(page, server.url));
  row('first view', first, 2000);
  row('update to screen', await updates(page, server, 30), 1000);
  row('frame while scrolling', await scrolling(page, server.url, 100), 50);
  row('frame, a screenful each frame', await scrolling(page, server.url, 900), 50);
  row('letter to filtered table', await filtering(page, server.url), 50);
} finally {
  await browser.close();
  await server.close();
}
