/** Making elements without ever reading HTML: text stays text. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id Id of an element that the page has. */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`Cannot find #${id} in the page`);
  return element;
}

/**
 * Makes an element.
 *
 * @param {string} name Tag.
 * @param {Record<string, unknown>} attributes `on…` are listeners; null and false are left out.
 * @param {...(Node | string | null)} children Null is left out.
 */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Like {@link make}, for SVG. */
export function makeSvg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** An icon of `icons.svg`, hidden from screen readers. */
export function icon(name) {
  const use = makeSvg("use", { href: `page/icons.svg#${name}` });
  return makeSvg("svg", { "aria-hidden": "true" }, use);
}

/** A button that is only an icon; `label` is what screen readers and tooltips say. */
export function iconButton(name, label, onclick) {
  const attributes = { type: "button", class: "icon small", "aria-label": label, title: label };
  return make("button", { ...attributes, onclick }, icon(name));
}
