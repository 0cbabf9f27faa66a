/** gateway/http/access: who may ask how much, for every web server of ours; without the board's gateway. */
export { bearerToken, hostName, isLoopback, sameText } from '../guard.ts';
export { createLimiter, type Limiter } from '../limiter.ts';
