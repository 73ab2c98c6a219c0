import type { Client } from '@elastic/elasticsearch';
import {
  DEFAULT_SETTINGS,
  formatHistory,
  formatRetention,
  parseHistory,
  parseRetention,
  type StoreSettings,
} from '../store-settings.ts';

/**
 * A component template that nothing is composed of: the manager's settings stand in its `_meta`, for forwarders that
 * write past the manager.
 */
export const SETTINGS_TEMPLATE = 'kubectl-mcm-settings';

interface PublishedSettings {
  readonly history: string;
  readonly retention: string;
}

export async function publishSettings(client: Client, settings: StoreSettings): Promise<void> {
  const _meta = { history: formatHistory(settings.layouts), retention: formatRetention(settings.retention) };
  await client.cluster.putComponentTemplate({ name: SETTINGS_TEMPLATE, template: {}, _meta });
}

/**
 * The settings in what Elasticsearch answers about SETTINGS_TEMPLATE; the usual ones where no manager has been there.
 * @throws UserError where they cannot be read.
 */
export function publishedSettings(answer: unknown): StoreSettings {
  const { component_templates: [found] = [] } = answer as {
    readonly component_templates?: readonly { readonly component_template?: { readonly _meta?: PublishedSettings } }[];
  };
  const meta = found?.component_template?._meta;
  if (meta === undefined) return DEFAULT_SETTINGS;
  return { layouts: parseHistory(meta.history), retention: parseRetention(meta.retention) };
}
