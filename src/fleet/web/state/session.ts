import { computed, signal } from '@preact/signals';
import type { Role, SessionResponse } from '../../../protocol/fleet/index.ts';
import { get, hooks, request } from './api.ts';

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** Null until the server has answered for the first time. */
export const session = signal<SessionResponse | null>(null);
export const mustLogIn = computed(
  () => session.value !== null && session.value.login_required && session.value.user === null,
);

export function may(role: Role): boolean {
  const now = session.value;
  if (now === null || now.role === null) return false;
  if (role !== 'viewer' && now.read_only !== null) return false;
  return RANK[now.role] >= RANK[role];
}

function take(answer: SessionResponse): void {
  hooks.csrf = answer.csrf;
  session.value = answer;
}

export async function loadSession(): Promise<void> {
  take(await get<SessionResponse>('/api/session'));
}

export async function logIn(user: string, password: string): Promise<void> {
  take(await request<SessionResponse>('POST', '/api/login', { user, password }));
}

export async function logOut(): Promise<void> {
  await request('POST', '/api/logout', {});
  await loadSession();
}

hooks.onUnauthorized = () => {
  void loadSession().catch(() => {});
};
