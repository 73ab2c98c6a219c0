import { AKS } from './aks.ts';
import type { Cloud } from './cloud.ts';
import { EKS } from './eks.ts';
import { GKE } from './gke.ts';
import { RKE } from './rke.ts';
import { AWS, AZURE, GCP } from './self-managed.ts';

/** By the word of `--cloud`. */
export const CLOUDS: Readonly<Record<string, Cloud>> = {
  gke: GKE,
  eks: EKS,
  aks: AKS,
  rke: RKE,
  gcp: GCP,
  aws: AWS,
  azure: AZURE,
};
