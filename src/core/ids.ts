import { randomBytes } from 'node:crypto';

/** What clients may use as an id (contract section 1), before the reserved words are taken out. */
const CLIENT_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const RESERVED_IDS = new Set(['text', 'invalid']);

export function isClientId(value: unknown): value is string {
  return typeof value === 'string' && CLIENT_ID.test(value) && !RESERVED_IDS.has(value);
}

/** A fresh id: 96 random bits, so that nodes need not agree on anything. */
export function newId(): string {
  return randomBytes(12).toString('base64url').replaceAll('_', '.');
}
