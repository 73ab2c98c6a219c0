import type { StoreFault } from '../../logs/store/log-store.ts';

/** A fault of the store for people: what is the matter, and what to do. INDEX stands for the names that are given. */
interface FaultWords {
  readonly what: string;
  readonly todo: string;
}

export const STORE_FAULTS: Readonly<Record<StoreFault, FaultWords>> = {
  Unreachable: {
    what: 'Elasticsearch does not answer',
    todo: 'start it, or give the manager its right address (--elasticsearch)',
  },
  Unauthorized: {
    what: "Elasticsearch, or what is in front of it, does not accept the manager's credentials (401)",
    todo: 'give the manager a user or API key that is accepted (--elasticsearch-credentials) and start it again, or mend what is in front of Elasticsearch',
  },
  Forbidden: {
    what: 'the manager may not do in Elasticsearch what it has to (403)',
    todo: 'give its user the role of deploy/elasticsearch-role.json, with the names of your prefix',
  },
  Overloaded: {
    what: 'Elasticsearch takes no more for the moment (429)',
    todo: 'nothing if it passes; if not, Elasticsearch needs more memory or nodes',
  },
  ShardLimit: {
    what: 'Elasticsearch creates no more indices: it has all the shards that it may have',
    todo: 'raise cluster.max_shards_per_node or add a data node; or keep fewer days (kubectl mcm retention set), or let clusters share indices (kubectl mcm layout set shared)',
  },
  IndexClosed: {
    what: 'an index is closed',
    todo: 'open it: POST /INDEX/_open',
  },
  DiskWatermark: {
    what: 'an index is read-only, since the disk of Elasticsearch is nearly full (flood-stage watermark)',
    todo: 'make room on the disk of Elasticsearch, which then lifts the block itself; one that was set by hand: PUT /INDEX/_settings {"index.blocks.read_only_allow_delete": null}',
  },
  IndexBlocked: {
    what: 'an index takes no writes, since somebody has set a block',
    todo: 'take it away: PUT /INDEX/_settings {"index.blocks.write": null, "index.blocks.read_only": null}',
  },
  MappingConflict: {
    what: 'an index is mapped otherwise than kubectl-mcm has it, and refuses records that are in order',
    todo: 'delete the index if it is empty: DELETE /INDEX; otherwise see docs/status.md. Whatever maps it so, such as an index template with more priority, must go first',
  },
  SpoolFull: {
    what: 'the spool has no room',
    todo: 'mend what holds records back, or give the spool more room (--spool-size)',
  },
  Busy: { what: 'the manager is busy', todo: 'nothing: senders come back' },
  Unknown: { what: 'the log store does not take records', todo: "look into the manager's log, which says more" },
};
