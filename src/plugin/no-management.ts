/** What to tell who asks a cluster in which `install management` was not run. */
export const NO_MANAGEMENT_CLUSTER = 'This is no management cluster yet: kubectl mcm install management --help';
