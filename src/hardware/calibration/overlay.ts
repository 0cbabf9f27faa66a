import type { ModelManifest } from '../../protocol/index.ts';
import type { ProfileOverlay } from '../profile-overlay.ts';
import type { DeviceProfile } from '../profile-schema.ts';
import type { Calibration } from './types.ts';

/** Figures carry no more digits than a measurement can have. */
const significant = (value: number, digits = 4): number => Number(value.toPrecision(digits));

/** The overlay that a calibration comes to: every number marked with date, model and meter. */
export function overlayOf(
  calibration: Calibration,
  facts: {
    profile: DeviceProfile;
    model: Pick<ModelManifest, 'id' | 'digest' | 'form'> & { bytesPerToken: number };
    /** RFC 3339. */
    at: string;
    version: string;
  },
): ProfileOverlay {
  const { profile, model, at, version } = facts;
  const { idle, points, meter, notes, wholeBoard } = calibration;
  const source = `calibration-${at.slice(0, 10)}`;
  const figureOf = (watts: number) => ({ value: significant(watts), source });
  const named = new Set(
    profile.power.sensors.flatMap(({ rails }) => rails.map(({ name }) => name)),
  );
  const rails = Object.entries(idle.rails).filter(([name]) => named.has(name));
  return {
    v: 1,
    profile: profile.name,
    measured: {
      at,
      model: {
        id: model.id,
        digest: model.digest,
        form: model.form,
        bytes_per_token: model.bytesPerToken,
      },
      meter,
      twowatt: version,
      notes,
    },
    power: {
      ...(wholeBoard ? { idle_w: figureOf(idle.watts) } : {}),
      ...(rails.length === 0
        ? {}
        : { rails: Object.fromEntries(rails.map(([name, watts]) => [name, figureOf(watts)])) }),
    },
    operating_points: points.map(({ threads, freqKhz, decode, prefill }) => ({
      threads,
      freq_khz: freqKhz,
      batch: 1,
      decode_tokens_per_s: significant(decode.tokensPerS),
      prefill_tokens_per_s: significant(prefill.tokensPerS),
      watts: significant(decode.watts),
      prefill_watts: significant(prefill.watts),
      bytes_per_token: model.bytesPerToken,
      source,
    })),
    sources: {
      [source]: `Measured on this board on ${at.slice(0, 10)} with ${model.id} (${model.form}), power by ${meter}; twowatt ${version}.`,
    },
  };
}
