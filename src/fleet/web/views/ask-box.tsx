import { useRef, useState } from 'preact/hooks';
import { f, t, tCode } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { type AnswerFacts, ask } from '../state/ask.ts';
import { Labelled } from '../ui/parts.tsx';
import { problemText } from './texts.ts';

type Turn = {
  id: number;
  question: string;
  answer: string;
  facts: AnswerFacts | null;
  problem: string | null;
  running: boolean;
};

const MOST_TURNS = 20;
const ROUTES = ['auto', 'edge', 'cloud'] as const;

/** A question to the board. Neither it nor the answer is kept anywhere but in this page. */
export function AskBox() {
  const [text, setText] = useState('');
  const [route, setRoute] = useState<string>('auto');
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const running = useRef<AbortController | null>(null);
  const next = useRef(1);
  const busy = turns.some((turn) => turn.running);

  const change = (id: number, how: (turn: Turn) => Partial<Turn>): void =>
    setTurns((known) => known.map((turn) => (turn.id === id ? { ...turn, ...how(turn) } : turn)));

  const submit = async (): Promise<void> => {
    const question = text.trim();
    if (question === '' || busy) return;
    const id = next.current;
    next.current += 1;
    const turn: Turn = { id, question, answer: '', facts: null, problem: null, running: true };
    setTurns((known) => [turn, ...known].slice(0, MOST_TURNS));
    setText('');
    const abort = new AbortController();
    running.current = abort;
    try {
      const { facts } = await ask({
        text: question,
        route,
        signal: abort.signal,
        onText: (more) => change(id, ({ answer }) => ({ answer: answer + more })),
      });
      change(id, () => ({ facts, running: false }));
    } catch (error) {
      const problem = abort.signal.aborted ? t('ask.stopped') : problemText(error);
      change(id, () => ({ problem, running: false }));
    }
  };

  return (
    <>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <textarea
          class="field"
          rows={2}
          aria-label={t('ask.label')}
          placeholder={t('ask.hint')}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void submit();
          }}
        />
        <div class="ask-row">
          <Labelled text="ask.route">
            <select
              class="field"
              value={route}
              onChange={(event) => setRoute(event.currentTarget.value)}
            >
              {ROUTES.map((each) => (
                <option key={each} value={each}>
                  {t(`ask.route.${each}`)}
                </option>
              ))}
            </select>
          </Labelled>
          {busy ? (
            <button type="button" class="button" onClick={() => running.current?.abort()}>
              {t('ask.stop')}
            </button>
          ) : (
            <button type="submit" class="button main" disabled={text.trim() === ''}>
              {t('ask.send')}
            </button>
          )}
        </div>
      </form>
      <ol class="turns" aria-live="polite">
        {turns.map((turn) => (
          <li key={turn.id}>
            <p class="question">{turn.question}</p>
            <p class="answer">
              {turn.answer}
              {turn.running ? (
                <span class="caret" aria-label={t('ask.running')} role="img" />
              ) : null}
            </p>
            {turn.problem === null ? null : <p class="problem">{turn.problem}</p>}
            {turn.facts === null ? null : <p class="muted facts-line">{factsText(turn.facts)}</p>}
          </li>
        ))}
      </ol>
    </>
  );
}

/** `Edge · easy · 11.2 J, 0.21 J/tok · confidence 0.97 · 7.1 tok/s · 5.4 s`. */
function factsText({ route, energy, confidence, timing, cost }: AnswerFacts): string {
  const parts: string[] = [];
  if (route !== undefined) {
    parts.push(t(route.target) + (route.endpoint === null ? '' : ` (${route.endpoint})`));
    parts.push(route.reasons.map((reason) => tCode('reason', reason)).join(', '));
  }
  if (energy?.joules !== null && energy !== undefined) {
    parts.push(
      `${inOneLine(f().joules(energy.joules))}, ${inOneLine(f().joulesPerToken(energy.joules_per_token))}` +
        (energy.measured ? '' : ` (${t('fact.estimated')})`),
    );
  }
  if (confidence !== null && confidence !== undefined) {
    parts.push(t('ask.confidence', { value: f().number(confidence, 2) }));
  }
  if (timing !== undefined) {
    parts.push(inOneLine(f().tokensPerS(timing.tokens_per_s)));
    parts.push(inOneLine(f().milliseconds(timing.total_ms)));
  }
  if (cost !== undefined && cost.amount > 0)
    parts.push(inOneLine(f().money(cost.amount, cost.currency)));
  return parts.filter((part) => part !== '').join(' · ');
}
