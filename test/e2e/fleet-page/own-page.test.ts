import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { type Board, startBoard } from '../../integration/http/fixture.ts';
import { closeBrowser, HAS_CHROMIUM, openReader, PATIENCE_MS, type Reader } from './harness.ts';

let board: Board;
let reader: Reader;

afterAll(closeBrowser, PATIENCE_MS);
afterEach(async () => {
  try {
    await reader.expectClean();
  } finally {
    await reader.close();
    await board.stop();
  }
}, PATIENCE_MS);

describe.skipIf(!HAS_CHROMIUM)('the board’s own page', { timeout: PATIENCE_MS }, () => {
  it('asks for the token, keeps it in the tab, and shows the board', async () => {
    board = await startBoard({ http: { token: 'open sesame' } });
    reader = await openReader(board.url);
    const { page } = reader;
    await page.getByLabel('Token').fill('open barley');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByRole('alert').getByText('did not accept this token').waitFor();
    expect(await reader.findings()).toEqual([]);
    await page.getByLabel('Token').fill('open sesame');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByText('of 2.00 W budget').waitFor();
    await page.reload();
    await page.getByText('of 2.00 W budget').waitFor();
    expect(await page.evaluate('localStorage.getItem("twowatt.token")')).toBeNull();
    expect(await page.evaluate('sessionStorage.getItem("twowatt.token")')).toBe('open sesame');
  });

  it.each(['light', 'dark'])('is accessible in %s colours', async (theme) => {
    board = await startBoard();
    reader = await openReader(board.url, { dark: theme === 'dark' });
    await reader.page.getByText('The disk is full').waitFor();
    await reader.page.getByText('Free space').waitFor();
    expect(await reader.findings()).toEqual([]);
  });

  it('answers a question as it grows, with what it took, and lists it without its text', async () => {
    board = await startBoard({ answer: () => 'forty two is the answer' });
    reader = await openReader(board.url);
    const { page } = reader;
    await page.getByLabel('Question').fill('what is the answer');
    await page.getByLabel('Question').press('Enter');
    const turn = page.locator('.turns li');
    await turn.getByText('forty two is the answer').waitFor();
    await turn.getByText(/^Edge · .*tok\/s/).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
  });
});
