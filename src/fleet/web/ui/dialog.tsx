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
