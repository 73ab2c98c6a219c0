import { flowIdentity } from './flow-identity.ts';
import { FlowKernel } from './flow-kernel/flow-kernel.ts';

/** A flow whose record is text. */
export interface FlowText {
  /** See flowIdentity: to be combined with the cluster's name. */
  readonly identity: string;
  /** Its end, in milliseconds since 1970. */
  readonly time: number;
  /** The FlowRecord as JSON, up to before its last brace. Good until the next flow is read. */
  readonly record: Buffer;
}

/** Made when the first flow comes; used for one after the other. */
let kernel: FlowKernel | undefined;

/**
 * The short way of a line in the very form in which Goldmane writes it: members in the order of its Go structs, and none
 * that is new. Every other line, also one that is wrong, is left to readGoldmaneFlow, which takes ten times as long.
 */
export function readPlainFlow(line: Buffer): FlowText | undefined {
  kernel ??= new FlowKernel();
  const flow = kernel.read(line);
  if (flow === undefined) return undefined;
  return { identity: flowIdentity(flow.identity), time: flow.time * 1000, record: flow.record };
}
