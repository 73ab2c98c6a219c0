import { LayoutHistory } from '../../logs/store/elasticsearch/layout.ts';
import { fingerprintOf, parseStatus } from '../../logs/store/store-config.ts';
import { parseHistory } from '../../logs/store/store-settings.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { formatTable, printable } from '../print.ts';
import { readStoreConfig } from '../store-config.ts';

/** `layout`: which indices logs are stored in. */
export const command = defineCommand({
  args: [],
  description: `
Show which indices logs are stored in, and for the records of which days (UTC).

The layout per-cluster has an index for each log type, cluster and day (PREFIXflows.CLUSTER.DAY), as Calico names them.
The layout shared has one for each log type and day (PREFIXflows.shared.DAY): for many clusters, where the other one
would need more shards than Elasticsearch takes.`,
  examples: `
kubectl mcm layout

# One index a day for all clusters
kubectl mcm layout set shared`,
  flags: {},
  run: async ({ global, io }) => {
    const { data = {} } = await readStoreConfig(connect(global, io), io.signal);
    const { periods } = data.history === undefined ? new LayoutHistory() : parseHistory(data.history);
    const rows = periods.map(({ from, layout, prefix, shards }) => [
      from === '' ? '<beginning>' : `${from.slice(0, 4)}-${from.slice(4, 6)}-${from.slice(6)}`,
      layout,
      prefix,
      layout === 'shared' ? String(shards) : '1',
    ]);
    io.out.write(formatTable(['FROM', 'LAYOUT', 'PREFIX', 'SHARDS A DAY'], rows));
    const status = parseStatus(data.status);
    if (status?.answers === fingerprintOf(data)) {
      for (const reason of status.refused) io.err.write(`warning: not taken: ${printable(reason)}\n`);
    } else if (data.layout !== undefined || data.retention !== undefined) {
      io.err.write('warning: no manager has looked at the last change yet\n');
    }
    return 0;
  },
});
