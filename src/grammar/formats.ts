/**
 * Formats of strings, as regular expressions of the whole text.
 *
 * @module
 */

const DAY = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])-02-29" +
  "|(?:0[048]|[2468][048]|[13579][26])00-02-29" +
  "|[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])" +
  "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])))";
const TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" +
  "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const DURATION_TIME = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
const DURATION_DAY = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const DOMAIN = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const WORD = "[0-9A-Fa-f]{1,4}";

/** Eight groups, or fewer with one `::` for those left out. */
const IPV6 = [
  `(?:${WORD}:){7}${WORD}`,
  ...Array.from({ length: 7 }, (_, before) => {
    const after = 6 - before;
    const head = before === 0 ? "" : `${WORD}(?::${WORD}){${before - 1}}`;
    const tail = after === 0 ? "" : `(?:${WORD}(?::${WORD}){0,${after - 1}})?`;
    return `${head}::${tail}`;
  }),
  `${WORD}(?::${WORD}){6}::`,
].join("|");

const URI_CHARACTER = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})";
const URI_TAIL = `(?:\\?(?:${URI_CHARACTER}|\\?)*)?(?:#(?:${URI_CHARACTER}|\\?)*)?`;
const AUTHORITY_CHARACTER = "(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})";
const AUTHORITY = `(?:${AUTHORITY_CHARACTER}+(?::${AUTHORITY_CHARACTER}*)?@)?` +
  `${AUTHORITY_CHARACTER}+(?::[0-9]{1,5})?`;
/** A path without an authority does not begin with two slashes. */
const PATH_START = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const URI_PATH =
  `(?://(?:${AUTHORITY})?/${URI_CHARACTER}*|//${AUTHORITY}|/?${PATH_START}${URI_CHARACTER}*)`;

const FORMATS: Readonly<Record<string, string>> = {
  date: DAY,
  time: TIME,
  "date-time": `${DAY}T${TIME}`,
  duration: `P(?:${DURATION_DAY}(?:${DURATION_TIME})?|${DURATION_TIME}|[0-9]+W)`,
  email: `${ATOM}(?:\\.${ATOM})*@(?:${DOMAIN}\\.)+${DOMAIN}`,
  hostname: `${LABEL}(?:\\.${LABEL})*`,
  ipv4: IPV4,
  ipv6: IPV6,
  uuid: "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
  uri: `[A-Za-z][A-Za-z0-9+.-]*:${URI_PATH}${URI_TAIL}`,
};

/** Names of the formats that are followed. */
export const FORMAT_NAMES: readonly string[] = Object.keys(FORMATS);

/** The pattern of a format; undefined if it is not followed. */
export function formatPattern(name: string): string | undefined {
  return Object.hasOwn(FORMATS, name) ? `^(?:${FORMATS[name]})$` : undefined;
}
