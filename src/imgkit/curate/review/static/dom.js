// Build elements. Text is always text: nothing from the web is ever parsed as markup.

/**
 * @param {string} tag  "div", or "button.keep" with classes
 * @param {object} [props]  attributes; functions become listeners, `class` and `data-*` as written, null is left out
 * @param {...(Node|string|number|null|undefined|false|Array)} children
 */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key.replace(/^on/, ""), value);
    else if (key === "class") element.className += ` ${value}`;
    else if (value === true) element.setAttribute(key, "");
    else element.setAttribute(key, String(value));
  }
  put(element, children);
  return element;
}

/** Append children, leaving out what is empty. */
export function put(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

/** Put children in place of what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, children);
}

/** A key cap. */
export const cap = (text) => h("kbd", {}, text);

/** Seconds as "40 s", "3 min", "1 h 5 min". */
export function span(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const grouped = new Intl.NumberFormat("en");
export const number = (value) => grouped.format(value);

/** A share as per cent with a sensible number of digits. */
export function percent(share) {
  const value = 100 * share;
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)} %`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1 << 20 ? `${Math.round(count / 1024)} KB` : `${(count / (1 << 20)).toFixed(1)} MB`;
}

/** Read something out to people who do not see the page. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

let toastTimer = 0;

/** Show a short message for some seconds. */
export function toast(text, { kind = "", seconds = 3 } = {}) {
  const element = document.getElementById("toast");
  element.textContent = text;
  element.dataset.kind = kind;
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { element.hidden = true; }, 1000 * seconds);
}

/** Remember small settings of this person in this browser; nothing breaks where that is forbidden. */
export const settings = {
  get(name, otherwise = "") {
    try { return localStorage.getItem(`imgkit.${name}`) ?? otherwise; } catch { return otherwise; }
  },
  set(name, value) {
    try { localStorage.setItem(`imgkit.${name}`, value); } catch { /* private mode: not remembered */ }
  },
};
