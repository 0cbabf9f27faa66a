import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export type Authority = {
  /** Path of the certificate, for whoever shall trust it. */
  certificate: string;
  /** Signs a certificate for these host names and addresses; `days` below zero makes an expired one. */
  issue(
    name: string,
    options?: { altNames?: string; days?: number },
  ): { cert: string; key: string };
};

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}

const NEW_KEY = '-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1'.split(' ');

/** A throw-away certificate authority; its files lie in `folder` and begin with `name`. */
export function createAuthority(folder: string, name: string): Authority {
  const at = (file: string) => join(folder, `${name}-${file}`);
  const ca = { cert: at('ca.crt'), key: at('ca.key') };
  const output = (key: string, file: string) => ['-keyout', key, '-out', file];
  const self = ['-subj', `/CN=${name}`, '-days', '2'];
  openssl('req', '-x509', ...NEW_KEY, ...self, ...output(ca.key, ca.cert));
  return {
    certificate: ca.cert,
    issue(subject, { altNames = 'DNS:localhost,IP:127.0.0.1', days = 2 } = {}) {
      const cert = at(`${subject}.crt`);
      const key = at(`${subject}.key`);
      const request = at(`${subject}.csr`);
      const names = ['-subj', `/CN=${subject}`, '-addext', `subjectAltName=${altNames}`];
      openssl('req', ...NEW_KEY, ...names, ...output(key, request));
      const signer = ['-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial'];
      const period = ['-copy_extensions', 'copy', '-days', String(days)];
      openssl('x509', '-req', '-in', request, ...signer, ...period, '-out', cert);
      return { cert, key };
    },
  };
}
