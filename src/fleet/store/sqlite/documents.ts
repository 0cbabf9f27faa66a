import type { DatabaseSync } from 'node:sqlite';
import type { AuditEntry, BoardRecord } from '../../../protocol/fleet/index.ts';
import type { DocumentKind, FleetSample, StoredDocument } from '../types.ts';
import type { FleetRow } from '../points.ts';

type DocumentRow = { id: string; updated_ms: number; body: string };

const toDocument = ({ id, updated_ms: updatedMs, body }: DocumentRow): StoredDocument => ({
  id,
  updatedMs,
  body: JSON.parse(body) as unknown,
});

/** Everything beside the boards' history: documents, audit log, last records, the fleet's own course. */
export function createDocuments(db: DatabaseSync) {
  return {
    document(kind: DocumentKind, id: string): StoredDocument | undefined {
      const row = db
        .prepare('SELECT id, updated_ms, body FROM document WHERE kind = ? AND id = ?')
        .get(kind, id) as DocumentRow | undefined;
      return row && toDocument(row);
    },
    documents(
      kind: DocumentKind,
      { limit = 100_000, sinceMs = -1 }: { limit?: number; sinceMs?: number } = {},
    ): StoredDocument[] {
      const rows = db
        .prepare(
          'SELECT id, updated_ms, body FROM document WHERE kind = ? AND updated_ms > ? ORDER BY updated_ms DESC, id LIMIT ?',
        )
        .all(kind, sinceMs, limit) as DocumentRow[];
      return rows.map(toDocument);
    },
    putDocument(kind: DocumentKind, id: string, body: object, nowMs: number): void {
      db.prepare(
        'INSERT INTO document (kind, id, updated_ms, body) VALUES (?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET updated_ms = excluded.updated_ms, body = excluded.body',
      ).run(kind, id, nowMs, JSON.stringify(body));
    },
    deleteDocument(kind: DocumentKind, id: string): boolean {
      return (
        db.prepare('DELETE FROM document WHERE kind = ? AND id = ?').run(kind, id).changes === 1
      );
    },
    expireDocuments(kind: DocumentKind, beforeMs: number): number {
      return Number(
        db.prepare('DELETE FROM document WHERE kind = ? AND updated_ms < ?').run(kind, beforeMs)
          .changes,
      );
    },
    appendAudit({ at_ms: at, user, from, what, text, detail }: Omit<AuditEntry, 'id'>): void {
      db.prepare(
        'INSERT INTO audit (at_ms, user, "from", what, text, detail) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(at, user, from, what, text, JSON.stringify(detail ?? null));
    },
    audit({ limit, beforeId = Number.MAX_SAFE_INTEGER }: { limit: number; beforeId?: number }) {
      const rows = db
        .prepare('SELECT * FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?')
        .all(beforeId, limit) as (Omit<AuditEntry, 'detail'> & { detail: string })[];
      return rows.map(({ id, at_ms, user, from, what, text, detail }) => ({
        id,
        at_ms,
        user,
        from,
        what,
        text,
        detail: JSON.parse(detail) as unknown,
      }));
    },
    loadBoards(): BoardRecord[] {
      const rows = db.prepare('SELECT record FROM node WHERE record IS NOT NULL').all() as {
        record: string;
      }[];
      return rows.map(({ record }) => JSON.parse(record) as BoardRecord);
    },
    writeFleet({ tMs, online, offline, stale, watts, tokensPerS }: FleetSample): void {
      db.prepare('INSERT OR REPLACE INTO fleet VALUES (?, ?, ?, ?, ?, ?)').run(
        tMs,
        online,
        offline,
        stale,
        watts,
        tokensPerS,
      );
    },
    fleetRows({ fromMs, toMs, stepMs }: { fromMs: number; toMs: number; stepMs: number }) {
      return db
        .prepare(
          'SELECT (t / CAST(?1 AS INTEGER)) * CAST(?1 AS INTEGER) AS t, avg(online) AS online, avg(offline) AS offline, avg(stale) AS stale, avg(watts) AS watts, avg(tokens_per_s) AS tokens_per_s FROM fleet WHERE t >= ?2 AND t < ?3 GROUP BY 1 ORDER BY 1',
        )
        .all(stepMs, fromMs, toMs) as FleetRow[];
    },
    sizeBytes(): number {
      const { bytes } = db
        .prepare(
          'SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()',
        )
        .get() as { bytes: number };
      return bytes;
    },
  };
}
