import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Simulation } from '../../../src/fleet/index.ts';
import { type MosquittoBroker, mosquittoAvailable, startMosquitto } from '../../fakes/brokers.ts';
import {
  addUsers,
  fleetFolder,
  PASSWORD,
  startTestBoards,
  startTestFleet,
  type TestFleet,
} from '../../fakes/fleet.ts';
import { closeBrowser, HAS_CHROMIUM, openReader, PATIENCE_MS, type Reader } from './harness.ts';

const BOARDS = 20;

/** Nothing is fake but the boards, and those speak the real protocol over a real broker. */
describe.skipIf(!HAS_CHROMIUM || !mosquittoAvailable())(
  'the page on the real server',
  { timeout: PATIENCE_MS },
  () => {
    let broker: MosquittoBroker;
    let folder: ReturnType<typeof fleetFolder>;
    let fleet: TestFleet;
    let boards: Simulation;
    let reader: Reader;

    beforeAll(async () => {
      broker = await startMosquitto();
    });
    afterAll(async () => {
      await closeBrowser();
      await broker.close();
    }, PATIENCE_MS);
    beforeEach(async () => {
      folder = fleetFolder();
      await addUsers(folder.path, { ada: 'operator', vic: 'viewer' });
      fleet = await startTestFleet(folder.path, broker.url);
      boards = startTestBoards({ url: broker.url, base: 'twowatt/v1', boards: BOARDS });
    }, PATIENCE_MS);
    afterEach(async () => {
      try {
        await reader.expectClean();
      } finally {
        await reader.close();
        await boards.stop();
        await fleet.close();
        folder.remove();
      }
    }, PATIENCE_MS);

    /** Logged in, with as many boards in the table. */
    async function openAs(user: string, place: string, rows: number): Promise<Reader['page']> {
      reader = await openReader(`${fleet.url}/#/${place}`);
      const { page } = reader;
      await page.getByLabel('User').fill(user);
      await page.getByLabel('Password').fill(PASSWORD);
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByRole('grid').waitFor();
      await expect
        .poll(() => page.getByRole('grid').getAttribute('aria-rowcount'), { timeout: 20_000 })
        .toBe(String(rows + 1));
      return page;
    }

    it('lets an operator set a budget, which the board takes and reports', async () => {
      const page = await openAs('ada', 'boards?sort=node', BOARDS);
      await page.getByRole('link', { name: 'sim-00003' }).click();
      await page.getByRole('heading', { name: 'sim-00003' }).waitFor();
      // Asked of the board over the broker: decisions with their reasons, settings, models.
      await page.getByText('easy').first().waitFor();
      await page.getByLabel('Only what was changed').uncheck();
      await page.getByText('governor.temperature_limit_c').waitFor();
      await page.getByText('ernie-4.5-0.3b-int8').waitFor();
      await page.getByRole('img', { name: /^Power/ }).waitFor();
      await page.getByRole('button', { name: 'Set budget' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Budget (W)').fill('1.3');
      await dialog.getByRole('button', { name: 'Set budget: 1 board' }).click();
      await dialog.getByRole('status').getByText('done').waitFor();
      await dialog.getByRole('button', { name: 'Close' }).last().click();
      await page.getByText('of 1.30 W budget').waitFor();
      expect(boards.boards[2]?.plant.settings.budgetW).toBe(1.3);
    });

    it('rolls a drain out over a selection, and shows each board as it says itself', async () => {
      const page = await openAs('ada', 'boards?q=sim-0000', 9);
      await page.getByRole('button', { name: 'Select all that are shown' }).click();
      await page.getByRole('button', { name: 'Stage a roll-out' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Action').selectOption('Drain');
      await dialog.getByLabel('Canary (%)').fill('20');
      await dialog.getByLabel('Watch each for (s)').fill('0');
      await dialog.getByRole('button', { name: 'Start with the canary' }).click();
      await dialog.getByRole('link', { name: 'Watch it on its page' }).click();
      await page.locator('.rollout').getByText('Done', { exact: true }).waitFor();
      await page.goto(`${fleet.url}/#/boards?look=draining`);
      await page.getByRole('gridcell', { name: 'Draining' }).nth(8).waitFor();
    });

    it('shows a board that loses its power as offline, and as back again', async () => {
      const page = await openAs('vic', 'boards?q=sim-00007', 1);
      boards.boards[6]?.cut();
      await page.getByRole('row', { name: 'sim-00007, Offline' }).waitFor();
      boards.boards[6]?.connect();
      await page.getByRole('row', { name: 'sim-00007, Offline' }).waitFor({ state: 'detached' });
      // Who may only look is offered nothing else.
      await page.getByRole('link', { name: 'sim-00007' }).click();
      await page.getByRole('heading', { name: 'sim-00007' }).waitFor();
      expect(await page.getByRole('button', { name: 'Set budget' }).isDisabled()).toBe(true);
    });
  },
);
