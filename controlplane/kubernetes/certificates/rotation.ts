/**
 * When certificates are made anew: after two thirds of their life, in an order in which nobody meets one that they don't trust yet.
 *
 * ```text
 *   authority 1   |------------------------------|..............| trusted, signs no more
 *   authority 2                        |--settle-|------------------------------|
 *   server        |--1--|--1--|--1--|--1--|--1---|--2--|--2--|
 * ```
 */
import type { Authority, Bundle } from './bundle.ts';
import { issueServer, makeAuthority, type Validity } from './issue.ts';

/** In ms. */
export interface Ages {
  readonly authority: number;
  readonly server: number;
  /** How long a new authority is known to all before it signs anything. */
  readonly settle: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const AGES: Ages = { authority: 730 * DAY, server: 90 * DAY, settle: HOUR };

/** Clocks that are slow by less than this take a new certificate, too, in ms. */
const SKEW = HOUR;

/** The bundle for now: the very same where it is still good. */
export async function renewed(
  bundle: Bundle | undefined,
  names: readonly string[],
  now: number,
  ages: Ages = AGES,
): Promise<Bundle> {
  const valid = (bundle?.authorities ?? []).filter(({ notAfter }) => notAfter.getTime() > now);
  const [newest] = valid;
  // One whose key is lost can't sign what comes.
  const needsAuthority = newest?.key === undefined || isDue(newest, now);
  const before = needsAuthority ? [await newAuthority(now, ages), ...valid] : valid;
  const signer = signerOf(before, now, ages);
  const authorities = before.map((each, index) =>
    index > before.indexOf(signer) && each.key !== undefined ? { ...each, key: undefined } : each,
  );

  const server = bundle?.server;
  const isGood =
    server !== undefined &&
    !isDue(server, now) &&
    server.issuer === signer.cert &&
    names.length === server.names.length &&
    names.every((name) => server.names.includes(name));
  if (bundle && isGood && authorities.length === bundle.authorities.length && !needsAuthority) return bundle;
  if (server && isGood) return { authorities, server };
  const validity = validityFrom(now, ages.server);
  const notAfter = new Date(Math.min(validity.notAfter.getTime(), signer.notAfter.getTime()));
  const issued = { notBefore: validity.notBefore, notAfter };
  const made = await issueServer({ cert: signer.cert, key: signer.key ?? '' }, names, issued);
  return { authorities, server: { ...made, ...issued, names, issuer: signer.cert } };
}

/** When `renewed` will give another bundle, in ms since the epoch. */
export function nextChange({ authorities, server }: Bundle, ages: Ages = AGES): number {
  const [newest] = authorities;
  return Math.min(
    dueAt(server),
    ...authorities.map(({ notAfter }) => notAfter.getTime()),
    ...(newest ? [dueAt(newest)] : []),
    ...(newest && newest.cert !== server.issuer ? [bornAt(newest) + ages.settle] : []),
  );
}

/** The newest that all have had the time to hear of; the oldest that can where there is none: nobody knows any yet. */
function signerOf(authorities: readonly Authority[], now: number, { settle }: Ages): Authority {
  const able = authorities.filter(({ key }) => key !== undefined);
  const signer = able.find((each) => bornAt(each) + settle <= now) ?? able.at(-1);
  if (!signer) throw new Error('expected an authority with its key, found none');
  return signer;
}

async function newAuthority(now: number, ages: Ages): Promise<Authority> {
  const validity = validityFrom(now, ages.authority);
  return { ...(await makeAuthority(validity)), ...validity };
}

/** In whole seconds, as certificates have them. */
function validityFrom(now: number, age: number): Validity {
  const second = Math.floor(now / 1000) * 1000;
  return { notBefore: new Date(second - SKEW), notAfter: new Date(second + age) };
}

function isDue(validity: Validity, now: number): boolean {
  return dueAt(validity) <= now;
}

function dueAt(validity: Validity): number {
  const born = bornAt(validity);
  return born + ((validity.notAfter.getTime() - born) * 2) / 3;
}

function bornAt({ notBefore }: Validity): number {
  return notBefore.getTime() + SKEW;
}
