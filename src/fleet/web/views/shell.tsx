import { useEffect } from 'preact/hooks';
import { f, t, type TextKey } from '../i18n/index.ts';
import { lostSince } from '../state/feed.ts';
import { unacknowledged } from '../state/fleet.ts';
import { place } from '../state/place.ts';
import { logOut, may, session } from '../state/session.ts';
import { tick } from '../state/tick.ts';
import { close, say, toasts } from '../state/toasts.ts';
import { Boundary } from '../ui/boundary.tsx';
import { Brand } from '../ui/brand.tsx';
import { Glyph } from '../ui/glyph.tsx';
import { LanguageSwitch, ThemeSwitch } from '../ui/switches.tsx';
import { ActionDialog } from './action-dialog.tsx';
import { AlertsView } from './alerts.tsx';
import { AuditView } from './audit.tsx';
import { BoardView } from './board.tsx';
import { BoardsView } from './boards.tsx';
import { CompareView } from './compare.tsx';
import { LinkState } from './link-state.tsx';
import { OverviewView } from './overview.tsx';
import { RolloutsView } from './rollouts.tsx';
import { problemText } from './texts.ts';

const TABS: readonly { view: string; text: TextKey }[] = [
  { view: 'overview', text: 'nav.overview' },
  { view: 'boards', text: 'nav.boards' },
  { view: 'alerts', text: 'nav.alerts' },
  { view: 'rollouts', text: 'nav.rollouts' },
  { view: 'audit', text: 'nav.audit' },
];

export function Shell() {
  const { view, id } = place.value;
  const title = TABS.find((tab) => tab.view === view)?.text ?? 'nav.boards';
  const count = unacknowledged.value;
  useEffect(() => {
    document.title = `${count > 0 ? `(${count}) ` : ''}${id ?? t(title)} · twowatt`;
  });
  const table = view === 'boards' && id === null;
  return (
    <div class={table ? 'frame fixed' : 'frame'}>
      <div>
        <a class="skip" href={location.hash} onClick={skip}>
          {t('skip')}
        </a>
        <header class="topbar">
          <a href="#/overview" class="brand-link">
            <Brand text={t('brand')} />
          </a>
          <nav class="tabs" aria-label={t('nav')}>
            {TABS.map((tab) => (
              <a
                key={tab.view}
                href={`#/${tab.view}`}
                {...(tab.view === view ? { 'aria-current': 'page' as const } : {})}
              >
                {t(tab.text)}
                {tab.view === 'alerts' && count > 0 ? (
                  <span class="bubble" aria-label={t('alerts.open', { n: count })}>
                    {f().number(count, 0)}
                  </span>
                ) : null}
              </a>
            ))}
          </nav>
          <div class="end">
            <LinkState />
            <LanguageSwitch />
            <ThemeSwitch />
            <User />
          </div>
        </header>
        <Notices />
      </div>
      <main id="main" tabIndex={-1} class={table ? 'content tight' : 'content'}>
        <Boundary key={`${view} ${id ?? ''}`}>
          <View view={view} id={id} />
        </Boundary>
      </main>
      <ActionDialog />
      <Toasts />
    </div>
  );
}

/** The link's own address would be a place in the page's terms. */
function skip(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')?.focus();
}

function View({ view, id }: { view: string; id: string | null }) {
  switch (view) {
    case 'boards':
      return id === null ? <BoardsView /> : <BoardView key={id} node={id} />;
    case 'alerts':
      return <AlertsView />;
    case 'rollouts':
      return <RolloutsView />;
    case 'audit':
      return <AuditView />;
    case 'compare':
      return <CompareView />;
    default:
      return <OverviewView />;
  }
}

/** What everybody on the page should know: figures that are old, and that nothing can be changed. */
function Notices() {
  void tick.value;
  const since = lostSince.value;
  const lostS = since === null ? 0 : (Date.now() - since) / 1000;
  const readOnly = session.value?.read_only ?? null;
  return (
    <>
      {lostS > 5 ? (
        <p class="notice warn" role="alert">
          <Glyph shape="brokenRing" />
          {t('link.old', { age: f().duration(lostS) })}
        </p>
      ) : null}
      {readOnly === null ? null : (
        <p class="notice">
          <Glyph shape="info" />
          <span>
            <b>{t('readonly')}</b> {readOnly}
          </span>
        </p>
      )}
    </>
  );
}

function User() {
  const now = session.value;
  if (now === null || now.user === null) return null;
  const leave = async (): Promise<void> => {
    try {
      await logOut();
    } catch (error) {
      say('bad', problemText(error));
    }
  };
  return (
    <span class="user">
      <span class="muted nowrap">
        {now.user}
        {now.role === null ? '' : ` (${t(`role.${now.role}`)})`}
        {may('operator') ? null : <span class="hidden-text"> {t('readonly')}</span>}
      </span>
      {now.via === 'password' ? (
        <button type="button" class="button plain" onClick={() => void leave()}>
          {t('logout')}
        </button>
      ) : null}
    </span>
  );
}

export function Toasts() {
  return (
    <div class="toasts" role="region" aria-live="polite" aria-label={t('toasts')}>
      {toasts.value.map((toast) => (
        <div key={toast.id} class="toast">
          <span class={`look tone-${toast.tone === 'ok' ? 'live' : toast.tone}`}>
            <Glyph
              shape={toast.tone === 'ok' ? 'check' : toast.tone === 'bad' ? 'cross' : 'info'}
            />
          </span>
          <span>
            {toast.href === undefined ? toast.text : <a href={toast.href}>{toast.text}</a>}
          </span>
          <button
            type="button"
            class="button plain"
            aria-label={t('close')}
            onClick={() => close(toast.id)}
          >
            <Glyph shape="cross" />
          </button>
        </div>
      ))}
    </div>
  );
}
