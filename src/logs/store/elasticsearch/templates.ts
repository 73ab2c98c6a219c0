import { untilAborted } from '../../../until-aborted.ts';
import { STORED_TYPES } from '../../types/index.ts';
import type { LogType } from '../../types/log-type.ts';
import { dayAfter } from '../retention.ts';
import type { CurrentSettings } from '../store-settings.ts';
import { IndexNames } from './index-names.ts';

/** Above the priorities that Elasticsearch ships templates of its own with (up to 200). */
const PRIORITY = 500;

/** In the mapping of every index that our templates have made: nothing else is ever closed or deleted. */
export const OWNER = 'kubectl-mcm';

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
  kind: { type: 'keyword' },
  line: { type: 'keyword', index: false, doc_values: false },
};

/** How the fields of a type's records are mapped. */
export function propertiesOf({ mappings }: LogType): Readonly<Record<string, unknown>> {
  return { ...mappings.properties, ...ours };
}

/** What Elasticsearch's `_index_template` takes. */
export interface IndexTemplate {
  readonly index_patterns: string[];
  readonly priority: number;
  readonly template: { readonly settings: object; readonly mappings: object };
}

/** The templates that give every day's index its mapping, by their names. */
export function indexTemplates(
  { value, ilmPolicy }: CurrentSettings,
  names: IndexNames,
  now: number,
): [string, IndexTemplate][] {
  const { shards } = value.layouts.of(dayAfter(now, 1));
  const lifecycle = ilmPolicy === undefined ? {} : { 'index.lifecycle.name': ilmPolicy };
  const template = (patterns: string[], mappings: object) => indexTemplate(patterns, lifecycle, mappings);
  return [
    ...STORED_TYPES.flatMap((type): [string, IndexTemplate][] => {
      const mappings = { ...type.mappings, properties: propertiesOf(type) };
      return [
        [`kubectl-mcm-${type.name}`, template(names.all(type), mappings)],
        [`kubectl-mcm-${type.name}-shared`, shared(template(names.allShared(type), routed(mappings)), shards)],
      ];
    }),
    ['kubectl-mcm-dead-letters', template([names.allDeadLetters], { properties: deadLetter })],
  ];
}

function indexTemplate(patterns: string[], lifecycle: object, mappings: object): IndexTemplate {
  return {
    index_patterns: patterns,
    priority: PRIORITY,
    template: {
      settings: {
        'index.number_of_shards': 1,
        // A replica where there is a second node to hold it; a single node stays green.
        'index.auto_expand_replicas': '0-1',
        ...lifecycle,
      },
      mappings: { dynamic: false, ...mappings, _meta: { owner: OWNER } },
    },
  };
}

/** An index of several clusters: each in one shard of it, by its name. */
function shared({ template, ...rest }: IndexTemplate, shards: number): IndexTemplate {
  const settings = { ...template.settings, 'index.number_of_shards': shards };
  return { ...rest, priority: PRIORITY + 1, template: { ...template, settings } };
}

function routed(mappings: object): object {
  return { ...mappings, _routing: { required: true } };
}

/** Milliseconds for which the index templates are taken to be in place. */
const PREPARED = 60_000;

/** What has to be done with Elasticsearch before a write. */
export interface Preparations {
  /** Tells, or asks, which settings are in force. */
  settings(): Promise<unknown>;
  /** Has one template put in place; Elasticsearch does nothing when it is there. */
  put(name: string, template: IndexTemplate): Promise<unknown>;
}

/**
 * Sees to it that the index templates are in place. A write without them would create a day's index with guessed
 * mappings, which cannot be mended; and they can be deleted, or Elasticsearch be replaced, while we run.
 */
export class IndexTemplates {
  readonly #settings: CurrentSettings;
  readonly #preparations: Preparations;
  #prepared: { readonly until: number; readonly done: Promise<void> } | undefined;

  constructor(settings: CurrentSettings, preparations: Preparations) {
    this.#settings = settings;
    this.#preparations = preparations;
  }

  /** To be called after a failure: what comes back then may be an Elasticsearch without our templates. */
  distrust(): void {
    this.#prepared = undefined;
  }

  /** @throws what a preparation rejects with. */
  async inPlace(signal: AbortSignal): Promise<void> {
    if (this.#prepared === undefined || this.#prepared.until < Date.now()) {
      const done = this.#prepare().catch((error: unknown) => {
        this.distrust();
        throw error;
      });
      this.#prepared = { until: Date.now() + PREPARED, done };
    }
    await untilAborted(this.#prepared.done, signal);
  }

  async #prepare(): Promise<void> {
    await this.#preparations.settings();
    const names = new IndexNames(this.#settings);
    for (const [name, template] of indexTemplates(this.#settings, names, Date.now())) {
      await this.#preparations.put(name, template);
    }
  }
}
