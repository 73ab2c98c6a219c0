import { untilAborted } from '../../../until-aborted.ts';
import { STORED_TYPES } from '../../types/index.ts';
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

/** What Elasticsearch's `_index_template` takes. */
export interface IndexTemplate {
  readonly index_patterns: string[];
  readonly priority: number;
  readonly template: { readonly settings: object; readonly mappings: object };
}

/** The templates that give every day's index its mapping, by their names. */
function indexTemplates(names: IndexNames): [string, IndexTemplate][] {
  const template = (pattern: string, mappings: object): IndexTemplate => ({
    index_patterns: [pattern],
    priority: PRIORITY,
    template: { settings, mappings: { dynamic: false, ...mappings } },
  });
  return [
    ...STORED_TYPES.map((type): [string, IndexTemplate] => [
      `kubectl-mcm-${type.name}`,
      template(names.allClusters(type), {
        ...type.mappings,
        properties: { ...type.mappings.properties, ...ours },
      }),
    ]),
    ['kubectl-mcm-dead-letters', template(names.deadLetters('*', '*'), { properties: deadLetter })],
  ];
}

/** Milliseconds for which the index templates are taken to be in place. */
const PREPARED = 60_000;

/**
 * Sees to it that the index templates are in place. A write without them would create a day's index with guessed
 * mappings, which cannot be mended; and they can be deleted, or Elasticsearch be replaced, while we run.
 */
export class IndexTemplates {
  readonly #names: IndexNames;
  readonly #put: (name: string, template: IndexTemplate) => Promise<unknown>;
  #prepared: { readonly until: number; readonly done: Promise<void> } | undefined;

  /** `put` has one put in place; Elasticsearch does nothing when it is there. */
  constructor(names: IndexNames, put: (name: string, template: IndexTemplate) => Promise<unknown>) {
    this.#names = names;
    this.#put = put;
  }

  /** To be called after a failure: what comes back then may be an Elasticsearch without our templates. */
  distrust(): void {
    this.#prepared = undefined;
  }

  /** @throws what `put` rejects with. */
  async inPlace(signal: AbortSignal): Promise<void> {
    if (this.#prepared === undefined || this.#prepared.until < Date.now()) {
      const done = this.#putAll().catch((error: unknown) => {
        this.distrust();
        throw error;
      });
      this.#prepared = { until: Date.now() + PREPARED, done };
    }
    await untilAborted(this.#prepared.done, signal);
  }

  async #putAll(): Promise<void> {
    for (const [name, template] of indexTemplates(this.#names)) await this.#put(name, template);
  }
}
