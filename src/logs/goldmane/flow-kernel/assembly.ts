/**
 * The short way of a flow, in AssemblyScript: TypeScript's syntax for WebAssembly. Numbers are WebAssembly's, and memory is
 * addresses. Nothing runs this file; `npm run wasm` makes compiled.ts of it. What it takes becomes what flowRecord and
 * policyString make of it, to the byte.
 */
import { readAllPolicies, writeAllPolicies } from './assembly/policies';
import { close, hasFailed, member, open, position, start, text, texts, whole } from './assembly/reader';
import { Value } from './assembly/value';
import { copy, digits, enumName, labels, number, put, putValue, textOr, writeTo, written } from './assembly/writer';

/** Where the caller puts a line, behind it a zero, which ends whatever is read. It has so many bytes with that at most. */
export const LINE: usize = 0x10000;
export const LINE_BYTES: usize = 0x4000;

/** Where what flowIdentity is of is found, and so many bytes of it. */
export const IDENTITY: usize = 0x18000;
export let identityBytes: i32 = 0;

/** Where the record is found, up to before its last brace. */
export const RECORD: usize = 0x20000;

/** Its end, in seconds since 1970. */
export let time: f64 = 0;

/** Where the strings of a flow's policies are written. */
const POLICIES: usize = 0x40000;

/** As in flow-record.ts and enums.ts. */
const FIRST_TIME: i64 = 31_536_000;
const LAST_TIME: i64 = 99_999_999_999;
const LAST_PORT: i64 = 65_535;
const LAST_COUNT: i64 = 9_007_199_254_740_991;
const LAST_ENUM: i64 = 0x7fff_ffff;
const BUCKET: i64 = 15;

// What there is of a flow, used for one after the other.
const sourceName = new Value();
const sourceNamespace = new Value();
const sourceType = new Value();
const destName = new Value();
const destNamespace = new Value();
const destType = new Value();
const destPort = new Value();
const serviceName = new Value();
const serviceNamespace = new Value();
const servicePortName = new Value();
const servicePort = new Value();
const proto = new Value();
const reporter = new Value();
const action = new Value();
const startTime = new Value();
const endTime = new Value();
const sourceLabels = new Value();
const destLabels = new Value();
const packetsIn = new Value();
const packetsOut = new Value();
const bytesIn = new Value();
const bytesOut = new Value();
const started = new Value();
const completed = new Value();
const live = new Value();

/**
 * Reads a line of so many bytes that is in the very form in which Goldmane writes it: members in the order of its Go
 * structs and none that is new, without spaces and escapes, of ASCII alone. Returns the length of its record, 0 for a line
 * in any other form.
 */
export function read(length: i32): i32 {
  start(LINE);
  open();
  if (!member('"Key":')) return 0;
  const key = position();
  readKey();
  const keyBytes = position() - key;
  readCounts();
  close();
  if (hasFailed() || position() !== LINE + usize(length)) return 0;
  if (startTime.isEmpty || endTime.number < startTime.number) return 0;
  time = f64(endTime.number);
  writeTo(IDENTITY);
  copy(key, keyBytes);
  put(' ');
  number(startTime);
  put(' ');
  number(endTime);
  identityBytes = i32(written() - IDENTITY);
  writeTo(RECORD);
  writeRecord();
  return i32(written() - RECORD);
}

function readKey(): void {
  open();
  text(sourceName, '"source_name":');
  text(sourceNamespace, '"source_namespace":');
  whole(sourceType, '"source_type":', 0, LAST_ENUM);
  text(destName, '"dest_name":');
  text(destNamespace, '"dest_namespace":');
  whole(destType, '"dest_type":', 0, LAST_ENUM);
  whole(destPort, '"dest_port":', 0, LAST_PORT);
  text(serviceName, '"dest_service_name":');
  text(serviceNamespace, '"dest_service_namespace":');
  text(servicePortName, '"dest_service_port_name":');
  whole(servicePort, '"dest_service_port":', 0, LAST_COUNT);
  text(proto, '"proto":');
  whole(reporter, '"reporter":', 0, LAST_ENUM);
  whole(action, '"action":', 0, LAST_ENUM);
  writeTo(POLICIES);
  readAllPolicies();
  close();
}

function readCounts(): void {
  whole(startTime, '"start_time":', FIRST_TIME, LAST_TIME);
  whole(endTime, '"end_time":', FIRST_TIME, LAST_TIME);
  texts(sourceLabels, '"source_labels":');
  texts(destLabels, '"dest_labels":');
  whole(packetsIn, '"packets_in":', 0, LAST_COUNT);
  whole(packetsOut, '"packets_out":', 0, LAST_COUNT);
  whole(bytesIn, '"bytes_in":', 0, LAST_COUNT);
  whole(bytesOut, '"bytes_out":', 0, LAST_COUNT);
  whole(started, '"num_connections_started":', 0, LAST_COUNT);
  whole(completed, '"num_connections_completed":', 0, LAST_COUNT);
  whole(live, '"num_connections_live":', 0, LAST_COUNT);
}

/** See flowRecord. */
function writeRecord(): void {
  put('{"start_time":');
  number(startTime);
  put(',"end_time":');
  number(endTime);
  put(',"source_ip":null,"source_name":"-","source_name_aggr":"');
  textOr(sourceName, '-');
  put('","source_namespace":"');
  textOr(sourceNamespace, '-');
  put('","source_port":null,"source_type":"');
  enumName(sourceType, 'wep', 'hep', 'ns', 'net');
  put('","source_labels":');
  labels(sourceLabels);
  put(',"dest_ip":null,"dest_name":"-","dest_name_aggr":"');
  textOr(destName, '-');
  put('","dest_namespace":"');
  textOr(destNamespace, '-');
  put('","dest_port":');
  if (destPort.number === 0) put('null');
  else putValue(destPort);
  put(',"dest_type":"');
  enumName(destType, 'wep', 'hep', 'ns', 'net');
  put('","dest_labels":');
  labels(destLabels);
  put(',"dest_service_namespace":"');
  textOr(serviceNamespace, '-');
  put('","dest_service_name":"');
  textOr(serviceName, '-');
  put('","dest_service_port":"');
  textOr(servicePortName, '-');
  put('","proto":"');
  textOr(proto, '-');
  put('","action":"');
  enumName(action, 'allow', 'deny', 'pass', '');
  put('","reporter":"');
  enumName(reporter, 'src', 'dst', '', '');
  put('","policies":');
  writeAllPolicies();
  put(',"bytes_in":');
  number(bytesIn);
  put(',"bytes_out":');
  number(bytesOut);
  put(',"packets_in":');
  number(packetsIn);
  put(',"packets_out":');
  number(packetsOut);
  put(',"num_flows":');
  digits(u64(max(max(started.number, completed.number), perBucket())));
  put(',"num_flows_started":');
  number(started);
  put(',"num_flows_completed":');
  number(completed);
  put(',"goldmane":{"num_connections_live":');
  number(live);
  if (!servicePort.isEmpty) {
    put(',"Key":{"dest_service_port":');
    putValue(servicePort);
    put('}');
  }
  put('}');
}

/** As in flow-record.ts, by the same arithmetic. */
function perBucket(): i64 {
  const buckets = max<i64>(1, (endTime.number - startTime.number) / BUCKET);
  return i64(ceil(f64(live.number) / f64(buckets)));
}
