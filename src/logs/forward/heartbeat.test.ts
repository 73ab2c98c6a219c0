import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dns } from '../types/dns.ts';
import { flows } from '../types/flows.ts';
import type { FileLag } from './file-follower.ts';
import { Heartbeat } from './heartbeat.ts';
import { ForwardSummary, type HeartbeatReport } from './summary.ts';

describe('the heartbeat', () => {
  it('says of each type what was shipped since the last one and how far its files are behind', (t) => {
    // Not the date: that it is set is no reason to be silent for a day.
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const reports: HeartbeatReport[] = [];
    const summary = new ForwardSummary();
    summary.of(dns);
    const ignore = () => undefined;
    const heartbeat = new Heartbeat(summary, {
      warning: ignore,
      error: ignore,
      detail: ignore,
      heartbeat: (report) => reports.push(report),
    });
    const lag = (path: string, bytes: number, seconds: number): FileLag => ({
      type: flows,
      path,
      bytes,
      seconds,
      stalledSeconds: 0,
    });
    summary.acknowledged(flows, 1000, { accepted: 9, known: 2, setAside: 1, reasons: [] });
    now += 59_999;
    heartbeat.beat([]);
    assert.deepEqual(reports, []);
    now += 1;
    heartbeat.beat([lag('a', 100, 2.4), lag('b', 50, 7.6)]);
    const nothing = { shipped: 0, known: 0, setAside: 0, bytes: 0, files: 0, lagBytes: 0, lagSeconds: 0 };
    assert.deepEqual(reports.splice(0), [
      { ...nothing, type: 'dns' },
      { type: 'flow', shipped: 9, known: 2, setAside: 1, bytes: 1000, files: 2, lagBytes: 150, lagSeconds: 8 },
    ]);
    summary.acknowledged(flows, 500, { accepted: 5, known: 0, setAside: 0, reasons: [] });
    now += 60_000;
    heartbeat.beat([]);
    assert.deepEqual(reports, [
      { ...nothing, type: 'dns' },
      { ...nothing, type: 'flow', shipped: 5, bytes: 500 },
    ]);
  });
});
