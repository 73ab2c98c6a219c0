import { conformance } from './conformance/conformance.ts';

conformance(8);
