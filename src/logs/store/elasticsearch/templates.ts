import type { Client } from '@elastic/elasticsearch';
import { LOG_TYPES } from '../../types/index.ts';
import type { IndexNames } from './index-names.ts';

/** Above the priorities that Elasticsearch ships templates of its own with (up to 200). */
const PRIORITY = 500;

const settings = {
  'index.number_of_shards': 1,
  // A replica where there is a second node to hold it; a single node stays green.
  'index.auto_expand_replicas': '0-1',
};

/** Fields of ours in every record, whatever its type. */
const ours = {
  '@timestamp': { type: 'date', format: 'epoch_millis' },
  cluster: { type: 'keyword' },
  host: { type: 'keyword' },
  ingested: { type: 'date', format: 'epoch_millis' },
};

const deadLetter = {
  '@timestamp': { type: 'date', format: 'epoch_millis' },
  cluster: { type: 'keyword' },
  host: { type: 'keyword' },
  log_type: { type: 'keyword' },
  file_key: { type: 'keyword' },
  offset: { type: 'long' },
  length: { type: 'long' },
  reason: { type: 'keyword', ignore_above: 1024 },
  line: { type: 'keyword', index: false, doc_values: false },
};

/** Puts the templates in place that give every day's index its mapping. Elasticsearch does nothing when they are there. */
export async function putIndexTemplates(client: Client, names: IndexNames): Promise<void> {
  for (const type of LOG_TYPES) {
    await client.indices.putIndexTemplate({
      name: `kubectl-mcm-${type.name}`,
      index_patterns: [names.allClusters(type)],
      priority: PRIORITY,
      template: {
        settings,
        mappings: {
          ...type.mappings,
          dynamic: false,
          properties: { ...type.mappings.properties, ...ours } as Record<string, object>,
        },
      },
    });
  }
  await client.indices.putIndexTemplate({
    name: 'kubectl-mcm-dead-letters',
    index_patterns: [names.deadLetters('*', '*')],
    priority: PRIORITY,
    template: { settings, mappings: { dynamic: false, properties: deadLetter as Record<string, object> } },
  });
}
