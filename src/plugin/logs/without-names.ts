import { type EndFields, type LogType, list, object, type StoredRecord, text } from '../../logs/types/log-type.ts';

/** A record as `--numeric` shows it: an end that has an address has neither a name nor a namespace beside it. */
export function withoutNames({ ends }: LogType, record: StoredRecord): StoredRecord {
  return ends === undefined ? record : withoutNamesOf(ends.to, withoutNamesOf(ends.from, record));
}

function withoutNamesOf({ ip, names, namespace }: EndFields, record: StoredRecord): StoredRecord {
  if (ip === undefined) return record;
  const inside = ip.lastIndexOf('.') + 1;
  const dropped = [namespace, ...names].map((path) => path.slice(inside));
  const stripped = (end: StoredRecord) => stripEnd(end, ip.slice(inside), dropped);
  if (inside === 0) return stripped(record);
  // The ends of some types are objects, or a list of them.
  const outer = ip.slice(0, inside - 1);
  const value = record[outer];
  return {
    ...record,
    [outer]: Array.isArray(value) ? list(value).map((one) => stripped(object(one))) : stripped(object(value)),
  };
}

function stripEnd(end: StoredRecord, ip: string, dropped: readonly string[]): StoredRecord {
  if (text(end[ip]) === '') return end;
  return Object.fromEntries(Object.entries(end).filter(([name]) => !dropped.includes(name)));
}
