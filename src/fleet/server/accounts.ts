import { createHash, createHmac, randomBytes } from 'node:crypto';
import { argon2id, argon2Verify } from 'hash-wasm';
import { type Clock, TwowattError } from '../../core/index.ts';
import type { Role, UserRecord } from '../../protocol/fleet/index.ts';
import type { FleetStore } from '../store/index.ts';

/** OWASP's password storage sheet: argon2id with 19 MiB, two passes, one lane. About a tenth of a second. */
const ARGON = { memorySize: 19_456, iterations: 2, parallelism: 1, hashLength: 32 } as const;
/** A session ends when it was not used for this long. */
export const SESSION_MS = 12 * 3_600_000;
const REFRESH_MS = 600_000;
/** What the store said is believed for this long: a deleted user may look on for a few seconds. */
const BELIEVE_MS = 5000;
const MOST_REMEMBERED = 1000;

type StoredUser = UserRecord & { hash: string };
type StoredSession = { user: string; created_ms: number };

export type Session = { key: string; user: string; role: Role };

export type Accounts = {
  /** Whether any user exists; until then nothing can be changed. */
  any(): Promise<boolean>;
  users(): Promise<UserRecord[]>;
  add(name: string, role: Role, password: string): Promise<UserRecord>;
  change(
    name: string,
    change: { role?: Role | undefined; password?: string | undefined },
  ): Promise<UserRecord>;
  remove(name: string): Promise<boolean>;
  /** A new session's token; undefined when user or password are wrong. Takes as long in both cases. */
  login(name: string, password: string): Promise<string | undefined>;
  session(token: string): Promise<Session | undefined>;
  logout(token: string): Promise<void>;
  /** What a request that changes something must prove to have read; of a session or a proxy's user. */
  csrf(key: string): Promise<string>;
};

const keyOf = (token: string) => createHash('sha256').update(token).digest('base64url');

const hashPassword = (password: string): Promise<string> =>
  argon2id({ ...ARGON, password, salt: randomBytes(16), outputType: 'encoded' });

/** Users and sessions in the store. Tokens are stored as digests, passwords as argon2id hashes. */
export function createAccounts(store: FleetStore, clock: Clock): Accounts {
  const believed = new Map<string, { session: Session | undefined; untilMs: number }>();
  let anyBelieved: { any: boolean; untilMs: number } | undefined;
  let secret: Promise<Buffer> | undefined;
  let dummy: Promise<string> | undefined;
  /** One at a time: each takes 19 MiB and holds up the event loop. */
  let hashing: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(body: () => Promise<T>): Promise<T> => {
    const turn = hashing.then(body, body);
    hashing = turn.catch(() => {});
    return turn;
  };
  const find = async (name: string): Promise<StoredUser | undefined> =>
    (await store.document('user', name))?.body as StoredUser | undefined;
  const save = async (user: StoredUser): Promise<UserRecord> => {
    await store.putDocument('user', user.name, user, clock.wallMs());
    believed.clear();
    anyBelieved = undefined;
    return publicPart(user);
  };
  const endSessionsOf = async (name: string): Promise<void> => {
    for (const { id, body } of await store.documents('session')) {
      if ((body as StoredSession).user === name) await store.deleteDocument('session', id);
    }
    believed.clear();
  };
  const readSecret = async (): Promise<Buffer> => {
    const stored = (await store.document('setting', 'csrf'))?.body as
      | { secret: string }
      | undefined;
    if (stored !== undefined) return Buffer.from(stored.secret, 'base64url');
    const fresh = randomBytes(32);
    await store.putDocument(
      'setting',
      'csrf',
      { secret: fresh.toString('base64url') },
      clock.wallMs(),
    );
    return fresh;
  };
  const unknown = (name: string) =>
    new TwowattError('invalid_request', `there is no user ${name}`, { param: 'name' });

  return {
    async any() {
      if (anyBelieved !== undefined && anyBelieved.untilMs > clock.monotonicMs())
        return anyBelieved.any;
      const any = (await store.documents('user', { limit: 1 })).length > 0;
      anyBelieved = { any, untilMs: clock.monotonicMs() + BELIEVE_MS };
      return any;
    },
    async users() {
      const all = (await store.documents('user')).map(({ body }) => publicPart(body as StoredUser));
      return all.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async add(name, role, password) {
      if ((await find(name)) !== undefined) {
        throw new TwowattError('invalid_request', `there is a user ${name} already`, {
          param: 'name',
        });
      }
      const hash = await inTurn(() => hashPassword(password));
      return save({ name, role, hash, created_ms: clock.wallMs(), last_login_ms: null });
    },
    async change(name, { role, password }) {
      const user = await find(name);
      if (user === undefined) throw unknown(name);
      const hash = password === undefined ? user.hash : await inTurn(() => hashPassword(password));
      const saved = await save({ ...user, role: role ?? user.role, hash });
      await endSessionsOf(name);
      return saved;
    },
    async remove(name) {
      const removed = await store.deleteDocument('user', name);
      await endSessionsOf(name);
      anyBelieved = undefined;
      return removed;
    },
    async login(name, password) {
      const user = await find(name);
      dummy ??= inTurn(() => hashPassword('nobody has this one'));
      const hash = user?.hash ?? (await dummy);
      const right = await inTurn(() => argon2Verify({ password, hash }));
      if (!right || user === undefined) return undefined;
      const token = randomBytes(32).toString('base64url');
      const session: StoredSession = { user: name, created_ms: clock.wallMs() };
      await store.putDocument('session', keyOf(token), session, clock.wallMs());
      await save({ ...user, last_login_ms: clock.wallMs() });
      return token;
    },
    async session(token) {
      const key = keyOf(token);
      const now = clock.monotonicMs();
      const known = believed.get(key);
      if (known !== undefined && known.untilMs > now) return known.session;
      const stored = await store.document('session', key);
      const body = stored?.body as StoredSession | undefined;
      const age = clock.wallMs() - (stored?.updatedMs ?? 0);
      const user = body !== undefined && age < SESSION_MS ? await find(body.user) : undefined;
      const session = user === undefined ? undefined : { key, user: user.name, role: user.role };
      if (session !== undefined && stored !== undefined && age > REFRESH_MS) {
        await store.putDocument('session', key, stored.body as object, clock.wallMs());
      }
      if (believed.size >= MOST_REMEMBERED) believed.clear();
      believed.set(key, { session, untilMs: now + BELIEVE_MS });
      return session;
    },
    async logout(token) {
      believed.delete(keyOf(token));
      await store.deleteDocument('session', keyOf(token));
    },
    async csrf(key) {
      secret ??= readSecret();
      return createHmac('sha256', await secret)
        .update(key)
        .digest('base64url');
    },
  };
}

function publicPart({ name, role, created_ms, last_login_ms }: StoredUser): UserRecord {
  return { name, role, created_ms, last_login_ms };
}
