/** Which rows of a long list are drawn. Rows are of one height, so that nothing has to be measured. */
export type ListWindow = { first: number; end: number };

export function visibleWindow(options: {
  scrollTop: number;
  viewHeight: number;
  rowHeight: number;
  count: number;
  /** Rows drawn beyond each edge, so that a fast scroll does not show holes. */
  overscan: number;
}): ListWindow {
  const { scrollTop, viewHeight, rowHeight, count, overscan } = options;
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - overscan);
  const end = Math.min(count, Math.ceil((scrollTop + viewHeight) / rowHeight) + overscan);
  return { first: Math.min(first, end), end };
}

/** Where to scroll so that a row is wholly in view; as little as possible. */
export function scrollToShow(options: {
  index: number;
  scrollTop: number;
  viewHeight: number;
  rowHeight: number;
}): number {
  const { index, scrollTop, viewHeight, rowHeight } = options;
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  if (top + rowHeight > scrollTop + viewHeight) return top + rowHeight - viewHeight;
  return scrollTop;
}
