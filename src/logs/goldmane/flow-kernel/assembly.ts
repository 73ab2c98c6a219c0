/**
 * The short way of a flow, in AssemblyScript: TypeScript's syntax for WebAssembly. Numbers are WebAssembly's, and memory is
 * addresses. Nothing runs this file; `npm run wasm` makes compiled.ts of it. What it takes becomes what flowRecord and
 * policyString make of it, to the byte.
 */

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

/** Where the strings of a flow's policies are written, and as u32 where each begins and ends. */
const POLICIES: usize = 0x40000;
const ITEMS: usize = 0x1e000;

/** As MAX_TEXT and MAX_ITEMS in json-fields.ts. */
const MAX_TEXT: usize = 1024;
const MAX_ITEMS: i32 = 1000;

/** Of enforced and pending policies together. Flows with more are rare, and left to the long way. */
const MAX_POLICIES: i32 = 200;

/** As in flow-record.ts, enums.ts and policy-string.ts. */
const FIRST_TIME: i64 = 31_536_000;
const LAST_TIME: i64 = 99_999_999_999;
const LAST_PORT: i64 = 65_535;
const LAST_COUNT: i64 = 9_007_199_254_740_991;
const LAST_ENUM: i64 = 0x7fff_ffff;
const LAST_INDEX: i64 = 1_000_000;
const UNKNOWN_RULE: i64 = -2;
const BUCKET: i64 = 15;

/** Kinds of policies. */
const PROFILE: i64 = 9;
const END_OF_TIER: i64 = 10;

/** As many as every whole number of a double has. */
const MAX_DIGITS: usize = 15;

const SPACE: u8 = 0x20;
const QUOTE: u8 = 0x22;
const COMMA: u8 = 0x2c;
const MINUS: u8 = 0x2d;
const DOT: u8 = 0x2e;
const ZERO: u8 = 0x30;
const OPEN_BRACKET: u8 = 0x5b;
const BACKSLASH: u8 = 0x5c;
const CLOSE_BRACKET: u8 = 0x5d;
const OPEN_BRACE: u8 = 0x7b;
const BAR: u8 = 0x7c;
const CLOSE_BRACE: u8 = 0x7d;
const DELETE: u8 = 0x7f;

/** A value as it stands in the line; where there is none it has no bytes, and is 0. */
class Value {
  from: usize = 0;
  to: usize = 0;
  number: i64 = 0;

  get isEmpty(): bool {
    return this.from === this.to;
  }
}

class Policy {
  readonly kind: Value = new Value();
  readonly namespace: Value = new Value();
  readonly name: Value = new Value();
  readonly tier: Value = new Value();
}

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
const policy = new Policy();
const trigger = new Policy();
const policyAction = new Value();
const policyIndex = new Value();
const ruleIndex = new Value();
const triggerRule = new Value();

/** How many policies there are: the enforced ones, and those with the pending ones. */
let enforced: i32 = 0;
let policies: i32 = 0;

/** Where in the line it is read, and whether no member of the innermost object was read yet. */
let at: usize = 0;
let atFirst: bool = true;
let failed: bool = false;

/** Where what is written next goes. */
let out: usize = 0;

/**
 * Reads a line of so many bytes that is in the very form in which Goldmane writes it: members in the order of its Go
 * structs and none that is new, without spaces and escapes, of ASCII alone. Returns the length of its record, 0 for a line
 * in any other form.
 */
