import * as v from 'valibot';

/** Each may do what those before it may: look; act on boards and acknowledge; rules, users and settings. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export const roleAllows = (role: Role, needed: Role): boolean =>
  ROLES.indexOf(role) >= ROLES.indexOf(needed);

/**
 * `GET /api/session`: who asks; answers without a login too. Every request that changes something must carry
 * `csrf` in the header `x-csrf-token`. While no user exists, everybody on this machine is `viewer` and
 * nothing can be changed (`read_only` says so, and what to do about it).
 */
export type SessionResponse = {
  /** Null: not logged in. `login_required` tells whether that keeps the rest from answering. */
  user: string | null;
  role: Role | null;
  csrf: string | null;
  login_required: boolean;
  /** `proxy`: the reverse proxy says who asks, there is nothing to log out of. */
  via: 'none' | 'password' | 'proxy';
  read_only: string | null;
  version: string;
};

const userName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9._@-]{1,64}$/));

/** Body of `POST /api/login`: sets the session cookie, answers a SessionResponse. */
export const loginSchema = v.strictObject({
  user: v.pipe(v.string(), v.maxLength(64)),
  password: v.pipe(v.string(), v.maxLength(1024)),
});

/** Body of `POST /api/users` (admin). */
export const newUserSchema = v.strictObject({
  name: userName,
  role: v.picklist(ROLES),
  password: v.pipe(v.string(), v.minLength(10), v.maxLength(1024)),
});

/** Body of `PUT /api/users/:name` (admin). */
export const changeUserSchema = v.strictObject({
  role: v.optional(v.picklist(ROLES)),
  password: v.optional(v.pipe(v.string(), v.minLength(10), v.maxLength(1024))),
});

export type UserRecord = {
  name: string;
  role: Role;
  created_ms: number;
  last_login_ms: number | null;
};

/** `GET /api/users` (admin). */
export type UsersResponse = { users: UserRecord[] };

/** One line of the audit log: who did what, to which boards, with which outcome. */
export type AuditEntry = {
  id: number;
  at_ms: number;
  user: string;
  /** Client address. */
  from: string;
  /** `login`, `login_failed`, `action`, `rollout`, `rule`, `acknowledge`, `user`, `settings`, … */
  what: string;
  /** For people. Holds no secret. */
  text: string;
  detail: unknown;
};

/** `GET /api/audit?limit=&before=ID` (operator): newest first. */
export type AuditResponse = { entries: AuditEntry[] };

/** `GET /api/settings`, `PUT /api/settings` (admin): what is changed while the server runs. */
export const settingsSchema = v.strictObject({
  /** Telemetry as it came is kept for so many days. */
  raw_days: v.pipe(v.number(), v.minValue(0.04), v.maxValue(3650)),
  /** Roll-ups of a minute, and of an hour. */
  minute_days: v.pipe(v.number(), v.minValue(0.04), v.maxValue(3650)),
  hour_days: v.pipe(v.number(), v.minValue(1), v.maxValue(36_500)),
  /** Boards that were offline for so many days are forgotten (0: never). */
  forget_days: v.pipe(v.number(), v.minValue(0), v.maxValue(3650)),
});
export type FleetSettings = v.InferOutput<typeof settingsSchema>;
