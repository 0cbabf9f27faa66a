import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOT_BOARD } from '../../fakes/fleet/boards.ts';
import { type FakeServer, startFakeFleet } from '../../fakes/fleet/server.ts';
import { closeBrowser, HAS_CHROMIUM, openReader, PATIENCE_MS, type Reader } from './harness.ts';

let server: FakeServer;
let reader: Reader;

afterAll(closeBrowser, PATIENCE_MS);
beforeEach(async () => {
  server = await startFakeFleet({ boards: 400, updatesPerS: 20 });
}, PATIENCE_MS);
afterEach(async () => {
  try {
    await reader.expectClean();
  } finally {
    await reader.close();
    await server.close();
  }
}, PATIENCE_MS);

describe.skipIf(!HAS_CHROMIUM)('an operator', { timeout: PATIENCE_MS }, () => {
  it('finds the hot board, lowers its budget and sees it cool down', async () => {
    reader = await openReader(server.url);
    const { page } = reader;
    await page.getByRole('link', { name: `Hot ${HOT_BOARD}` }).click();
    await page.getByRole('heading', { name: HOT_BOARD }).waitFor();
    await page.getByText('Check fan, heat sink and air').waitFor();
    await page.getByRole('button', { name: 'Set budget' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Budget (W)').fill('1.2');
    await dialog.getByRole('button', { name: 'Set budget: 1 board' }).click();
    await dialog.getByRole('status').getByText('done').waitFor();
    await dialog.getByText('budget_w 1.2').first().waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('of 1.20 W budget').waitFor();
    expect(server.fleet.boards.get(HOT_BOARD)?.record.telemetry?.power.budget_w).toBe(1.2);
    await page
      .locator('.page-head', { hasText: HOT_BOARD })
      .getByText(/Warning|Pacing/)
      .waitFor();
  });

  it('acknowledges an alert with a note', async () => {
    reader = await openReader(`${server.url}/#/alerts`);
    const { page } = reader;
    const alert = page.getByRole('listitem').filter({ hasText: 'Too hot' });
    await alert.getByRole('button', { name: 'Acknowledge' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Note').fill('the fan is on its way');
    await dialog.getByRole('button', { name: 'Acknowledge' }).click();
    await alert.getByText('Acknowledged by op').waitFor();
    await alert.getByText('the fan is on its way').waitFor();
    expect(server.fleet.alerts.get('a1')?.note).toBe('the fan is on its way');
  });

  it('makes a rule, switches it off and deletes it', async () => {
    reader = await openReader(`${server.url}/#/alerts`);
    const { page } = reader;
    await page.getByRole('button', { name: 'New rule' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('Queue');
    await dialog.getByRole('combobox', { name: 'Field', exact: true }).fill('queue_depth');
    await dialog.getByLabel('Value').fill('50');
    await dialog.getByRole('button', { name: 'Save' }).click();
    const row = page.getByRole('row').filter({ hasText: 'queue_depth > 50' });
    await row.getByRole('checkbox').uncheck();
    const rule = () => [...server.fleet.rules.values()].find(({ name }) => name === 'Queue');
    await expect.poll(() => rule()?.enabled, { timeout: 20_000 }).toBe(false);
    await row.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await row.waitFor({ state: 'detached' });
    expect(rule()).toBeUndefined();
  });

  it('stages a roll-out over a selection and watches it to its end', async () => {
    reader = await openReader(`${server.url}/#/boards?q=pool%3Dlab`);
    const { page } = reader;
    await page.getByRole('button', { name: 'Select all that are shown' }).click();
    await page.getByRole('button', { name: 'Stage a roll-out' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Budget (W)').fill('1.75');
    await dialog.getByLabel('Canary (%)').fill('10');
    await dialog.getByLabel('Watch each for (s)').fill('0');
    await dialog.getByLabel('Failures allowed').fill('50');
    await dialog.getByRole('button', { name: 'Start with the canary' }).click();
    await dialog.getByRole('link', { name: 'Watch it on its page' }).click();
    await page.getByRole('heading', { name: 'Roll-outs', exact: true }).waitFor();
    await page.locator('.rollout').getByText('Done', { exact: true }).waitFor();
    const [rollout] = server.fleet.rollouts.values();
    expect(rollout?.waves.length).toBeGreaterThan(3);
    expect(rollout?.counts.ok).toBeGreaterThan(20);
  });

  it('sees a roll-out halt, reads why, and aborts it', async () => {
    reader = await openReader(`${server.url}/#/boards?q=pi-00%20status=online`);
    const { page } = reader;
    await page.getByRole('button', { name: 'Select all that are shown' }).click();
    await page.getByRole('button', { name: 'Stage a roll-out' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Action').selectOption('Roll back');
    await dialog.getByRole('button', { name: 'Start with the canary' }).click();
    await dialog.getByText('boards failed, 0 allowed').waitFor();
    await dialog.getByText('is not served by this version').first().waitFor();
    await dialog.getByRole('button', { name: 'Abort' }).click();
    await dialog.getByText('Aborted').waitFor();
  });

  it('is told by boards that refuse or do not answer', async () => {
    const away = server.fleet.records().find(({ status }) => status === 'offline')?.node ?? '';
    reader = await openReader(`${server.url}/#/boards/${away}`);
    const { page } = reader;
    await page.getByRole('button', { name: 'Drain' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('1 of them is away and will not answer').waitFor();
    await dialog.getByRole('button', { name: 'Drain: 1 board' }).click();
    await dialog.getByRole('status').getByText('no answer').waitFor();
  });

  it('compares boards', async () => {
    reader = await openReader(`${server.url}/#/compare?nodes=pi-0000,pi-0004,orin-0002`);
    const { page } = reader;
    await page.getByRole('columnheader', { name: 'orin-0002' }).waitFor();
    await page.getByLabel('Field').selectOption('SoC');
    await page.getByRole('img', { name: /^SoC\. pi-0000: least/ }).waitFor();
    expect(await page.getByText('best').count()).toBeGreaterThan(2);
  });

  it('reads the audit log', async () => {
    reader = await openReader(`${server.url}/#/boards/${HOT_BOARD}`);
    const { page } = reader;
    await page.getByRole('button', { name: 'Drain' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain: 1 board' }).click();
    await page.getByRole('dialog').getByRole('status').getByText('done').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Audit log' }).click();
    await page.getByRole('cell', { name: 'drain {} on 1 boards' }).waitFor();
  });
});
