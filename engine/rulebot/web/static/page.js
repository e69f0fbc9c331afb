// Keeps the parts of the page as the server sends them, and leaves requests: each is asked about first and sent once.

const byId = (id) => document.getElementById(id);

// A server that is suspended, or a network that is gone, closes no connection: then nothing at all comes, not even a beat.
const SILENT = 45_000;
const lostWords = byId("lost")?.textContent;

// How old the page is, by its own clock: that of the browser may be another one.
function sayLost(words) {
  const clock = document.querySelector("#part-status time")?.textContent;
  const said = clock ? `${words} What it shows is of ${clock} New York.` : words;
  if (byId("lost").textContent !== said) byId("lost").textContent = said; // once: it is read aloud each time it is written
}

function watch() {
  const lost = byId("lost");
  const source = new EventSource("/live");
  let silence;
  const lose = () => { if (lost.hidden) sayLost(lostWords); lost.hidden = false; document.body.dataset.live = "no"; };
  const wait = () => { clearTimeout(silence); silence = setTimeout(() => { lose(); source.close(); watch(); }, SILENT); };
  const alive = () => { lost.hidden = true; document.body.dataset.live = "yes"; wait(); };
  wait();
  source.addEventListener("open", alive);
  source.addEventListener("beat", alive);
  source.addEventListener("made", (event) => { if (event.data !== document.body.dataset.made) location.reload(); }); // after an upgrade
  source.addEventListener("error", () => { lose(); if (source.readyState === EventSource.CLOSED) { clearTimeout(silence); setTimeout(again, 2000); } });
  for (const place of document.querySelectorAll("[id^='part-']")) {
    source.addEventListener(place.id.slice("part-".length), (event) => { alive(); replace(place, event.data); });
  }
}

// After a server that refused us (another token, or this session is over) the page itself is asked for: it leads to the login.
async function again() {
  try {
    const answer = await fetch("/", { redirect: "follow" });
    if (answer.ok || answer.status === 401) { location.reload(); return; }
    const { message } = await answer.json();
    if (message) sayLost(`What the page shows is old: ${message}. It is tried again by itself.`);
  } catch { /* the server is not there yet */ }
  setTimeout(again, 2000);
}

// While a button is held down, by a pointer or the space bar, nothing is replaced: the click would be lost with the button.
// Nor for a moment after something was selected: it is to be copied.
const waiting = new Map();
let held;
function release() {
  clearTimeout(held);
  held = undefined;
  for (const [place, html] of waiting) replace(place, html);
  waiting.clear();
}
function hold() { clearTimeout(held); held = setTimeout(release, 3000); }
document.addEventListener("pointerdown", hold, true);
document.addEventListener("keydown", (event) => { if (event.key === " " && !event.repeat) hold(); }, true);
document.addEventListener("keyup", (event) => { if (event.key === " ") setTimeout(release); }, true);
const isSelected = () => document.getSelection()?.isCollapsed === false;
for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, () => setTimeout(() => { if (!isSelected()) release(); }), true);
document.addEventListener("selectionchange", () => { if (isSelected()) hold(); });

function replace(place, html) {
  if (held !== undefined) { waiting.set(place, html); return; }
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = [...place.querySelectorAll(".scroll, .events")].map((each) => [each.scrollLeft, each.scrollTop]);
  place.innerHTML = html;
  [...place.querySelectorAll(".scroll, .events")].forEach((each, at) => { if (scrolled[at]) [each.scrollLeft, each.scrollTop] = scrolled[at]; });
  if (focused) heirOf(focused, place)?.focus({ preventScroll: true }); // who reads on below is not taken back to it
}

const keyOf = (each) => `${each.tagName} ${each.dataset.action ?? each.getAttribute("href") ?? each.getAttribute("aria-label")} ${subjectOf(each) ?? ""}`;
const subjectOf = (each) => each.dataset.position ?? each.dataset.bot ?? each.dataset.id;

// What has the place of what is gone: it itself, sent anew; another button of its bot, position or alert; the whole part.
function heirOf(gone, place) {
  const all = [...place.querySelectorAll("button, a, [tabindex]")];
  const subject = subjectOf(gone);
  return all.find((each) => keyOf(each) === keyOf(gone)) ?? all.find((each) => subject && subjectOf(each) === subject) ?? place.querySelector("[tabindex], button");
}

const LOST = "no answer came, and it may have been asked for all the same: look before you ask again";

async function act(button) {
  const { action, ask: words, bot, id, position, until, after, then, scan, row } = button.dataset;
  const name = button.textContent;
  const place = button.closest("[id^='part-']");
  const isYes = await isMeant(name, words);
  // The parts go on being replaced behind a question: the focus goes to the button that is there now.
  if (!button.isConnected && place) button = heirOf(button, place) ?? button;
  button.focus();
  if (!isYes) return;
  button.ariaDisabled = "true"; // one that is `disabled` has no focus, and does not get it back
  try {
    const [answer, said] = await ask(action, position ? { position } : row ? { bot, after: Number(after), scan: Number(scan), row: Number(row) } : after ? { bot, after: Number(after) } : bot ? { bot } : id ? { id: Number(id) } : until ? { until: Number(until) } : {});
    if (answer.ok && then) { location.assign(then); return; }
    say(answer.ok ? `${name}: ${said.message ?? "asked for"}` : `${name} was refused: ${said.message ?? answer.status}`);
  } catch { say(`${name}: ${LOST}`); }
  button.ariaDisabled = null;
}

async function ask(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Rulebot": "1", "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now() },
    body: JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  return [answer, answer.status === 401 ? { message: "this session is over; load the page again, and sign in" } : said];
}

