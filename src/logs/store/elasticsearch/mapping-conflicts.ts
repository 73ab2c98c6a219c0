import type { Client } from '@elastic/elasticsearch';
import { untilAborted } from '../../../until-aborted.ts';
import type { LogType } from '../../types/log-type.ts';
import { unavailable } from './bulk.ts';
import { propertiesOf } from './templates.ts';

/** Milliseconds for which an index is taken to be mapped as it was: a sender may have nothing but faulty records. */
const REMEMBERED = 10_000;
const MOST_REMEMBERED = 1_000;

/** How Elasticsearch says that an index is mapped. */
interface Mapping {
  readonly dynamic?: unknown;
  readonly properties?: Properties;
}

type Properties = Readonly<Record<string, unknown>>;

interface Property {
  readonly type?: string;
  readonly format?: string;
  readonly ignore_malformed?: unknown;
  readonly properties?: Properties;
}

/**
 * Whether it is the index that is at fault for a record that it refuses: somebody has mapped the field otherwise than we
 * have (by hand, or by a template with more priority than ours). Such a record waits until that is mended.
 */
export class MappingConflicts {
  readonly #client: Client;
  readonly #mappings = new Map<string, { readonly until: number; readonly mapping: Promise<Mapping> }>();

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * What is wrong with the index, in words; undefined where the record is at fault. `refusal` is Elasticsearch's.
   * @throws StoreUnavailable
   */
  async of(type: LogType, index: string, refusal: string, signal: AbortSignal): Promise<string | undefined> {
    const asked = untilAborted(this.#mappingOf(index), signal);
    const { dynamic, properties = {} } = await asked.catch((error: unknown) => {
      throw signal.aborted ? error : unavailable(error);
    });
    if (dynamic === 'strict' && /mapping set to strict/.test(refusal)) {
      return 'somebody has set "dynamic" to "strict" in its mapping; it has to be false';
    }
    const ours = flatten(propertiesOf(type));
    for (const [field, theirs] of flatten(properties)) {
      if (!refusal.includes(`[${field}]`) || ours.get(field) === theirs) continue;
      return `somebody has mapped its field ${field} otherwise: as ${theirs}, and it has to be ${ours.get(field) ?? 'in no mapping'}`;
    }
    return undefined;
  }

  /** Shared by all who ask, so that none of them can end it alone. */
  async #mappingOf(index: string): Promise<Mapping> {
    const now = Date.now();
    const known = this.#mappings.get(index);
    if (known !== undefined && known.until > now) return await known.mapping;
    const mapping = this.#client.indices.getMapping({ index }).then((answer) => answer[index]?.mappings ?? {});
    if (this.#mappings.size >= MOST_REMEMBERED) this.#mappings.clear();
    this.#mappings.set(index, { until: now + REMEMBERED, mapping });
    mapping.catch(() => this.#mappings.delete(index));
    return await mapping;
  }
}

/** What decides whether a value can be parsed, for each field by its path. */
function flatten(properties: Properties, path = ''): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(properties)) {
    const { type, format, ignore_malformed: lenient, properties: inner } = value as Property;
    if (type !== undefined) fields.set(`${path}${name}`, wordsOf(type, format, lenient));
    for (const [field, words] of flatten(inner ?? {}, `${path}${name}.`)) fields.set(field, words);
  }
  return fields;
}

function wordsOf(type: string, format: string | undefined, lenient: unknown): string {
  const form = format === undefined ? '' : ` of the form ${format}`;
  return `${type}${form}${lenient === true || lenient === 'true' ? ' that ignores what is malformed' : ''}`;
}
