import type { JSX } from 'preact';

/** Shapes that can be told apart without colour, at 12 pixels. */
const SHAPES = {
  dot: <circle cx="6" cy="6" r="3.2" fill="currentColor" />,
  ring: <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.6" />,
  brokenRing: (
    <circle
      cx="6"
      cy="6"
      r="4"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-dasharray="2.6 1.6"
    />
  ),
  half: (
    <>
      <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="1.5" />
      <path d="M6 2a4 4 0 0 1 0 8z" fill="currentColor" />
    </>
  ),
  play: <path d="M3 1.8l7 4.2-7 4.2z" fill="currentColor" />,
  pause: <path d="M3 2h2.2v8H3zm3.8 0H9v8H6.8z" fill="currentColor" />,
  triangle: <path d="M6 1.2l5.3 9.6H.7z" fill="currentColor" />,
  hollowTriangle: (
    <path
      d="M6 2l4.5 8.2h-9z"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linejoin="round"
    />
  ),
  down: <path d="M1 2h10L6 10.5z" fill="currentColor" />,
  slow: <path d="M2 2l4 3.4L10 2v3.2L6 8.6 2 5.2zm0 5.6h8v1.8H2z" fill="currentColor" />,
  cross: (
    <path
      d="M2.2 2.2l7.6 7.6m0-7.6L2.2 9.8"
      stroke="currentColor"
      stroke-width="2.2"
      stroke-linecap="round"
    />
  ),
  square: <rect x="2" y="2" width="8" height="8" fill="currentColor" />,
  question: (
    <path
      d="M3.6 4.2C3.6 2.9 4.6 2 6 2s2.4.9 2.4 2.1c0 1.7-2.3 1.8-2.3 3.4M6 9.6v.3"
      fill="none"
      stroke="currentColor"
      stroke-width="1.7"
      stroke-linecap="round"
    />
  ),
  check: (
    <path
      d="M1.8 6.4l2.9 2.9 5.5-6.4"
      fill="none"
      stroke="currentColor"
      stroke-width="1.9"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
  info: (
    <>
      <circle cx="6" cy="6" r="4.6" fill="none" stroke="currentColor" stroke-width="1.3" />
      <path d="M6 5.4v3M6 3.4v.2" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" />
    </>
  ),
  right: <path d="M4 2l4 4-4 4" fill="none" stroke="currentColor" stroke-width="1.7" />,
  open: <path d="M2 4l4 4 4-4" fill="none" stroke="currentColor" stroke-width="1.7" />,
} satisfies Record<string, JSX.Element>;

export type Shape = keyof typeof SHAPES;

/** Decoration: the word beside it says the same. */
export function Glyph({ shape, tone }: { shape: Shape; tone?: string }) {
  return (
    <svg
      class={tone === undefined ? 'glyph' : `glyph tone-${tone}`}
      viewBox="0 0 12 12"
      aria-hidden="true"
      focusable="false"
    >
      {SHAPES[shape]}
    </svg>
  );
}
