import { useEffect, useState } from 'preact/hooks';
import type { AuditEntry, AuditResponse } from '../../../protocol/fleet/index.ts';
import { f, t, tCode } from '../i18n/index.ts';
import { get } from '../state/api.ts';
import { may } from '../state/session.ts';
import { Empty, Loading, Panel, Problem } from '../ui/parts.tsx';
import { problemText } from './texts.ts';

const PAGE = 100;

/** Who did what, newest first. */
export function AuditView() {
  const [entries, setEntries] = useState<AuditEntry[] | null>(null);
  const [whole, setWhole] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [words, setWords] = useState('');
  const allowed = may('operator');

  const load = async (before: number | null): Promise<void> => {
    setProblem(null);
    try {
      const more = await get<AuditResponse>(
        `/api/audit?limit=${PAGE}${before === null ? '' : `&before=${before}`}`,
      );
      setEntries((known) => [...(before === null ? [] : (known ?? [])), ...more.entries]);
      setWhole(more.entries.length < PAGE);
    } catch (error) {
      setProblem(problemText(error));
    }
  };
  useEffect(() => {
    if (allowed) void load(null);
  }, [allowed]);

  const lower = words.toLowerCase();
  const shown = (entries ?? []).filter(
    (entry) =>
      lower === '' ||
      `${entry.user} ${entry.what} ${entry.text} ${entry.from}`.toLowerCase().includes(lower),
  );
  return (
    <>
      <div class="page-head">
        <h1>{t('nav.audit')}</h1>
        <div class="end">
          <input
            class="field"
            type="search"
            aria-label={t('audit.search')}
            placeholder={t('audit.search')}
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </div>
      </div>
      <Panel title={t('audit.title')} flush>
        {allowed ? null : <Empty small title={t('audit.forbidden')} />}
        {problem === null ? null : <Problem text={problem} onRetry={() => void load(null)} />}
        {allowed && entries === null && problem === null ? <Loading /> : null}
        {entries !== null && shown.length === 0 ? <Empty small title={t('audit.none')} /> : null}
        {shown.length === 0 ? null : (
          <div class="scroll-x">
            <table class="plain">
              <thead>
                <tr>
                  <th>{t('audit.when')}</th>
                  <th>{t('audit.who')}</th>
                  <th>{t('audit.what')}</th>
                  <th>{t('audit.text')}</th>
                  <th>{t('audit.from')}</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((entry) => (
                  <tr key={entry.id}>
                    <td class="nowrap">{f().dateTime(entry.at_ms)}</td>
                    <td>{entry.user}</td>
                    <td class="nowrap">{tCode('audit.kind', entry.what)}</td>
                    <td>{entry.text}</td>
                    <td class="mono muted">{entry.from}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      {entries === null || whole ? null : (
        <p class="more">
          <button
            type="button"
            class="button"
            onClick={() => void load(entries.at(-1)?.id ?? null)}
          >
            {t('audit.more')}
          </button>
        </p>
      )}
    </>
  );
}
