// What becomes of each picture: verdicts, decisions and copies together. Says the same as imgkit/manifest/outcomes.py.

import { KEEP, NONE, REJECT, RELABEL } from "./listing.js";

export const OUT = -1;

/** Whether a rejection speaks of one file only: another file is better, or under the right label. */
const isOfOneFile = (mark) => mark.action === REJECT && (mark.reason.startsWith("dup.") || mark.reason.startsWith("bad.conflict"));

/** Whether a mark is about what the picture shows, so that it holds for every copy. */
export const isAboutContent = (mark) => mark.action !== NONE && !isOfOneFile(mark);

/**
 * @typedef {object} Outcome
 * @property {number} placed  the number of the label under which the picture is in the set, OUT for none
 * @property {number} label  the label it has now, in the set or not
 * @property {string} state  keep, reject, relabel or suspect
 * @property {string} reason  why it is out or moved
 * @property {"person"|"machine"|"suspect"} by
 * @property {number} of  the row whose mark it follows, -1 where its own mark or the verdict decides
 */

/** The outcome of a picture that has no copies. */
export function alone(listing, marks, row) {
  const own = marks.get(row);
  return own.action === NONE ? undecided(verdictOf(listing, row), listing.label[row]) : decided(listing, row, own);
}

/** The outcomes of a group of copies by row; `rows` are all its members. */
export function ofGroup(listing, marks, rows) {
  const own = new Map(rows.map((row) => [row, marks.get(row)]));
  const latest = latestContent(rows, own);
  const content = latest < 0 ? null : own.get(latest);
  const found = new Map();
  if (content?.action === REJECT) {
    for (const row of rows) found.set(row, rejectedWith(listing, row, own.get(row), content, latest));
    return oneFileAPlace(listing, found);
  }
  const waiting = [];
  for (const row of rows) {
    if (own.get(row).action === NONE && isQuestion(listing, row)) { found.set(row, undecided(verdictOf(listing, row), listing.label[row])); continue; }
    const mark = own.get(row);
    if (mark.action === NONE || isOverruled(listing, mark, content, latest)) waiting.push(row);
    else if (mark.action === KEEP && content?.action === RELABEL) found.set(row, moved(listing, row, content, latest));
    else found.set(row, decided(listing, row, mark));
  }
  const members = rows.filter((row) => own.get(row).action !== NONE || !isQuestion(listing, row));
  undecidedMembers(listing, members, waiting, found, content, latest);
  return oneFileAPlace(listing, found);
}

function latestContent(rows, own) {
  let latest = -1;
  for (const row of rows) {
    if (isAboutContent(own.get(row)) && (latest < 0 || own.get(row).order > own.get(latest).order)) latest = row;
  }
  return latest;
}

const verdictOf = (listing, row) => ({
  label: listing.label[row], verdict: listing.verdict(row), reason: listing.reason(row), included: listing.inSet(row),
  usable: listing.isUsable(row), rank: listing.rank[row], row,
});

function decided(listing, row, mark) {
  const usable = listing.isUsable(row), home = listing.label[row];
  if (mark.action === REJECT) return { placed: OUT, label: home, state: "reject", reason: mark.reason || "user.rejected", by: "person", of: -1 };
  if (mark.action === RELABEL) return { placed: usable ? mark.to : OUT, label: mark.to, state: "relabel", reason: "user.moved", by: "person", of: -1 };
  return { placed: usable ? home : OUT, label: home, state: "keep", reason: "", by: "person", of: -1 };
}

function undecided(judged, label) {
  const placed = judged.included && judged.usable ? label : OUT;
  if (judged.verdict === "s") return { placed, label, state: "suspect", reason: judged.reason, by: "suspect", of: -1 };
  return { placed, label, state: judged.verdict === "r" ? "reject" : "keep", reason: judged.reason, by: "machine", of: -1 };
}

function rejectedWith(listing, row, own, content, latest) {
  if (own.action === REJECT || isOfAnotherLabel(listing, row, own, latest)) return decided(listing, row, own);
  return { placed: OUT, label: listing.label[row], state: "reject", reason: content.reason || "user.rejected", by: "person", of: latest };
}

/** Whether a person wants a picture under a label that a rejection of a copy does not speak of. */
function isOfAnotherLabel(listing, row, own, latest) {
  if (own.action === NONE) return false;
  const rejected = listing.label[latest];
  return rejected !== listing.label[row] && rejected !== (own.action === RELABEL ? own.to : listing.label[row]);
}

