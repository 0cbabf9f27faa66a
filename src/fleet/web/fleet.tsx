import { render } from 'preact';
import { showLanguage, t } from './i18n/index.ts';
import { start, stop } from './state/fleet.ts';
import { loadSession, mustLogIn, session } from './state/session.ts';
import { followTheme } from './state/theme.ts';
import { effect, signal } from '@preact/signals';
import './styles/all.ts';
import { Loading, Problem } from './ui/parts.tsx';
import { LoginView } from './views/login.tsx';
import { Shell } from './views/shell.tsx';
import { problemText } from './views/texts.ts';

const problem = signal<string | null>(null);
const RETRY_MS = 3000;

async function open(): Promise<void> {
  try {
    await loadSession();
    problem.value = null;
  } catch (error) {
    problem.value = problemText(error);
    setTimeout(() => void open(), RETRY_MS);
  }
}

function App() {
  if (session.value === null) {
    return (
      <main class="gate">
        {problem.value === null ? (
          <Loading />
        ) : (
          <>
            <Problem text={problem.value} onRetry={() => void open()} />
            <p class="muted">{t('problem.again')}</p>
          </>
        )}
      </main>
    );
  }
  return mustLogIn.value ? <LoginView onDone={() => {}} /> : <Shell />;
}

followTheme();
showLanguage();
void open();

/** Who may look, and as whom: a change of either starts the page's data anew. */
let running: string | null = null;
effect(() => {
  const now = session.value;
  const next = now === null || mustLogIn.value ? null : `${now.user ?? ''} ${now.role ?? ''}`;
  if (next === running) return;
  running = next;
  stop();
  if (next !== null) void start();
});

const root = document.querySelector('#app');
if (root !== null) render(<App />, root);
