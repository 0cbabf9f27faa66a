import type { IPublishPacket } from 'mqtt';

/** MQTT allows 64 KiB; what we echo on every frame and store with every prompt is kept small. */
const MAX_CORRELATION_BYTES = 1024;
const MAX_USER_PROPERTIES = 16;
const MAX_USER_PROPERTY_BYTES = 4096;

export type Echo = {
  correlation: string | null;
  userProperties: Record<string, string | string[]> | null;
};

type PublishProperties = NonNullable<IPublishPacket['properties']>;

/** What of a request's properties goes back with its replies. */
export function readEcho(properties: PublishProperties | undefined): Echo {
  const data = properties?.correlationData;
  return {
    correlation:
      data !== undefined && data.length <= MAX_CORRELATION_BYTES ? data.toString('base64') : null,
    userProperties: boundUserProperties(properties?.userProperties),
  };
}

function boundUserProperties(given: PublishProperties['userProperties']): Echo['userProperties'] {
  const kept: Record<string, string[]> = {};
  let pairs = 0;
  let bytes = 0;
  for (const [name, values] of Object.entries(given ?? {})) {
    for (const value of Array.isArray(values) ? values : [values]) {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
      if (pairs === MAX_USER_PROPERTIES || bytes > MAX_USER_PROPERTY_BYTES) break;
      pairs += 1;
      // Own property even for names such as __proto__, which come from the wire.
      const list = Object.hasOwn(kept, name) ? (kept[name] as string[]) : [];
      list.push(value);
      Object.defineProperty(kept, name, {
        value: list,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
  if (pairs === 0) return null;
  return Object.fromEntries(
    Object.entries(kept).map(([name, list]) => [name, list.length === 1 ? (list[0] ?? '') : list]),
  );
}

/** The properties of an outgoing message; MQTT 3.1.1 drops them. */
export function writeProperties(
  contentType: 'application/json' | 'text/plain',
  echo?: Echo,
): PublishProperties {
  return {
    payloadFormatIndicator: true,
    contentType: contentType === 'text/plain' ? 'text/plain; charset=utf-8' : contentType,
    ...(echo?.correlation ? { correlationData: Buffer.from(echo.correlation, 'base64') } : {}),
    ...(echo?.userProperties ? { userProperties: echo.userProperties } : {}),
  };
}
