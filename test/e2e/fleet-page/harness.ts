import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const CHROMIUM = '/usr/bin/chromium';
export const HAS_CHROMIUM = existsSync(CHROMIUM);
export const PATIENCE_MS = 120_000;

if (!HAS_CHROMIUM) {
  // In CI it has to be there: a page that nobody has opened is not tested.
  if (process.env['CI'] !== undefined) throw new Error(`${CHROMIUM} is not installed`);
  console.warn(`tests of the pages are skipped: ${CHROMIUM} is not installed`);
}

export type Reader = {
  page: Page;
  /** Fails when the page threw, or did what its content security policy forbids. */
  expectClean(): Promise<void>;
  /** Serious findings of axe-core, each with where it is. */
  findings(): Promise<string[]>;
  close(): Promise<void>;
};

let browser: Promise<Browser> | undefined;

/** One browser for a file of tests; Playwright gives it a profile in a temporary folder. */
function openBrowser(): Promise<Browser> {
  browser ??= chromium.launch({
    executablePath: CHROMIUM,
    chromiumSandbox: false,
    args: [
      '--disable-background-networking',
      '--no-first-run',
      '--disable-component-update',
      '--disable-sync',
      '--disable-quic',
    ],
  });
  return browser;
}

export async function closeBrowser(): Promise<void> {
  await (await browser)?.close();
  browser = undefined;
}

/** Somebody with no cookies and no settings yet, who opens the page. */
export async function openReader(
  url: string,
  options: { language?: string; dark?: boolean; width?: number; height?: number } = {},
): Promise<Reader> {
  const open = await openBrowser();
  const context = await open.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    locale: options.language ?? 'en-GB',
    colorScheme: options.dark === true ? 'dark' : 'light',
  });
  context.setDefaultTimeout(30_000);
  const problems: string[] = [];
  await context.addInitScript(`
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
      window.violations.push(event.violatedDirective + ' ' + event.blockedURI));
  `);
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) problems.push(message.text());
  });
  await page.goto(url);
  return {
    page,
    async expectClean() {
      expect(await page.evaluate('window.violations')).toEqual([]);
      expect(problems).toEqual([]);
    },
    async findings() {
      // Evaluated by the debugger: the page’s policy would let nobody add a script to it.
      await page.evaluate(axe.source);
      const found = await page.evaluate(
        `axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
          .filter(({ impact }) => impact === 'serious' || impact === 'critical')
          .flatMap(({ id, nodes }) => nodes.map((node) =>
            id + ': ' + node.target.join(' ') + ' ' + node.failureSummary.split('\\n')[1])))`,
      );
      return found as string[];
    },
    close: () => context.close(),
  };
}
