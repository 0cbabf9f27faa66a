import type { ComponentChildren } from 'preact';
import { t, type TextKey } from '../i18n/index.ts';
import type { Figure } from '../lib/format.ts';
import { LOOK_TONE, type Look, type Tone } from '../lib/rows.ts';
import { Glyph, type Shape } from './glyph.tsx';

const LOOK_SHAPE: Record<Look, Shape> = {
  offline: 'ring',
  stale: 'brokenRing',
  unknown: 'question',
  failing: 'cross',
  hot: 'triangle',
  throttled: 'slow',
  warning: 'hollowTriangle',
  draining: 'down',
  paused: 'pause',
  pacing: 'half',
  busy: 'play',
  ready: 'dot',
};

export const lookText = (look: Look): string => t(`look.${look}`);

export function LookMark({ look }: { look: Look }) {
  return (
    <span class="look">
      <Glyph shape={LOOK_SHAPE[look]} tone={LOOK_TONE[look]} />
      {lookText(look)}
    </span>
  );
}

export type Severity = 'error' | 'warning' | 'info';
const SEVERITY: Record<Severity, { shape: Shape; tone: Tone }> = {
  error: { shape: 'cross', tone: 'bad' },
  warning: { shape: 'hollowTriangle', tone: 'warn' },
  info: { shape: 'info', tone: 'info' },
};

export function SeverityMark({ severity, bare }: { severity: Severity; bare?: boolean }) {
  const { shape, tone } = SEVERITY[severity];
  return (
    <span class="look">
      <Glyph shape={shape} tone={tone} />
      <span class={bare === true ? 'hidden-text' : ''}>{t(`severity.${severity}`)}</span>
    </span>
  );
}

/** A figure with its unit set smaller. */
export function Fig({ of }: { of: Figure }) {
  return (
    <>
      {of.value}
      {of.unit === '' ? null : <span class="unit">{of.unit}</span>}
    </>
  );
}

/** How much of what is allowed is used. Above 1 it is full, and the figure beside it says how far. */
export function Meter({ ratio, tone }: { ratio: number | null; tone: string }) {
  const share = Math.max(0, Math.min(1, ratio ?? 0));
  return (
    <i
      class={`meter ${tone}`}
      aria-hidden="true"
      style={{ backgroundSize: `${share * 100}% 100%` }}
    />
  );
}

export const ratioTone = (ratio: number | null, warnFrom: number): string => {
  if (ratio === null || ratio < warnFrom) return 'tone-ok';
  return ratio > 1 ? 'tone-bad' : 'tone-warn';
};

export function Panel(props: {
  title: ComponentChildren;
  end?: ComponentChildren;
  span?: number;
  flush?: boolean;
  children: ComponentChildren;
  label?: string;
}) {
  const { title, end, span = 12, flush = false, children } = props;
  return (
    <section class={`panel span-${span}`}>
      <header>
        <h2>{title}</h2>
        {end === undefined ? null : <div class="end">{end}</div>}
      </header>
      <div class={flush ? 'flush' : 'body'}>{children}</div>
    </section>
  );
}

export function Empty(props: {
  title: string;
  text?: string;
  small?: boolean;
  children?: ComponentChildren;
}) {
  return (
    <div class={props.small === true ? 'empty small' : 'empty'}>
      <strong>{props.title}</strong>
      {props.text === undefined ? null : <p>{props.text}</p>}
      {props.children}
    </div>
  );
}

const WIDTHS = ['62%', '88%', '74%', '81%', '55%', '70%'];

export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div class="loading" role="status" aria-label={t('loading')}>
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} style={{ width: WIDTHS[i % WIDTHS.length] ?? '70%' }} />
      ))}
    </div>
  );
}

export function Problem(props: { text: string; onRetry?: () => void | Promise<void> }) {
  const { text, onRetry } = props;
  return (
    <div class="empty small" role="alert">
      <span class="look">
        <span class="tone-bad look">
          <Glyph shape="cross" />
        </span>
        <strong>{t('problem.title')}</strong>
      </span>
      <p>{text}</p>
      {onRetry === undefined ? null : (
        <button type="button" class="button" onClick={() => void onRetry()}>
          {t('retry')}
        </button>
      )}
    </div>
  );
}

export function Segmented<Value extends string | number>(props: {
  label: string;
  options: readonly { value: Value; text: string; title?: string }[];
  value: Value | null;
  onChange: (value: Value) => void;
}) {
  return (
    <div class="segmented" role="group" aria-label={props.label}>
      {props.options.map(({ value, text, title }) => (
        <button
          key={value}
          type="button"
          title={title}
          aria-pressed={value === props.value}
          onClick={() => props.onChange(value)}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

export function Labelled({
  text,
  children,
  grow,
}: {
  text: TextKey;
  children: ComponentChildren;
  grow?: boolean;
}) {
  return (
    <label class={grow === true ? 'labelled grow' : 'labelled'}>
      {t(text)}
      {children}
    </label>
  );
}
