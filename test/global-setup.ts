import { Testbed } from '../testbed/testbed.ts';
import { apiServicesAre, TESTBED_VARIABLE } from './harness.ts';

let testbed: Testbed | undefined;

/** Starts what the tests in test/ share: a management cluster that is installed, its manager, managed clusters. */
export async function globalSetup(): Promise<void> {
  testbed = await Testbed.start(['prod-eu', 'prod-us'], (text) => process.stderr.write(`${text}\n`));
  const { address, apiAddress } = testbed;
  await testbed.mustMcm(['install', 'management', '--address', address, '--external-manager', apiAddress]);
  await testbed.startManager();
  await apiServicesAre(testbed, 'True');
  process.env[TESTBED_VARIABLE] = JSON.stringify(testbed.facts);
}

export async function globalTeardown(): Promise<void> {
  await testbed?.stop();
}