// Other parameters of a bot: what they change is shown first, as a difference of its text in words. One at a time: a
// second question would take the place of the first, and one yes would answer both.
let isChanging = false;
async function change(bot, values) {
  if (isChanging) { say("One moment: what changes is being looked at"); return; }
  isChanging = true;
  try {
    const [looked, seen] = await ask("/api/parameters/preview", { bot, values });
    if (!looked.ok) { say(`Not possible: ${seen.message ?? looked.status}`); return; }
    if (!(await isMeant("Take it up", seen.text))) return;
    const [asked, said] = await ask("/api/parameters", { bot, values, of: seen.of });
    say(asked.ok ? said.message : `It was refused: ${said.message ?? asked.status}`);
  } catch { say(LOST); }
  finally { isChanging = false; }
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form.parameters");
  if (!form) return;
  event.preventDefault();
  const changed = [...form.querySelectorAll("input")].filter((each) => each.value.trim() !== each.dataset.now);
  if (!changed.length) { say("No value is another one"); return; }
  change(form.dataset.bot, Object.fromEntries(changed.map((each) => [each.name, each.value.trim()])));
});
document.addEventListener("click", (event) => {
  const back = event.target.closest("button[data-back]");
  if (back) change(back.closest("form").dataset.bot, { [back.dataset.back]: "" });
});

// Other numbers of a bot's text: what cannot stand there is said beside it; what can is shown first, then written.
async function edit(form) {
  const fields = [...form.querySelectorAll("input")];
  const changed = fields.filter((each) => each.value.trim() !== each.dataset.now);
  for (const each of fields) { each.ariaInvalid = null; byId(each.getAttribute("aria-describedby")).textContent = ""; }
  if (!changed.length) { say("No number is another one"); return; }
  if (isChanging) { say("One moment: what changes is being looked at"); return; }
  isChanging = true;
  const body = { bot: form.dataset.bot, of: form.dataset.of, edits: Object.fromEntries(changed.map((each) => [each.name, each.value.trim()])) };
  try {
    const [looked, seen] = await ask("/api/spec/preview", body);
    if (!looked.ok) { refuse(fields, seen, looked.status); return; }
    say("");
    if (!(await isMeant("Save", seen.text))) return;
    const [asked, said] = await ask("/api/spec", body);
    if (!asked.ok) { refuse(fields, said, asked.status); return; }
    say(said.message);
    form.querySelector("button").ariaDisabled = "true"; // the file is another now: the page is made anew before the next
    form.classList.add("saved");
    setTimeout(() => location.reload(), 2500);
  } catch { say(LOST); }
  finally { isChanging = false; }
}

function refuse(fields, said, status) {
  const first = fields.filter((each) => {
    const words = said.fields?.[each.name];
    if (words) { each.ariaInvalid = "true"; byId(each.getAttribute("aria-describedby")).textContent = words; }
    return words;
  })[0];
  if (first) { first.focus(); say("Not possible: see the numbers that are marked"); } else say(`Not possible: ${said.message ?? status}`);
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form.numbers");
  if (!form) return;
  event.preventDefault();
  if (!form.classList.contains("saved")) edit(form);
});

function isMeant(title, words) {
  const dialog = byId("ask");
  byId("ask-title").textContent = `${title}?`;
  byId("ask-words").textContent = words;
  byId("ask-words").classList.toggle("columns", words.includes("\n"));
  byId("ask-yes").textContent = title;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

// The second click of a double click, on the button that asked, may meet this one where the question has opened under it.
document.addEventListener("click", (event) => { if (event.detail > 1 && event.target.closest("#ask-yes")) event.preventDefault(); }, true);

let silence;
function say(words) {
  byId("said").textContent = words;
  clearTimeout(silence);
  silence = setTimeout(() => { byId("said").textContent = ""; }, 8000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-action]");
  if (button && button.ariaDisabled !== "true") act(button);
});
if (document.querySelector("[data-live]")) watch();

// A recorded day: at another minute the same page is asked for, and its moment takes the place of this one.
let asked = 0;
const clockOf = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
const isSlider = (each) => each.matches?.("form.timeline input[type=range]");

async function showMoment(slider) {
  const number = ++asked;
  const clock = clockOf(Number(slider.value));
  try {
    const path = `${location.pathname}?at=${clock}`;
    const answer = await fetch(path);
    const there = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = there.getElementById("moment");
    if (number !== asked) return;
    if (!found) { location.assign(path); return; } // a page of its own says why, or leads to the login
    replace(byId("moment"), found.innerHTML);
    document.title = there.title;
    for (const each of document.querySelectorAll("input[name=at]")) each.value = found.dataset.at;
    history.replaceState(null, "", path);
  } catch { if (number === asked) say("That instant could not be read"); }
}

document.addEventListener("input", (event) => {
  if (!isSlider(event.target)) return;
  const clock = clockOf(Number(event.target.value));
  event.target.form.querySelector("output").textContent = clock;
  event.target.setAttribute("aria-valuetext", clock);
});
document.addEventListener("change", (event) => { if (isSlider(event.target)) showMoment(event.target); });
if (document.querySelector("[data-again]")) setTimeout(() => location.reload(), 1500);

// What somebody has hidden stays hidden in this browser; where it keeps nothing, as long as the page stands.
for (const box of document.querySelectorAll(".hides input")) {
  try { box.checked = localStorage.getItem(box.id) === "yes"; } catch { box.checked = false; }
  box.addEventListener("change", () => { try { localStorage.setItem(box.id, box.checked ? "yes" : "no"); } catch { say("This browser keeps nothing"); } });
}

// Until here nobody would have heard a button: they can be pressed from now on (page.css).
document.body.dataset.heard = "yes";
