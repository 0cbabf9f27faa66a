import { TwowattError } from '../../core/index.ts';

/** Why a connection ended, as a kind to compare with the last one and a sentence to act on. */
export type ConnectionProblem = { kind: string; message: string };

const REFUSALS: Record<number, string> = {
  1: 'it does not speak this version of MQTT',
  2: 'it does not accept our client id; shorten node.id',
  3: 'it is not available at the moment',
  4: 'user name or password are wrong; check mqtt.username and mqtt.password_file',
  5: 'we are not authorised; check mqtt.username and mqtt.password_file',
  0x84: 'it does not speak this version of MQTT',
  0x85: 'it does not accept our client id; shorten node.id',
  0x86: 'user name or password are wrong; check mqtt.username and mqtt.password_file',
  0x87: 'we are not authorised; check mqtt.username and mqtt.password_file',
  0x88: 'it is not available at the moment',
  0x89: 'it is busy',
  0x8a: 'it has banned this client',
  0x95: 'our Last Will is too large for it',
  0x97: 'a quota is exceeded',
  0x9a: 'it does not keep retained messages, which the state topic needs',
  0x9b: 'it does not support QoS 1, which prompts need',
  0x9f: 'we connect too often',
};

const DISCONNECTS: Record<number, string> = {
  0x81: 'it could not read a packet of ours',
  0x82: 'it says that we broke the protocol',
  0x8b: 'it is shutting down',
  0x8d: 'it heard nothing from us for too long',
  0x8e: 'another client with our id has taken the session',
  0x90: 'it does not accept a topic of ours',
  0x93: 'we sent more unacknowledged messages than it allows',
  0x95: 'a packet of ours is too large for it',
  0x96: 'we send too fast',
  0x97: 'a quota is exceeded',
  0x98: 'an administrator has closed it',
};

/** Codes of OpenSSL and Node, and what to do about each; RFC 8446, section 6.2 has the alerts. */
const TLS_FAILURES: readonly (readonly [RegExp, string])[] = [
  [
    /^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/,
    "its certificate is not valid today; renew it, or set this board's clock",
  ],
  [/ALTNAME/, 'its certificate is for another host; check the host name in mqtt.url'],
  [
    /^(UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|CERT_SIGNATURE|CERT_UNTRUSTED)/,
    'no authority that we trust has signed its certificate; check mqtt.tls.ca_file',
  ],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/,
    'it asks for a client certificate; set mqtt.tls.cert_file and mqtt.tls.key_file',
  ],
  [
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERTIFICATE|DECRYPT_ERROR)/,
    'it does not accept our client certificate; check mqtt.tls.cert_file',
  ],
  [
    /^ERR_OSSL|KEY_VALUES_MISMATCH/,
    'our certificate files cannot be used; check mqtt.tls.ca_file, mqtt.tls.cert_file and mqtt.tls.key_file',
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH/, 'it does not speak TLS on this port; check mqtt.url'],
];

/** CONNACK codes by which a broker says that it does not know MQTT 5. */
export function refusesProtocol(reasonCode: number | undefined): boolean {
  return reasonCode === 1 || reasonCode === 0x84;
}

/** The sentence for a CONNACK that refused us. */
export function refusalProblem(where: string, reasonCode: number): ConnectionProblem {
  const why = REFUSALS[reasonCode] ?? `reason code ${reasonCode}`;
  return { kind: `refused:${reasonCode}`, message: `the broker at ${where} refused us: ${why}` };
}

/** The sentence for a DISCONNECT that the broker sent. */
export function disconnectProblem(where: string, reasonCode: number): ConnectionProblem {
  const why = DISCONNECTS[reasonCode] ?? `reason code ${reasonCode}`;
  return {
    kind: `disconnected:${reasonCode}`,
    message: `the broker at ${where} ended the connection: ${why}`,
  };
}

/** The sentence for an error of the socket, of TLS or of mqtt.js. */
export function errorProblem(where: string, error: Error | undefined): ConnectionProblem {
  if (error === undefined) {
    return { kind: 'closed', message: `the connection to the broker at ${where} was closed` };
  }
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const say = (kind: string, text: string): ConnectionProblem => ({ kind, message: text });
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return say('dns', `the broker's name cannot be resolved (${where}); check mqtt.url and DNS`);
    case 'ECONNREFUSED':
      return say('refused', `nothing listens at ${where}; is the broker running?`);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return say('unreachable', `no network way to the broker at ${where}`);
    case 'ETIMEDOUT':
      return say('timeout', `the broker at ${where} does not answer`);
    case 'ECONNRESET':
    case 'EPIPE':
      return say('reset', `the connection to the broker at ${where} was cut`);
    default:
  }
  if (error instanceof TwowattError) return say(`tls:${error.param}`, error.message);
  if (/^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO)/.test(code)) {
    const why = TLS_FAILURES.find(([codes]) => codes.test(code))?.[1] ?? error.message;
    return say(`tls:${code}`, `TLS with the broker at ${where} failed (${code}): ${why}`);
  }
  if (error.message === 'connack timeout') {
    return say('timeout', `${where} accepts connections but does not answer MQTT`);
  }
  if (error.message === 'Keepalive timeout') {
    return say('keepalive', `the broker at ${where} went silent`);
  }
  return say(
    `error:${code || error.message}`,
    `the connection to ${where} failed: ${error.message}`,
  );
}