export function read(length: i32): i32 {
  at = LINE;
  failed = false;
  open();
  if (!member('"Key":')) return 0;
  const key = at;
  readKey();
  const keyBytes = at - key;
  readCounts();
  close();
  if (failed || at !== LINE + usize(length)) return 0;
  if (startTime.isEmpty || endTime.number < startTime.number) return 0;
  time = f64(endTime.number);
  out = IDENTITY;
  copy(key, keyBytes);
  put(' ');
  number(startTime);
  put(' ');
  number(endTime);
  identityBytes = i32(out - IDENTITY);
  out = RECORD;
  writeRecord();
  return i32(out - RECORD);
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
  policies = 0;
  enforced = 0;
  out = POLICIES;
  if (member('"policies":')) {
    open();
    if (member('"enforced_policies":')) readPolicies();
    enforced = policies;
    if (member('"pending_policies":')) readPolicies();
    close();
  }
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

/** A list of policies; each is written as a string of JSON. */
function readPolicies(): void {
  expect(OPEN_BRACKET);
  if (load<u8>(at) !== CLOSE_BRACKET) {
    readPolicy();
    while (!failed && load<u8>(at) === COMMA) {
      at++;
      readPolicy();
    }
  }
  expect(CLOSE_BRACKET);
}

function readPolicy(): void {
  open();
  readNames(policy);
  whole(policyAction, '"action":', 0, LAST_ENUM);
  whole(policyIndex, '"policy_index":', 0, LAST_INDEX);
  whole(ruleIndex, '"rule_index":', UNKNOWN_RULE, LAST_INDEX);
  const hasTrigger = member('"trigger":');
  if (hasTrigger) {
    open();
    readNames(trigger);
    whole(triggerRule, '"rule_index":', UNKNOWN_RULE, LAST_INDEX);
    close();
    // Nobody asks a policy of another kind for one: it is kept with the record.
    if (policy.kind.number !== END_OF_TIER) failed = true;
  }
  close();
  if (policies === MAX_POLICIES) failed = true;
  if (failed) return;
  store<u32>(ITEMS + (policies << 3), u32(out));
  writePolicy(hasTrigger ? trigger : policy);
  store<u32>(ITEMS + (policies << 3), u32(out), 4);
  policies++;
}

function readNames(policy: Policy): void {
  whole(policy.kind, '"kind":', 0, LAST_ENUM);
  text(policy.namespace, '"namespace":');
  text(policy.name, '"name":');
  text(policy.tier, '"tier":');
  if (hasBar(policy.namespace) || hasBar(policy.name) || hasBar(policy.tier)) failed = true;
}

function hasBar(value: Value): bool {
  for (let at = value.from; at < value.to; at++) if (load<u8>(at) === BAR) return true;
  return false;
}

/** See policyString; `named` is the trigger where there is one. */
function writePolicy(named: Policy): void {
  const tier = policy.tier.isEmpty ? named.tier : policy.tier;
  const noTier = named.kind.number === PROFILE ? '__PROFILE__' : '-';
  put('"');
  number(policyIndex);
  put('|');
  textOr(tier, noTier);
  put('|');
  writeName(tier, noTier, named);
  put('|');
  enumName(policyAction, 'allow', 'deny', 'pass', '');
  put('|');
  number(ruleIndex);
  put('"');
}

function writeName(tier: Value, noTier: string, policy: Policy): void {
  const kind = policy.kind.number;
  const name = policy.name;
  const hasFormat = kind >= 1 && kind <= 11;
  if (!hasFormat) {
    number(policy.kind);
    put(':');
  }
  if (!policy.namespace.isEmpty) {
    putValue(policy.namespace);
    put('/');
  }
  if (!hasFormat) {
    textOr(name, '__NO_MATCH__');
    return;
  }
  if (kind === 5) put('staged:knp.');
  else if (kind === 6) put('knp.');
  else if (kind === 7) put('kanp.');
  else if (kind === 8) put('kbanp.');
  else if (kind === 11) put('kcnp.');
  textOr(tier, noTier);
  put('.');
  if (kind === 3 || kind === 4) put('staged:');
  if (kind <= 4) nameWithout(tier, name);
  else textOr(name, '__NO_MATCH__');
}

/** The name of a policy, without that of its tier and a dot before it; one without a tier is left to the long way. */
function nameWithout(tier: Value, name: Value): void {
  const length = tier.to - tier.from;
  if (length === 0) failed = true;
  const isBefore =
    name.to - name.from > length &&
    load<u8>(name.from + length) === DOT &&
    memory.compare(name.from, tier.from, length) === 0;
  if (isBefore) copy(name.from + length + 1, name.to - name.from - length - 1);
  else textOr(name, '__NO_MATCH__');
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
  put('","policies":{"all_policies":[');
  writePolicies(0, policies, true);
  put('],"enforced_policies":[');
  writePolicies(0, enforced, false);
  put('],"pending_policies":[');
  writePolicies(enforced, policies, false);
  put(']},"bytes_in":');
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

/** Policies as the items of a list; each but once, if that is asked for. */
function writePolicies(from: i32, to: i32, once: bool): void {
  let isFirst = true;
  for (let item = from; item < to; item++) {
    if (once && isRepeated(item)) continue;
    if (!isFirst) put(',');
    isFirst = false;
    copy(beginOf(item), lengthOf(item));
  }
}

function isRepeated(item: i32): bool {
  const length = lengthOf(item);
  for (let before = 0; before < item; before++) {
    if (lengthOf(before) === length && memory.compare(beginOf(before), beginOf(item), length) === 0) return true;
  }
  return false;
}

function beginOf(item: i32): usize {
  return load<u32>(ITEMS + (item << 3));
}

function lengthOf(item: i32): usize {
  return usize(load<u32>(ITEMS + (item << 3), 4)) - beginOf(item);
}

/** As in flow-record.ts, by the same arithmetic. */
function perBucket(): i64 {
  const buckets = max<i64>(1, (endTime.number - startTime.number) / BUCKET);
  return i64(ceil(f64(live.number) / f64(buckets)));
}

function open(): void {
  expect(OPEN_BRACE);
  atFirst = true;
}

function close(): void {
  expect(CLOSE_BRACE);
  atFirst = false;
}

function expect(byte: u8): void {
  if (load<u8>(at++) !== byte) failed = true;
}

/** Whether that member comes next, by its name with quotes and colon; then its value is to be read. */
function member(name: string): bool {
  const from = atFirst ? at : at + 1;
  if (!stands(name, from)) return false;
  if (!atFirst) expect(COMMA);
  atFirst = false;
  at = from + name.length;
  return true;
}

/** '' where it is missing, and for Calico's "-" that says that it does not apply. */
function text(value: Value, name: string): void {
  value.from = at;
  value.to = at;
  if (!member(name)) return;
  value.from = at + 1;
  readText();
  value.to = at - 1;
  if (value.to === value.from + 1 && load<u8>(value.from) === MINUS) value.to = value.from;
}

function readText(): void {
  expect(QUOTE);
  const from = at;
  at = endOfText(from);
  if (at - from > MAX_TEXT) failed = true;
  expect(QUOTE);
}

/** A list of texts, as it stands there; nothing where it is empty. */
function texts(value: Value, name: string): void {
  value.from = at;
  value.to = at;
  if (!member(name)) return;
  const from = at;
  let items: i32 = 0;
  expect(OPEN_BRACKET);
  if (load<u8>(at) !== CLOSE_BRACKET) {
    readText();
    for (items = 1; !failed && load<u8>(at) === COMMA; items++) {
      at++;
      readText();
    }
  }
  expect(CLOSE_BRACKET);
  if (items > MAX_ITEMS) failed = true;
  if (items === 0) return;
  value.from = from;
  value.to = at;
}

/** A whole number in that range; 0 where it is missing. */
function whole(value: Value, name: string, least: i64, most: i64): void {
  value.from = at;
  value.to = at;
  value.number = 0;
  if (!member(name)) return;
  value.from = at;
  const isNegative = load<u8>(at) === MINUS;
  const first = isNegative ? at + 1 : at;
  let number: i64 = 0;
  let end = first;
  for (let digit = load<u8>(end) - ZERO; digit <= 9; digit = load<u8>(++end) - ZERO) number = number * 10 + digit;
  const count = end - first;
  // Of more than one digit the first is no 0; nor is there a -0.
  if (count === 0 || count > MAX_DIGITS) failed = true;
  if (load<u8>(first) === ZERO && (count > 1 || isNegative)) failed = true;
  value.number = isNegative ? -number : number;
  if (value.number < least || value.number > most) failed = true;
  at = end;
  value.to = end;
}

/** Where the first byte stands that cannot be in a text as it is; the zero behind the line is one. */
function endOfText(from: usize): usize {
  let at = from;
  let found = special(at);
  while (found === 0) {
    at += 16;
    found = special(at);
  }
  return at + ctz(found);
}

/** Which of sixteen bytes are a quote, a backslash, no character that is printed or beyond ASCII. */
function special(at: usize): i32 {
  const bytes = v128.load(at);
  const ends = v128.or(i8x16.eq(bytes, i8x16.splat(QUOTE)), i8x16.eq(bytes, i8x16.splat(BACKSLASH)));
  // Compared with their signs: what is beyond ASCII is below 0.
  const others = v128.or(i8x16.lt_s(bytes, i8x16.splat(SPACE)), i8x16.eq(bytes, i8x16.splat(DELETE)));
  return i8x16.bitmask(v128.or(ends, others));
}

/** Eight characters of a constant, of ASCII, as bytes. */
function eightOf(text: string, from: usize): u64 {
  const characters = v128.load(changetype<usize>(text) + (from << 1));
  return i64x2.extract_lane(i8x16.narrow_i16x8_u(characters, characters), 0);
}

/** Whether a constant stands there. */
function stands(text: string, at: usize): bool {
  const length = usize(text.length);
  for (let done: usize = 0; done < length; done += 8) {
    const others = eightOf(text, done) ^ load<u64>(at + done);
    const rest = length - done;
    if (others << (rest < 8 ? (8 - rest) << 3 : 0)) return false;
  }
  return true;
}

/** Writes a constant. As all that writes, it leaves some bytes behind it that are written over. */
function put(text: string): void {
  const length = usize(text.length);
  for (let done: usize = 0; done < length; done += 8) store<u64>(out + done, eightOf(text, done));
  out += length;
}

function copy(from: usize, length: usize): void {
  for (let done: usize = 0; done < length; done += 16) v128.store(out + done, v128.load(from + done));
  out += length;
}

function putValue(value: Value): void {
  copy(value.from, value.to - value.from);
}

function textOr(value: Value, otherwise: string): void {
  if (value.isEmpty) put(otherwise);
  else putValue(value);
}

function number(value: Value): void {
  textOr(value, '0');
}

/** See enumName in enums.ts; '' where a number has no name. */
function enumName(value: Value, one: string, two: string, three: string, four: string): void {
  const number = value.number;
  const known = number === 1 ? one : number === 2 ? two : number === 3 ? three : number === 4 ? four : '';
  if (number === 0) put('-');
  else if (known.length > 0) put(known);
  else putValue(value);
}

function labels(list: Value): void {
  if (list.isEmpty) {
    put('null');
    return;
  }
  put('{"labels":');
  putValue(list);
  put('}');
}

function digits(number: u64): void {
  let count: usize = 1;
  for (let power: u64 = 10; number >= power; power *= 10) count++;
  let rest = number;
  for (let to = out + count; to > out; rest /= 10) store<u8>(--to, ZERO + u8(rest % 10));
  out += count;
}
