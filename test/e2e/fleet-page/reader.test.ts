import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { HOT_BOARD } from '../../fakes/fleet/boards.ts';
import { type FakeServer, startFakeFleet } from '../../fakes/fleet/server.ts';
import { closeBrowser, HAS_CHROMIUM, openReader, PATIENCE_MS, type Reader } from './harness.ts';

let server: FakeServer;
let reader: Reader;

afterAll(closeBrowser, PATIENCE_MS);
afterEach(async () => {
  try {
    await reader.expectClean();
  } finally {
    await reader.close();
    await server.close();
  }
}, PATIENCE_MS);

const VIEWS = [
  '#/overview',
  '#/boards',
  `#/boards/${HOT_BOARD}`,
  '#/compare?nodes=pi-0000,pi-0004',
  '#/alerts',
  '#/rollouts',
  '#/audit',
];

describe.skipIf(!HAS_CHROMIUM)('whoever reads the page', { timeout: PATIENCE_MS }, () => {
  it('gets the language of the browser, changes it, and keeps the choice', async () => {
    server = await startFakeFleet({ boards: 40 });
    reader = await openReader(server.url, { language: 'zh-CN' });
    const { page } = reader;
    await page.getByRole('heading', { name: '总览' }).waitFor();
    expect(await page.evaluate('document.documentElement.lang')).toBe('zh-CN');
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });

  it('gets the colours of the system, changes them, and keeps the choice', async () => {
    server = await startFakeFleet({ boards: 40 });
    reader = await openReader(server.url, { dark: true });
    const { page } = reader;
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    await page.getByRole('button', { name: 'Light colours' }).waitFor();
    const dark = await background();
    await page.getByRole('button', { name: 'Light colours' }).click();
    const light = await background();
    expect(light).not.toBe(dark);
    await page.reload();
    await page.getByRole('button', { name: 'Dark colours' }).waitFor();
    expect(await background()).toBe(light);
  });

  it('needs no mouse: search, choose, open, act, come back', async () => {
    server = await startFakeFleet({ boards: 400 });
    reader = await openReader(`${server.url}/#/boards`);
    const { page } = reader;
    const grid = page.getByRole('grid');
    await grid.waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('pi-00 -offline');
    await page
      .getByText('of 25', { exact: false })
      .or(page.getByText('25 boards'))
      .first()
      .waitFor();
    await page.keyboard.press('Enter');
    await page.keyboard.press(' ');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await page.getByText('3 selected').waitFor();
    const active = async () => {
      const id = await grid.getAttribute('aria-activedescendant');
      return page.locator(`#${id}`).getAttribute('aria-label');
    };
    await page.keyboard.press('Home');
    expect(await active()).toContain(HOT_BOARD);
    await page.keyboard.press('End');
    expect(await active()).not.toContain(HOT_BOARD);
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: HOT_BOARD }).waitFor();
    await page.getByRole('button', { name: 'Drain' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.textContent')).toContain('Drain');
    await page.goBack();
    await grid.waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('pi-00 -offline');
  });

  it.each(['light', 'dark'])('finds every view accessible in %s colours', async (theme) => {
    server = await startFakeFleet({ boards: 60 });
    server.fleet.act('drain', {}, ['pi-0000']);
    server.fleet.rollOut(
      {
        verb: 'governor.set',
        args: { budget_w: 2 },
        canary_share: 0.1,
        wave_share: 0.5,
        soak_s: 600,
        max_failures: 0,
      },
      ['pi-0000', 'pi-0004', 'pi-0012'],
    );
    reader = await openReader(server.url, { dark: theme === 'dark' });
    const { page } = reader;
    for (const view of VIEWS) {
      await page.goto(`${server.url}/${view}`);
      await page
        .locator('#main h1, #main .empty, #main [role=grid]')
        .first()
        .waitFor({ state: 'attached' });
      await page.locator('.loading').first().waitFor({ state: 'detached' });
      expect(await reader.findings(), view).toEqual([]);
    }
    await page.goto(`${server.url}/#/boards/${HOT_BOARD}`);
    await page.getByRole('button', { name: 'Set budget' }).click();
    expect(await reader.findings(), 'dialog').toEqual([]);
  });

  it('groups and sorts thousands of rows, of which only some are drawn', async () => {
    server = await startFakeFleet({ boards: 5000 });
    reader = await openReader(`${server.url}/#/boards`);
    const { page } = reader;
    const grid = page.getByRole('grid');
    await grid.waitFor();
    expect(await grid.getAttribute('aria-rowcount')).toBe('5001');
    expect(await page.getByRole('row').count()).toBeLessThan(80);
    await page.getByRole('columnheader', { name: 'SoC' }).getByRole('button').click();
    const first = page.locator('[aria-rowindex="2"]');
    await first.filter({ hasText: HOT_BOARD }).waitFor();
    await page.getByLabel('Group by').selectOption('Pool');
    await first.filter({ hasText: 'greenhouse' }).click();
    await expect.poll(() => first.getAttribute('aria-expanded'), { timeout: 20_000 }).toBe('false');
  });

  it('uses no more width than a telephone has', async () => {
    server = await startFakeFleet({ boards: 60 });
    reader = await openReader(server.url, { width: 390, height: 844 });
    const { page } = reader;
    for (const view of VIEWS) {
      await page.goto(`${server.url}/${view}`);
      await page
        .locator('#main h1, #main .empty, #main [role=grid]')
        .first()
        .waitFor({ state: 'attached' });
      expect(await page.evaluate('document.documentElement.scrollWidth'), view).toBe(390);
    }
  });
});

