/** A column of Kubernetes' table. */
export interface TableColumn<T> {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly description: string;
  /** undefined where an item has nothing to say. */
  cell(item: T): string | number | undefined;
  /** Shown by `-o wide` only. */
  readonly wide?: true;
}

/** Kubernetes' table (meta.k8s.io/v1) of a list, by which `kubectl get` shows it: the items' names, and these columns. */
export function tableOf<T extends { readonly metadata: { readonly name: string } }>(
  columns: readonly TableColumn<T>[],
  items: readonly T[],
): object {
  const name = { name: 'Name', type: 'string', format: 'name', description: 'The name.', priority: 0 };
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: [
      name,
      ...columns.map(({ cell: _cell, wide, ...column }) => ({
        ...column,
        format: '',
        priority: wide === true ? 1 : 0,
      })),
    ],
    rows: items.map((item) => ({
      cells: [item.metadata.name, ...columns.map(({ cell }) => cell(item) ?? '<none>')],
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: item.metadata },
    })),
  };
}
