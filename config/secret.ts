/** Whether the PEM texts of a secret are what TLS can use. */
import type { Secret } from '../gen/l7mp/config/v1/types.ts';
import { type Fault, ProxyError } from '../common/errors.ts';
import { authorities, loadTls } from '../common/tls.ts';

/** What is wrong with a secret's PEM texts, by the very functions that use them; no fault shows any of it. */
export function checkSecret({ cert, key, ca }: Secret): Fault[] {
  const faults: Fault[] = [];
  const check = (path: string, expected: string, use: () => unknown): void => {
    try {
      use();
    } catch (error) {
      faults.push({ path, expected, found: ProxyError.from(error).message });
    }
  };
  if ((cert === undefined) !== (key === undefined)) {
    faults.push({
      path: '',
      expected: 'cert and key, or neither',
      found: cert === undefined ? 'only key' : 'only cert',
    });
  } else if (cert !== undefined && key !== undefined) {
    check('cert', 'a certificate and its key in PEM', () => loadTls().createSecureContext({ cert, key }));
  }
  if (ca !== undefined) check('ca', 'certificates in PEM', () => authorities('ca', ca));
  if (cert === undefined && key === undefined && ca === undefined) {
    faults.push({ path: '', expected: 'cert and key, ca, or all of them', found: 'nothing' });
  }
  return faults;
}
