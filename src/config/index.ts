/**
 * config: one convict schema, and the way from its sources (defaults, device profile, file, values set
 * over MQTT, environment, flags; later ones win) to checked values that know where they came from.
 * Promises: nothing unchecked gets through, one error names every bad key, secrets are read from files
 * only and masked wherever values are shown, and nothing set over MQTT can loosen privacy.
 */
export { type ConfigChange, planReload } from './change.ts';
export { describeConfig, describeSchema } from './describe.ts';
export { type LoadedConfig, loadConfig, type LoadOptions, type ProfileDefaults } from './load.ts';
export { defaultNodeId, defaultStateFolder } from './machine.ts';
export { ConfigError, originText, problemText } from './problems.ts';
export { applyLive, planChanges, saveOverlay } from './remote.ts';
export { type Config, configSchemaVersion, settings } from './schema.ts';
export {
  brokerCredentials,
  collectorHeaders,
  readTlsFiles,
  readSecretFile,
  secretFiles,
} from './secrets.ts';
