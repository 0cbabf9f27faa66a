export function Brand({ text }: { text: string }) {
  return (
    <span class="brand">
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <rect width="16" height="16" rx="3.5" fill="var(--accent)" />
        <path
          d="M2.5 5l2 6 1.8-5h.4l1.8 5 2-6"
          fill="none"
          stroke="var(--accent-text)"
          stroke-width="1.5"
          stroke-linejoin="round"
          stroke-linecap="round"
        />
        <circle cx="13" cy="10.2" r="1.3" fill="#f5b04c" />
      </svg>
      {text}
    </span>
  );
}
