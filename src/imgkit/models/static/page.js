// One picture in, the most probable labels out. Names are set as text, never as markup.
const $ = (id) => document.getElementById(id);

let asked = 0; // pictures so far: an answer to an earlier one that comes late is not shown

async function ask(file) {
  const number = ++asked;
  URL.revokeObjectURL($("picture").src);
  $("picture").src = URL.createObjectURL(file);
  $("picture").hidden = false;
  $("hint").hidden = true;
  $("answer").hidden = false;
  say("Looking …", "");
  try {
    const reply = await fetch("/predict", { method: "POST", body: file });
    const found = await reply.json();
    if (number !== asked) return;
    if (!reply.ok) say(`No answer: ${found.error}`, "failed");
    else show(found);
  } catch {
    if (number === asked) say("No answer: the server has ended.", "failed");
  }
}

function say(sentence, tone) {
  $("verdict").textContent = sentence;
  $("verdict").className = tone;
  $("guesses").replaceChildren();
}

function show(found) {
  const best = found.guesses[0];
  const rolled = Object.values(found.rollups || {}).find(({ value }) => value === found.answer);
  const named = rolled ? `${rolled.value}, ${percent(rolled.probability)}` : `${shown(best)}, ${percent(best.probability)}`;
  const sure = `${named} sure`;
  say(found.unknown ? "This looks like none of the labels. If it must be one:" : sure, found.unknown ? "unknown" : "");
  $("guesses").replaceChildren(...found.guesses.map(row));
  const likely = found.likely || [];
  if (likely.length > 1 && !found.unknown)
    $("guesses").append(line(`One of these ${likely.length} nine times in ten: ${likely.join(", ")}`));
}

const shown = ({ label, name }) => name || label;

function row(guess) {
  const label = shown(guess), probability = guess.probability;
  const item = document.createElement("li");
  const bar = document.createElement("progress");
  bar.value = probability;
  bar.setAttribute("aria-label", `${label}: ${percent(probability)}`);
  item.append(text(label), text(percent(probability)), bar);
  return item;
}

function line(words) {
  const item = document.createElement("li");
  item.append(text(words));
  return item;
}

function text(words) {
  const span = document.createElement("span");
  span.textContent = words;
  return span;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

$("file").addEventListener("change", (event) => event.target.files[0] && ask(event.target.files[0]));
$("drop").addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => event.clipboardData.files[0] && ask(event.clipboardData.files[0]));

// last, because a picture that is dropped while this is waited for must find its listener
const about = await (await fetch("/about")).json();
$("about").textContent = about.labels.length <= 12 ? about.labels.join(" · ") : `${about.labels.length} labels`;
