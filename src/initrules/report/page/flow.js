// Selectors as text: the flow style of a rule file's `select`, with the outer braces optional.
//
//     encoder.**                                a plain text is a path
//     {inside: actor, type: Linear, pick: last} as in a rule file
//     type: Linear, not: [head, lm_head]        the same without the outer braces
//
// `read` gives strings, arrays and Maps. Braces and brackets inside a plain text belong to it
// (`path: h.{0..3}.attn`), which YAML would want quoted.

import { SyntaxProblem } from "./pattern.js";

const KEY = /^([a-z]+)\s*:(?:\s|$)/;

/** What a text says: a string, an array or a Map. Throws `SyntaxProblem`. */
export function read(text) {
  const trimmed = text.trim();
  if (/^[a-z]+\s*:\s/.test(trimmed)) return new Reader(`{${trimmed}}`).whole();
  if (/^\{\s*[a-z]+\s*:\s/.test(trimmed) || (/^\[.*\]$/s.test(trimmed) && !isClass(trimmed)))
    return new Reader(trimmed).whole();
  return trimmed;
}

/** Whether a bracket begins a character class of a glob, as in `[ab].weight`, and no list. */
function isClass(text) {
  return !/[,\s]/.test(text);
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  whole() {
    const value = this.value();
    this.blanks();
    if (this.at < this.text.length) throw new SyntaxProblem(`'${this.text.slice(this.at)}' stands after the end`);
    return value;
  }

  blanks() {
    while (/\s/.test(this.text[this.at] ?? "")) this.at += 1;
  }

  /** Whether the next sign is this one; if so it is passed. */
  passes(sign) {
    this.blanks();
    if (this.text[this.at] !== sign) return false;
    this.at += 1;
    return true;
  }

  value() {
    if (this.passes("{")) return this.mapping();
    if (this.passes("[")) return this.list();
    return this.scalar();
  }

  mapping() {
    const found = new Map();
    while (!this.passes("}")) {
      this.blanks();
      const key = KEY.exec(this.text.slice(this.at));
      if (!key)
        throw new SyntaxProblem(this.at < this.text.length ? "expected 'key: value'" : "a '{' that is never closed");
      if (found.has(key[1])) throw new SyntaxProblem(`the key '${key[1]}' stands twice`);
      this.at += key[0].length;
      found.set(key[1], this.value());
      if (!this.passes(",") && this.text[this.at] !== "}") throw new SyntaxProblem("a '{' that is never closed");
    }
    return found;
  }

  list() {
    const found = [];
    while (!this.passes("]")) {
      found.push(this.value());
      if (!this.passes(",") && this.text[this.at] !== "]") throw new SyntaxProblem("a '[' that is never closed");
    }
    return found;
  }

  scalar() {
    this.blanks();
    const quoted = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)')/s.exec(this.text.slice(this.at));
    if (quoted) {
      this.at += quoted[0].length;
      return quoted[2] === undefined ? unescaped(quoted[1]) : quoted[2].replaceAll("''", "'");
    }
    const start = this.at;
    for (let depth = 0; this.at < this.text.length; this.at += 1) {
      const char = this.text[this.at];
      if (depth === 0 && ",]}".includes(char)) break;
      depth += "{[".includes(char) ? 1 : "}]".includes(char) ? -1 : 0;
    }
    const plain = this.text.slice(start, this.at).trim();
    if (!plain) throw new SyntaxProblem("a key without a value");
    return plain;
  }
}

function unescaped(body) {
  try {
    return JSON.parse(`"${body}"`);
  } catch {
    throw new SyntaxProblem(`the text "${body}" has an escape that cannot be read`);
  }
}
