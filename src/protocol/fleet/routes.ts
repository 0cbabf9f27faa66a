import type { Role } from './account.ts';

type Route = {
  /** The least role; `anyone` answers without a login. */
  role: Role | 'anyone';
  does: string;
};

/** Every route of the API. docs/fleet.md lists them; a test holds both together. */
export const FLEET_ROUTES = {
  'GET /api/session': { role: 'anyone', does: 'who asks, and the CSRF token' },
  'POST /api/login': { role: 'anyone', does: 'user and password for a session cookie' },
  'POST /api/logout': { role: 'anyone', does: 'ends the session' },
  'GET /api/overview': { role: 'viewer', does: 'the fleet in numbers' },
  'GET /api/overview/series': { role: 'viewer', does: 'the same over time' },
  'GET /api/boards': { role: 'viewer', does: 'every board; `view=rows` for the compact form' },
  'GET /api/boards/:node': { role: 'viewer', does: 'one board in full' },
  'GET /api/boards/:node/series': { role: 'viewer', does: 'history of some fields' },
  'GET /api/boards/:node/decisions': {
    role: 'viewer',
    does: 'recent routing decisions, from the board',
  },
  'GET /api/boards/:node/config': { role: 'viewer', does: 'its settings, from the board' },
  'GET /api/boards/:node/models': { role: 'viewer', does: 'its models and slots, from the board' },
  'DELETE /api/boards/:node': {
    role: 'admin',
    does: 'forgets a board that is offline, and its history',
  },
  'GET /api/events': { role: 'viewer', does: 'changes as server-sent events' },
  'GET /api/alerts': { role: 'viewer', does: 'alerts that fire, or did' },
  'POST /api/alerts/:id/acknowledge': { role: 'operator', does: 'somebody looks after it' },
  'GET /api/alert-rules': { role: 'viewer', does: 'rules' },
  'POST /api/alert-rules': { role: 'operator', does: 'a new rule' },
  'PUT /api/alert-rules/:id': { role: 'operator', does: 'changes a rule' },
  'DELETE /api/alert-rules/:id': { role: 'operator', does: 'deletes a rule and ends its alerts' },
  'GET /api/actions': { role: 'viewer', does: 'recent actions' },
  'GET /api/actions/:id': { role: 'viewer', does: 'one action with every result' },
  'POST /api/actions': { role: 'operator', does: 'an action on some boards' },
  'GET /api/rollouts': { role: 'viewer', does: 'recent roll-outs' },
  'GET /api/rollouts/:id': { role: 'viewer', does: 'one roll-out' },
  'POST /api/rollouts': { role: 'operator', does: 'an action in stages' },
  'POST /api/rollouts/:id/abort': { role: 'operator', does: 'ends a roll-out' },
  'POST /api/rollouts/:id/resume': { role: 'operator', does: 'goes on after a halt' },
  'GET /api/audit': { role: 'operator', does: 'who did what' },
  'GET /api/users': { role: 'admin', does: 'users' },
  'POST /api/users': { role: 'admin', does: 'a new user' },
  'PUT /api/users/:name': { role: 'admin', does: 'changes role or password, ends the sessions' },
  'DELETE /api/users/:name': { role: 'admin', does: 'deletes a user and the sessions' },
  'GET /api/settings': { role: 'viewer', does: 'retention' },
  'PUT /api/settings': { role: 'admin', does: 'changes it' },
  'GET /healthz': { role: 'anyone', does: 'the process is alive' },
  'GET /readyz': { role: 'anyone', does: 'broker and store are there' },
  'GET /metrics': { role: 'viewer', does: 'Prometheus metrics of this server' },
} as const satisfies Record<string, Route>;

export type FleetRoute = keyof typeof FLEET_ROUTES;
