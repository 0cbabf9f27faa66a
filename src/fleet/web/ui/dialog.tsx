import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Glyph } from './glyph.tsx';

/** The browser's own dialog: it traps the focus, closes with Escape and gives the focus back. */
export function Dialog(props: {
  title: string;
  wide?: boolean;
  onClose: () => void;
  footer?: ComponentChildren;
  children: ComponentChildren;
}) {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={props.wide === true ? 'wide' : ''}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <header>
        <h2 id={title}>{props.title}</h2>
        <button type="button" class="button plain" aria-label={t('close')} onClick={props.onClose}>
          <Glyph shape="cross" />
        </button>
      </header>
      <div class="body">{props.children}</div>
      {props.footer === undefined ? null : <footer>{props.footer}</footer>}
    </dialog>
  );
}

/** A form in a dialog: Cancel and one button that sends it, and below the fields what was wrong with it. */
export function FormDialog(props: {
  title: string;
  /** What the button that sends it says. */
  submit: string;
  busy?: boolean;
  problem: string | null;
  /** Stands in the footer before the other buttons. */
  extra?: ComponentChildren;
  onSubmit: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const form = useId();
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      footer={
        <>
          {props.extra}
          <button type="button" class="button" onClick={props.onClose}>
            {t('cancel')}
          </button>
          <button type="submit" form={form} class="button main" disabled={props.busy === true}>
            {props.submit}
          </button>
        </>
      }
    >
      <form
        id={form}
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void props.onSubmit();
        }}
      >
        {props.children}
        <FormProblem text={props.problem} />
      </form>
    </Dialog>
  );
}

/** Why a form was not taken; nothing while nothing is wrong. */
export function FormProblem({ text }: { text: string | null }) {
  if (text === null) return null;
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  );
}
