import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';
import { messageOf } from './errors.ts';

/**
 * Something that must be in order for a server to do its work; rejects with the reason when it is not. A text that it
 * resolves with is worth knowing although it is in order.
 */
export interface ReadinessCheck {
  readonly name: string;
  /** Told of, but no reason not to be ready: without it there is still something to answer. */
  readonly optional?: true;
  readonly check: (signal: AbortSignal) => Promise<unknown>;
}

/** Milliseconds after which a check that has not answered counts as failed. */
const CHECK_TIMEOUT = 5_000;

/**
 * `/livez`, `/readyz` (each check by name, as Kubernetes servers print them) and `/metrics`; and `/status` as JSON, where
 * there is more to say.
 */
export function createHealthServer(
  metrics: Registry,
  checks: readonly ReadinessCheck[],
  status?: () => object,
): Server {
  return createServer((request, response) => {
    answer(request.url?.split('?')[0] ?? '', metrics, checks, status)
      .catch((error: unknown) => ({ code: 500, type: 'text/plain', text: `${messageOf(error)}\n` }))
      .then(({ code, type, text }) => {
        response.writeHead(code, { 'content-type': type });
        response.end(text);
      });
  });
}

async function answer(
  path: string,
  metrics: Registry,
  checks: readonly ReadinessCheck[],
  status: (() => object) | undefined,
) {
  if (path === '/status' && status !== undefined) {
    return { code: 200, type: 'application/json', text: `${JSON.stringify(status())}\n` };
  }
  switch (path) {
    case '/livez':
    case '/healthz':
      return { code: 200, type: 'text/plain', text: 'ok\n' };
    case '/readyz':
      return await readiness(checks);
    case '/metrics':
      return { code: 200, type: metrics.contentType, text: await metrics.metrics() };
    default:
      return { code: 404, type: 'text/plain', text: 'not found: /livez, /readyz and /metrics are here\n' };
  }
}

/** Rejects in time even where a check does not mind its signal. */
async function late(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort');
  throw new Error(`no answer in ${CHECK_TIMEOUT / 1000} s`);
}

/** What became of a check. */
export interface CheckOutcome {
  readonly name: string;
  readonly ok: boolean;
  /** Where it is not in order, what was checked is ready all the same. */
  readonly optional?: true;
  /** What is wrong, or worth knowing; may be empty. */
  readonly message: string;
}

/** Makes the checks, side by side. Resolves within the time that they have. */
export async function makeChecks(checks: readonly ReadinessCheck[]): Promise<readonly CheckOutcome[]> {
  return await Promise.all(
    checks.map(async ({ name, check, optional }): Promise<CheckOutcome> => {
      const checked = { name, ...(optional === undefined ? {} : { optional }) };
      try {
        const signal = AbortSignal.timeout(CHECK_TIMEOUT);
        const detail = await Promise.race([check(signal), late(signal)]);
        return { ...checked, ok: true, message: typeof detail === 'string' ? detail : '' };
      } catch (error) {
        return { ...checked, ok: false, message: messageOf(error) };
      }
    }),
  );
}

async function readiness(checks: readonly ReadinessCheck[]) {
  const outcomes = await makeChecks(checks);
  const lines = outcomes.map(({ name, ok, message }) => {
    if (!ok) return `[-]${name} failed: ${message}`;
    return `[+]${name} ok${message === '' ? '' : ` (${message})`}`;
  });
  const ready = outcomes.every(({ ok, optional }) => ok || optional === true);
  const text = `${[...lines, `readyz check ${ready ? 'passed' : 'failed'}`].join('\n')}\n`;
  return { code: ready ? 200 : 503, type: 'text/plain', text };
}
