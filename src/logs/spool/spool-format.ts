import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../errors.ts';
import { FORMATS, refuseNewer } from '../../formats.ts';
import { syncDirectory, writeSynced } from '../forward/state-file.ts';

const NAME = 'format';

/** Notes in a spool's directory how it is written. @throws UserError where it was written by a newer version */
export async function claimFormat(directory: string): Promise<void> {
  const path = join(directory, NAME);
  try {
    refuseNewer(`the spool in ${directory}`, Number(await readFile(path, 'utf8')), FORMATS.spool);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    await writeSynced(path, [`${FORMATS.spool}\n`]);
    await syncDirectory(directory);
  }
}
