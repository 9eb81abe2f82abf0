// Elements and text. Text is always text: no string becomes markup anywhere in this page.

/** An element with attributes, listeners (`onclick`) and children; `undefined` and `null` are left out. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function drawing(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** A name from a model or a file with what does not print, or turns the direction of text, spelled out. */
export function shown(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
}

/** A name in a code font that may break after dots, commas and slashes. */
export function code(text, attributes = {}) {
  const pieces = shown(text).match(/[^.,/]+[.,/]*|[.,/]+/g) ?? [];
  return element(
    "code",
    attributes,
    pieces.flatMap((piece, at) => (at ? [element("wbr"), piece] : [piece])),
  );
}

/** `1 parameter`, `12,000 parameters`. */
export function many(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
