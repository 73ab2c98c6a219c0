import { writeFileSync } from 'node:fs';
import { manifests } from './manifests.ts';

for (const [file, text] of manifests()) writeFileSync(file, text);
