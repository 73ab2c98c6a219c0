import type { Problem } from './problem.ts';

export const DAY = 86_400_000;

/** Days before a certificate runs out from which on that is worth a warning. */
export const SOON = 30;

/** Certificates that have run out, and those that soon will; `expires` is in milliseconds since 1970. */
export function expiryProblem(
  certificates: readonly { readonly of: string; readonly expires: number }[],
  todo: string,
  now: number,
): Problem[] {
  const places = (within: typeof certificates) =>
    [...within]
      .sort((a, b) => a.expires - b.expires)
      .map(({ of, expires }) => `${of}: ${new Date(expires).toISOString().slice(0, 10)}`);
  const expired = places(certificates.filter(({ expires }) => expires <= now));
  const soon = places(certificates.filter(({ expires }) => expires > now && expires <= now + SOON * DAY));
  const problems: Problem[] = [
    { level: 'error', reason: 'CertificateExpired', message: 'certificates have run out', places: expired, todo },
    {
      level: 'warning',
      reason: 'CertificateExpires',
      message: `certificates run out within ${SOON} days`,
      places: soon,
      todo,
    },
  ];
  return problems.filter(({ places: some }) => some.length > 0);
}
