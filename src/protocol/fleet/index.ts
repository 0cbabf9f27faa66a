/**
 * protocol/fleet: the HTTP API between the fleet server and whoever shows or steers a fleet, above all the
 * page. Pure: types, constants and schemas of request bodies; no I/O, no Node. docs/fleet.md restates it.
 *
 * Conventions: JSON; times are milliseconds since 1970 by the server's clock and end in `_ms`, except in what
 * boards sent themselves (RFC 3339 there). Units stand in names. What is not known is null, never a number.
 * Errors are the contract's: `{"error":{code,message,retryable,param?}}` with the HTTP status of the code.
 */
export * from './account.ts';
export * from './actions.ts';
export * from './alerts.ts';
export * from './boards.ts';
export * from './events.ts';
export * from './fields.ts';
export * from './overview.ts';
export * from './routes.ts';
export * from './selection.ts';
