import { type ForwardOptions, withCrossing } from './crossing.ts';
import { InputOpener } from './open-inputs.ts';
import { ship } from './shipment.ts';
import { SpoolShipper } from './spool-shipper.ts';
import { ForwardSummary } from './summary.ts';

/**
 * Ships what is new in the files, up to where they ended when it began, and remembers how far everything has been
 * acknowledged.
 *
 * @param summary counts as it goes.
 * @throws UserError when the manager refuses this forwarder, or the state directory cannot be used or is in use.
 */
export async function forwardOnce(options: ForwardOptions, summary = new ForwardSummary()): Promise<ForwardSummary> {
  const { inputs, signal } = options;
  await withCrossing({ ...options, summary, stop: signal, insist: true, halve: true }, async (crossing) => {
    // All files at the start, so that their ends are those of one moment.
    const opener = new InputOpener({ ...crossing, copying: 0 });
    try {
      await opener.open(inputs, summary);
      const shipper = new SpoolShipper(crossing);
      await shipper.drain();
      await ship(opener.opened, crossing, (input) => opener.changeOf(input) === undefined);
      await shipper.drainGaps();
    } catch (error) {
      if (!signal.aborted) throw error;
      summary.incomplete.push('interrupted; the rest is left for the next run');
    } finally {
      for (const { file } of opener.opened) await file.close();
    }
  });
  return summary;
}