describe.skipIf(!HAS_CHROMIUM)(
  'a page whose server comes and goes',
  { timeout: PATIENCE_MS },
  () => {
    it('comes back after a broken stream and shows what it missed', async () => {
      server = await startFakeFleet({ boards: 40 });
      reader = await openReader(`${server.url}/#/boards/${HOT_BOARD}`);
      const { page } = reader;
      await page.getByText('Live', { exact: true }).waitFor();
      server.cutStreams();
      await page.getByText('Reconnecting').waitFor();
      server.fleet.act('governor.set', { budget_w: 1.33 }, [HOT_BOARD]);
      await page.getByText('of 1.33 W budget').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
    });

    it('loads everything anew when the server cannot say what was missed', async () => {
      server = await startFakeFleet({ boards: 40 });
      reader = await openReader(`${server.url}/#/boards`);
      const { page } = reader;
      await page.getByText('40 boards').waitFor();
      // A board is forgotten while nobody listens; no event tells of it.
      server.fleet.boards.delete(HOT_BOARD);
      server.forgetSequence();
      server.cutStreams();
      await page.getByText('39 boards').waitFor();
    });

    it('says that its figures are old, and stops saying it', async () => {
      server = await startFakeFleet({ boards: 40 });
      reader = await openReader(server.url);
      const { page } = reader;
      await page.getByText('Live', { exact: true }).waitFor();
      server.setDown(true);
      server.cutStreams();
      const notice = page.getByText('No connection to the server for');
      await notice.waitFor();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      server.setDown(false);
      await notice.waitFor({ state: 'detached' });
    });

    it('asks for a login, refuses a wrong one, and leaves again', async () => {
      server = await startFakeFleet({ boards: 40, login: true });
      reader = await openReader(server.url);
      const { page } = reader;
      await page.getByLabel('User').fill('op');
      await page.getByLabel('Password').fill('wrong');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('alert').getByText('wrong user or password').waitFor();
      await page.getByLabel('Password').fill('correct horse battery');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('heading', { name: 'Overview' }).waitFor();
      expect(await reader.findings()).toEqual([]);
      await page.getByRole('button', { name: 'Log out' }).click();
      await page.getByRole('heading', { name: 'Log in' }).waitFor();
      expect(await reader.findings()).toEqual([]);
    });

    it('says that nothing can be changed, and offers no button that would fail', async () => {
      server = await startFakeFleet({ boards: 40, readOnly: 'No user exists yet.' });
      reader = await openReader(`${server.url}/#/boards/${HOT_BOARD}`);
      const { page } = reader;
      await page.getByText('Read only.').first().waitFor();
      expect(await page.getByRole('button', { name: 'Drain' }).isDisabled()).toBe(true);
      expect(await reader.findings()).toEqual([]);
    });

    it('shows an empty fleet as one that waits for its first board', async () => {
      server = await startFakeFleet({ boards: 0 });
      reader = await openReader(server.url);
      await reader.page.getByText('No board has spoken yet').waitFor();
    });
  },
);
