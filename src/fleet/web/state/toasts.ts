import { signal } from '@preact/signals';

export type Toast = { id: number; tone: 'ok' | 'bad' | 'info'; text: string; href?: string };

const SHOWN_MS = 8000;
let next = 1;

export const toasts = signal<readonly Toast[]>([]);

/** Says what became of something. Failures stay until they are closed. */
export function say(tone: Toast['tone'], text: string, href?: string): void {
  const id = next;
  next += 1;
  toasts.value = [
    ...toasts.value,
    { id, tone, text, ...(href === undefined ? {} : { href }) },
  ].slice(-4);
  if (tone !== 'bad') setTimeout(() => close(id), SHOWN_MS);
}

export function close(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
