// Globs over dotted names, as rule files have them; see docs/language.md.
//
// This follows initrules/pattern.py line by line, and tests ask both the same questions. Only `re:`
// differs: a rule file's expressions run in RE2, those in the filter box in the browser's engine.

const MAX_PATTERN = 1000;
const MAX_RANGE = 10_000;
const MAX_BRACES = 20;
const MANY = String.raw`(?:\.[^.]+)*`;

/** Something in the filter box that cannot be read. */
export class SyntaxProblem extends Error {}

/** A pattern over a whole path. Throws `SyntaxProblem`. */
export function pathPattern(text) {
  if ([...text].length > MAX_PATTERN) throw new SyntaxProblem(`a pattern of more than ${MAX_PATTERN} characters`);
  if (text.startsWith("re:")) return expression(text);
  const regex = undotted(new Glob(text).translate());
  if (!/[*?[\]{}<>]/.test(text)) return (name) => name === text;
  const starred = text.replaceAll("**", "").includes("*"); // a lone '*' is one segment, and the root has none
  const whole = new RegExp(`^(?:${regex})$`, "u");
  return (name) => whole.test(name) && !(name === "" && starred);
}

/** A pattern over one segment. Throws `SyntaxProblem`. */
export function namePattern(text) {
  const pattern = pathPattern(text);
  if (!text.startsWith("re:") && (text.includes("**") || text.replaceAll("..", "").includes("."))) {
    throw new SyntaxProblem(`'${text}' has several segments, 'name' looks at the last one`);
  }
  return pattern;
}

/** A pattern over class names: `matches(types)` for an MRO of [name, ...qualified]. */
export function typePattern(text) {
  const exact = text.startsWith("=");
  const body = exact ? text.slice(1).trim() : text;
  if (!body) throw new SyntaxProblem("an empty class name");
  const pattern = pathPattern(body);
  const qualified = body.includes(".") && !body.startsWith("re:");
  return (types) =>
    (exact ? types.slice(0, 1) : types).some(([name, ...dotted]) => (qualified ? dotted.some(pattern) : pattern(name)));
}

function expression(text) {
  const body = text
    .slice(3)
    .replaceAll("(?P<", "(?<")
    .replace(/\\x\{([0-9a-fA-F]+)\}/g, "\\u{$1}");
  let whole;
  try {
    whole = new RegExp(`^(?:${body})$`, "u");
  } catch (problem) {
    throw new SyntaxProblem(`not a regular expression: ${problem.message}`);
  }
  return (name) => whole.test(name);
}

/** Drop the dot before the first segment from an expression over `.a.b.c`. */
function undotted(regex) {
  if (regex.startsWith(String.raw`\.`)) return regex.slice(2);
  if (regex === MANY) return String.raw`(?:[^.]+(?:\.[^.]+)*)?`;
  if (!regex.startsWith(MANY)) return regex;
  const rest = regex.slice(MANY.length);
  return rest.startsWith(String.raw`\.`) ? String.raw`(?:[^.]+\.)*${undotted(rest)}` : undotted(rest);
}

/** Translates a glob into an expression over a path with a dot before every segment. */
class Glob {
  constructor(text) {
    this.text = text;
    this.names = new Set();
    this.depth = 0;
  }

  translate() {
    return this.text ? this.stretch(0, this.text.length, true, true) : "";
  }

  fail(message) {
    return new SyntaxProblem(`${message} in '${this.text}'`);
  }

  stretch(from, end, startsSegment, top) {
    let [at, out, fresh] = [from, "", startsSegment];
    while (at < end) {
      if (this.text[at] === ".") {
        if (fresh) throw this.fail("an empty segment");
        [fresh, at] = [true, at + 1];
        continue;
      }
      if (this.text.startsWith("**", at)) {
        out += this.many(at, end, fresh);
        [fresh, at] = [false, at + 2];
        continue;
      }
      if (fresh) out += String.raw`\.`;
      fresh = false;
      const [piece, next] = this.piece(at, end);
      out += piece;
      at = next;
    }
    if (fresh && (top || !startsSegment) && end > 0) throw this.fail("an empty segment");
    return out;
  }

  many(at, end, fresh) {
    if (fresh && (at + 2 === end || this.text[at + 2] === ".")) return MANY;
    throw this.fail("'**' beside other characters");
  }

  piece(at, end) {
    const char = String.fromCodePoint(this.text.codePointAt(at));
    switch (char) {
      case "*":
        return ["[^.]*", at + 1];
      case "?":
        return ["[^.]", at + 1];
      case "[":
        return this.characterClass(at, end);
      case "{":
        return this.alternatives(at, end);
      case "<":
        return this.capture(at, end);
      case "]":
      case "}":
      case ">":
        throw this.fail(`a '${char}' that closes nothing`);
      default:
        return [escaped(char), at + char.length];
    }
  }

