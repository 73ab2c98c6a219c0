import type { LayoutName } from '../../src/logs/store/elasticsearch/layout.ts';
import type { Elasticsearch } from '../../testbed/elasticsearch/elasticsearch.ts';
import type { ElasticsearchMajor } from '../../testbed/elasticsearch/installation.ts';

/** What is tried: a layout in an Elasticsearch of a version. */
export interface Subject {
  /** Known when tests run. */
  readonly server: () => Elasticsearch;
  readonly major: ElasticsearchMajor;
  readonly layout: LayoutName;
}
