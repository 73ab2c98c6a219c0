import type { Client } from '@elastic/elasticsearch';
import {
  type CurrentSettings,
  DEFAULT_SETTINGS,
  formatHistory,
  formatRetention,
  parseHistory,
  parseRetention,
} from '../store-settings.ts';

/**
 * A component template that nothing is composed of: the manager's settings stand in its `_meta`, for forwarders that
 * write past the manager.
 */
export const SETTINGS_TEMPLATE = 'kubectl-mcm-settings';

interface PublishedSettings {
  readonly history: string;
  readonly retention: string;
  readonly ilmPolicy?: string;
}

export async function publishSettings(client: Client, { value, ilmPolicy }: CurrentSettings): Promise<void> {
  const { layouts, retention } = value;
  const texts = { history: formatHistory(layouts), retention: formatRetention(retention) };
  const _meta = { ...texts, ...(ilmPolicy === undefined ? {} : { ilmPolicy }) };
  await client.cluster.putComponentTemplate({ name: SETTINGS_TEMPLATE, template: {}, _meta });
}

/**
 * Takes the settings from what Elasticsearch answers about SETTINGS_TEMPLATE; the usual ones where no manager has been
 * there. @throws UserError where they cannot be read.
 */
export function takePublished(settings: CurrentSettings, answer: unknown): void {
  const { component_templates: [found] = [] } = answer as {
    readonly component_templates?: readonly { readonly component_template?: { readonly _meta?: PublishedSettings } }[];
  };
  const meta = found?.component_template?._meta;
  settings.ilmPolicy = meta?.ilmPolicy;
  settings.value =
    meta === undefined
      ? DEFAULT_SETTINGS
      : { layouts: parseHistory(meta.history), retention: parseRetention(meta.retention) };
}