  characterClass(at, end) {
    const negated = "!^".includes(this.text[at + 1] ?? " ");
    const body = at + 1 + negated;
    const close = this.text.indexOf("]", body + 1);
    if (close < 0 || close >= end) throw this.fail("a '[' that is never closed");
    const ranges = characterRanges([...this.text.slice(body, close)]);
    if (ranges.some(([low, high]) => low.codePointAt(0) > high.codePointAt(0))) throw this.fail("an impossible range");
    if (ranges.some(([low, high]) => low === "." && high === ".")) throw this.fail("a '.' inside '[]'");
    const inner = withoutDot(ranges)
      .map(([low, high]) => `${inClass(low)}-${inClass(high)}`)
      .join("");
    return [negated ? `[^.${inner}]` : `[${inner}]`, close + 1];
  }

  alternatives(at, end) {
    const close = this.closingBrace(at, end);
    const body = this.text.slice(at + 1, close);
    const bounds = /^([0-9]+)\.\.([0-9]+)$/.exec(body);
    if (bounds) return [this.range(bounds[1], bounds[2]), close + 1];
    if (body.includes("..") && !/[{},]/.test(body)) throw this.fail("an impossible range");
    if (this.depth >= MAX_BRACES) throw this.fail(`braces nested more than ${MAX_BRACES} deep`);
    this.depth += 1;
    const cuts = [at, ...this.commas(at, close), close];
    const parts = cuts.slice(1).map((stop, index) => this.stretch(cuts[index] + 1, stop, false, false));
    this.depth -= 1;
    return [`(?:${parts.join("|")})`, close + 1];
  }

  closingBrace(at, end) {
    let depth = 0;
    for (let index = at; index < end; index += 1) {
      depth += { "{": 1, "}": -1 }[this.text[index]] ?? 0;
      if (depth === 0) return index;
    }
    throw this.fail("a '{' that is never closed");
  }

  commas(at, close) {
    const cuts = [];
    let depth = 0;
    for (let index = at; index < close; index += 1) {
      depth += { "{": 1, "}": -1 }[this.text[index]] ?? 0;
      if (depth === 1 && this.text[index] === ",") cuts.push(index);
    }
    return cuts;
  }

  range(from, to) {
    const [low, high] = [Number(from), Number(to)];
    if (high < low || high - low > MAX_RANGE || Math.max(from.length, to.length) > 9) {
      throw this.fail("an impossible range");
    }
    return `(?:${numerals(low, high, from.startsWith("0") ? from.length : 1).join("|")})`;
  }

  capture(at, end) {
    const close = this.text.indexOf(">", at);
    const name = this.text.slice(at + 1, Math.max(at + 1, close));
    if (close < 0 || close >= end || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      throw this.fail("a '<' that begins no name");
    }
    if (this.names.has(name)) throw this.fail(`'<${name}>' stands twice`);
    this.names.add(name);
    return ["[0-9]+", close + 1];
  }
}

/** The pairs [low, high] that `a-cx` spells: [a, c], [x, x]. */
function characterRanges(body) {
  const ranges = [];
  for (let at = 0; at < body.length;) {
    const pair = body[at + 1] === "-" && at + 2 < body.length;
    ranges.push([body[at], pair ? body[at + 2] : body[at]]);
    at += pair ? 3 : 1;
  }
  return ranges;
}

/** The same characters but the dot, which parts two segments and is in none. */
function withoutDot(ranges) {
  return ranges.flatMap(([low, high]) =>
    low <= "." && "." <= high
      ? [
          [low, "-"],
          ["/", high],
        ].filter(([a, b]) => a <= b)
      : [[low, high]],
  );
}

/** Expressions for the numbers from `low` to `high`, written with `least` digits or more. */
function numerals(low, high, least) {
  const found = [];
  for (let digits = Math.max(least, `${low}`.length); digits <= Math.max(least, `${high}`.length); digits += 1) {
    const first = Math.max(low, digits > least ? 10 ** (digits - 1) : 0);
    const last = Math.min(high, 10 ** digits - 1);
    found.push(digitsBetween(`${first}`.padStart(digits, "0"), `${last}`.padStart(digits, "0")));
  }
  return found;
}

/** An expression for the numbers between two of the same length. */
function digitsBetween(low, high) {
  if (low === high) return low;
  if (low.length <= 1) return `[${low}-${high}]`;
  if (low[0] === high[0]) return low[0] + digitsBetween(low.slice(1), high.slice(1));
  const rest = low.length - 1;
  const parts = [
    low[0] + digitsBetween(low.slice(1), "9".repeat(rest)),
    high[0] + digitsBetween("0".repeat(rest), high.slice(1)),
  ];
  if (Number(high[0]) - Number(low[0]) > 1) {
    parts.push(`[${Number(low[0]) + 1}-${Number(high[0]) - 1}][0-9]{${rest}}`);
  }
  return `(?:${parts.join("|")})`;
}

/** A text that stands for itself in a regular expression. */
export function escaped(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function inClass(char) {
  return /[\\^\-\]]/.test(char) ? `\\${char}` : char;
}
