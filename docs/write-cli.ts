import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliReference } from '../src/plugin/reference.ts';

writeFileSync(join(import.meta.dirname, 'cli.md'), await cliReference());
