// How many wrong pictures are left, in words.

import { number } from "./dom.js";

const WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/**
 * @typedef {object} Remaining
 * @property {number} value  wrong pictures among those of the set that nobody has looked at
 * @property {number} margin  so that value ± margin holds the 95 % interval
 * @property {number} high  the upper end of the interval
 * @property {number} unseen
 * @property {number} halved_after  pages of 40 after which half of them are left
 * @property {boolean} stop
 */

/** "About 31 ± 9 wrong ones left in 398 unseen; two more pages should halve it." */
export function leftWords({ value, margin, unseen, halved_after: pages }) {
  if (!unseen) return "Every picture of the set has been looked at.";
  const about = Math.round(value);
  const left = `About ${number(about)} ± ${number(margin)} wrong ${about === 1 ? "one" : "ones"} left in ${number(unseen)} unseen`;
  if (about < 2 || !pages) return `${left}.`;
  return `${left}; ${WORDS[pages] ?? number(pages)} more ${pages === 1 ? "page" : "pages"} should halve it.`;
}

/** When to stop: the upper end of the interval says it, not the estimate. */
export function stopWords({ high, unseen, stop }) {
  if (!unseen) return "";
  const most = `at most ${number(high)} wrong ${high === 1 ? "one is" : "ones are"} left, by the 95 % interval`;
  return stop ? `You can stop here: ${most}.` : `Stop when hardly 1 % of the set is wrong; now ${most}.`;
}
