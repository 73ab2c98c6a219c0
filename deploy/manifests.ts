import { join } from 'node:path';
import { managementObjects } from '../src/install/management-objects.ts';
import { type ManagementFlags, onlyFlags, readManagementRequest } from '../src/plugin/install/management-flags.ts';
import { toYaml } from '../src/plugin/print.ts';

/** What stands in the flags of `install management`, and in the file made of it. */
const FILES: Readonly<Record<string, Partial<ManagementFlags>>> = {
  'management.yaml': {
    image: 'registry.example.com/kubectl-mcm:0.1.0',
    elasticsearch: 'https://elasticsearch.logging.svc:9200',
    'elasticsearch-secret': 'elasticsearch',
    address: 'mgmt.example.com:30449',
  },
  'management-eks.yaml': {
    cloud: 'eks',
    replicas: '3',
    image: 'registry.example.com/kubectl-mcm:0.1.0',
    'image-pull-secret': 'registry',
    elasticsearch: 'https://elasticsearch.example.com:9200',
    'elasticsearch-secret': 'elasticsearch',
    address: 'mgmt.example.com:9449',
  },
};

/** The manifests of this folder, as `kubectl mcm install management --dry-run=client -o yaml` prints them. */
export function manifests(): Map<string, string> {
  return new Map(
    Object.entries(FILES).map(([name, flags]) => {
      const words = Object.entries(flags).map(([flag, value]) => ` --${flag} ${value}`);
      const head = `# kubectl mcm install management${words.join('')} --dry-run=client -o yaml\n`;
      return [join(import.meta.dirname, name), `${head}${toYaml(objectsOf(flags))}`];
    }),
  );
}

function objectsOf(flags: Partial<ManagementFlags>) {
  return managementObjects(readManagementRequest(onlyFlags(flags)), undefined);
}
