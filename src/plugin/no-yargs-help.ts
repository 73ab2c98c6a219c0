/**
 * In the bundle stands in for `cliui` and `string-width`, by which yargs lays out its help. Ours comes from help.ts; and
 * they load Unicode's tables for segments of text, which takes a third of the time that a command needs to start.
 */
// biome-ignore lint/style/noDefaultExport: what it stands in for has one
export default function neverAsked(): never {
  throw new Error('yargs prints no help here');
}
