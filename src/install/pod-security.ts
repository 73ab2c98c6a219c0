/** The user of the image, which is nobody on any node. */
export const NOBODY = 65532;

/** Of every container. */
export const CONFINED = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
} as const;

/** Of a pod that runs as that user; `volumes` says whose its files are. */
export function asNobody(volumes: { readonly fsGroup?: number; readonly fsGroupChangePolicy?: 'OnRootMismatch' } = {}) {
  return {
    runAsNonRoot: true,
    runAsUser: NOBODY,
    runAsGroup: NOBODY,
    ...volumes,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}
