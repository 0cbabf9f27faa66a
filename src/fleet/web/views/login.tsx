import { useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { logIn } from '../state/session.ts';
import { FormProblem } from '../ui/dialog.tsx';
import { Brand } from '../ui/brand.tsx';
import { Labelled } from '../ui/parts.tsx';
import { LanguageSwitch, ThemeSwitch } from '../ui/switches.tsx';
import { problemText } from './texts.ts';

export function LoginView({ onDone }: { onDone: () => void }) {
  const [user, setUser] = useState('');
  const [password, setPassword] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await logIn(user, password);
      onDone();
    } catch (error) {
      setProblem(problemText(error));
      setPassword('');
    } finally {
      setBusy(false);
    }
  };
  return (
    <main class="gate">
      <form
        class="gate-form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Brand text={t('brand')} />
        <h1>{t('login.title')}</h1>
        <Labelled text="login.user">
          <input
            class="field"
            name="username"
            autocomplete="username"
            required
            autofocus
            value={user}
            onInput={(event) => setUser(event.currentTarget.value)}
          />
        </Labelled>
        <Labelled text="login.password">
          <input
            class="field"
            name="password"
            type="password"
            autocomplete="current-password"
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </Labelled>
        <FormProblem text={problem} />
        <button type="submit" class="button main" disabled={busy}>
          {t('login.button')}
        </button>
      </form>
      <div class="gate-end">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
    </main>
  );
}
