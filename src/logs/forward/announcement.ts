import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where a forwarder at work can be asked how far it is: left in its state directory for as long as it has that. */
export interface Announcement {
  /** `http://HOST:PORT` */
  readonly url: string;
  /** Says that what answers there is that forwarder. */
  readonly id: string;
}

const FILE = 'forwarder.json';

/** Nobody who cannot be asked is worse off than without it: that it cannot be written is no failure. */
export function announce(stateDirectory: string, announcement: Announcement): void {
  try {
    writeFileSync(join(stateDirectory, FILE), `${JSON.stringify(announcement)}\n`, { mode: 0o600 });
  } catch {
    // A full disk.
  }
}

export function withdraw(stateDirectory: string): void {
  rmSync(join(stateDirectory, FILE), { force: true });
}

/** Also of a forwarder that was killed. */
export function readAnnouncement(stateDirectory: string): Announcement | undefined {
  try {
    const { url, id } = JSON.parse(readFileSync(join(stateDirectory, FILE), 'utf8')) as Partial<Announcement>;
    return typeof url === 'string' && typeof id === 'string' ? { url, id } : undefined;
  } catch {
    return undefined;
  }
}
