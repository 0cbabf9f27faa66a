export type { Reading, ReadingQuality } from '../protocol/index.ts';