/** Whether a relabelling is overruled by a later mark that gives the group another label. */
function isOverruled(listing, own, content, latest) {
  if (own.action !== RELABEL || !content || content.order === own.order) return false;
  return own.to !== (content.action === RELABEL ? content.to : listing.label[latest]);
}

function moved(listing, row, content, latest) {
  const away = content.to !== listing.label[row];
  return {
    placed: listing.isUsable(row) ? content.to : OUT, label: content.to, state: away ? "relabel" : "keep", reason: away ? "user.moved" : "",
    by: "person", of: latest,
  };
}

/** Under each label the member that the machine chose is in question, or the one that stands in for it. */
function undecidedMembers(listing, rows, waiting, found, content, latest) {
  const movedTo = content?.action === RELABEL ? content.to : -1;
  const labelOf = (row) => (movedTo >= 0 ? movedTo : listing.label[row]);
  const kept = new Set([...found.values()].filter(({ by }) => by === "person").map(({ placed }) => placed).filter((placed) => placed !== OUT));
  const labels = new Set(waiting.map(labelOf)), others = new Set([...kept, ...labels]);
  for (const label of labels) {
    const rivals = waiting.filter((row) => labelOf(row) === label);
    const chosen = rivals.reduce((best, row) => (isBefore(listing, row, best) ? row : best));
    for (const row of rivals) {
      found.set(row, row === chosen ? representative(listing, row, label, rows, kept, others, latest) : copy(listing, row, label, latest));
    }
  }
}

/** Whether the machine set a picture aside as a copy of another one. */
const isSetAside = (listing, row) => listing.verdict(row) === "r" && listing.reason(row).startsWith("dup.");

/** Whether the machine asks a person if a picture is a copy. */
const isQuestion = (listing, row) => listing.isSuspect(row) && listing.reason(row).startsWith("dup.");

function isBefore(listing, a, b) {
  const key = (row) => [listing.isUsable(row) ? 0 : 1, isSetAside(listing, row) ? 1 : 0, listing.rank[row], row];
  const [one, other] = [key(a), key(b)];
  const at = one.findIndex((part, n) => part !== other[n]);
  return at >= 0 && one[at] < other[at];
}

function representative(listing, row, label, rows, kept, others, latest) {
  if (kept.size && !kept.has(label)) return { placed: OUT, label, state: "reject", reason: "bad.conflict", by: "machine", of: -1 };
  let judged = verdictOf(listing, row);
  const usable = judged.usable;
  if (isSetAside(listing, row)) {
    if (kept.has(label)) return copy(listing, row, label, latest);
    judged = model(listing, row, rows);
  }
  if (judged.reason === "bad.conflict" && (kept.has(label) || others.size < 2)) {
    if (kept.has(label)) return copy(listing, row, label, latest);
    judged = { ...judged, verdict: "k", reason: "", included: true };
  }
  const outcome = undecided({ ...judged, usable }, label);
  if (label !== listing.label[row] && outcome.placed !== OUT) return { ...outcome, state: "relabel", reason: "user.moved", by: "person", of: latest };
  return outcome;
}

/** The member by whose verdict a copy is judged once the member that the machine had chosen is out. */
function model(listing, row, rows) {
  const judged = rows.filter((other) => !isSetAside(listing, other) && listing.isUsable(other));
  const same = judged.filter((other) => listing.label[other] === listing.label[row]);
  const among = same.length ? same : judged;
  if (!among.length) return { ...verdictOf(listing, row), verdict: "k", reason: "", included: true };
  return verdictOf(listing, among.reduce((best, other) => (listing.rank[other] < listing.rank[best] || (listing.rank[other] === listing.rank[best] && other < best) ? other : best)));
}

function copy(listing, row, label, latest) {
  if (!listing.isUsable(row)) return undecided(verdictOf(listing, row), label);
  const reason = isSetAside(listing, row) ? listing.reason(row) : "dup.near";
  return { placed: OUT, label, state: "reject", reason, by: "machine", of: label !== listing.label[row] ? latest : -1 };
}

/** The same picture under one label is one file: that of the item harvested there, else the first. */
function oneFileAPlace(listing, found) {
  const isAway = (row) => (found.get(row).placed === listing.label[row] ? 0 : 1);
  const taken = new Map();
  for (const row of [...found.keys()].sort((a, b) => isAway(a) - isAway(b) || a - b)) {
    const outcome = found.get(row);
    if (outcome.placed === OUT) continue;
    const place = `${outcome.placed}.${listing.id(row)}`;
    if (taken.has(place)) found.set(row, { ...outcome, placed: OUT, state: "reject", reason: "dup.exact", by: "machine" });
    else taken.set(place, row);
  }
  return found;
}
