"use strict";
// Shows one view of the embedded records at a time. Text from models reaches the page through text nodes alone.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const attempt = $("attempt");
const chosen = {...data.views[0].labels};
let view, record, spans = [], own = [], current = -1, pinned = -1;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
const percent = (p) => (100 * p).toFixed(1) + " %";
const nats = (x) => x.toFixed(2).replace(/^-(0\.00)$/, "$1").replace("-", "−");
const signed = (x) => (x > 0 ? "+" : "") + nats(x);
const visible = (text) => text === "" ? "part of a character" : text.replace(/\n/g, "↵").replace(/ /g, "␣").replace(/[^\P{C}\n]/gu, code);
const code = (c) => "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// ---- what is shown ----
function choices() {  // one list for each label with a choice; those after the first offer what goes with the ones before
  const form = $("choices"), focused = document.activeElement.name;
  form.replaceChildren();
  let left = data.views;
  for (const key of Object.keys(data.views[0].labels)) {
    const values = [...new Set(left.map((v) => v.labels[key]))];
    if (!values.includes(chosen[key])) chosen[key] = values[0];
    left = left.filter((v) => v.labels[key] === chosen[key]);
    if (new Set(data.views.map((v) => v.labels[key])).size > 1) form.append(list(key, values, chosen[key], (value) => { chosen[key] = value; show(); remember(); }));
  }
  if (focused && form.elements[focused]) form.elements[focused].focus();
  return left[0];
}

function list(key, values, value, change) {
  const select = element("select", {name: key}, ...values.map((v) => element("option", {value: v, selected: v === value}, v)));
  select.addEventListener("change", () => change(select.value));
  return element("label", {}, key + " ", select);
}

function show() {
  const before = record;
  view = choices();
  record = data.attempts[view.attempt];
  $("statement").textContent = record.statement;
  $("feedback").textContent = view.feedback;
  $("file").hidden = $("copy-file").hidden = record.source === null;
  $("source").textContent = record.source ?? "";
  if (record !== before) draw();
  own.forEach((index, n) => paint(spans[index], view.teacher[n] - view.student[n], index === view.focus));
  const far = own.filter((_, n) => Math.abs(view.teacher[n] - view.student[n]) >= 1).length;
  const mean = view.kl.reduce((a, b) => a + b, 0) / own.length;
  $("summary").textContent = `Lean's verdict: ${record.verdict}. ${far} of the student's ${own.length} tokens differ by 1 nat or more; mean KL(teacher ‖ student) ${nats(mean)} nats a token.`;
  select(record === before ? current : view.focus);
  if ($("table").open) table();
  if (before) $("live").textContent = $("summary").textContent;
}

function draw() {
  spans = record.tokens.map((token, index) => {
    const span = element("span", {className: record.mask[index] ? "own" : "tool"}, ...parts(token, record.ends[index], record.mask[index]));
    if (record.mask[index]) { span.dataset.n = index; span.tabIndex = -1; }
    return span;
  });
  own = spans.flatMap((_, index) => (record.mask[index] ? [index] : []));
  current = pinned = -1;
  attempt.replaceChildren(...spans);
}

function parts(token, ends, sampled) {  // the token's text, and marks that hold none; its last line end stands outside the ink, which is what gets outlined
  const made = token === "" && sampled ? [element("span", {className: "part"})] : [];
  let text = "";
  const flush = () => { if (text) made.push(text); text = ""; };
  let place = 0;
  for (const c of token) {
    place += c.length;
    if (c === "\n" && sampled) { flush(); made.push(element("span", {className: "end"})); }
    if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(c) && c !== "\n") {
      flush();
      const odd = element("span", {className: "odd"}, c);
      odd.dataset.name = code(c);
      made.push(odd);
    } else text += c;
    if (c !== "\n" && ends.includes(place)) { flush(); made.push(element("span", {className: "fold"})); }
  }
  const outside = [];
  if (text.endsWith("\n")) { text = text.slice(0, -1); outside.push("\n"); }
  else if (!text && made.at(-1)?.className === "fold") outside.push(made.pop());
  flush();
  return [element("span", {className: "ink"}, ...made), ...outside];
}

function paint(span, ratio, focus) {
  const share = Math.min(1, Math.abs(ratio) / data.scale);
  const end = data.colours[ratio > 0 ? 1 : 0];
  const channel = (at) => Math.round(255 + (parseInt(end.slice(at, at + 2), 16) - 255) * share);
  span.style.backgroundColor = `rgb(${channel(1)}, ${channel(3)}, ${channel(5)})`;
  span.className = "own" + (ratio >= 1 ? " up" : ratio <= -1 ? " down" : "") + (focus ? " focus" : "");
}

// ---- one token ----
function select(index, focus = false) {
  if (!spans[index] || !record.mask[index]) index = view.focus;
  if (spans[current]) { spans[current].tabIndex = -1; spans[current].classList.remove("chosen"); spans[current].removeAttribute("aria-current"); }
  current = index;
  const span = spans[index];
  span.tabIndex = 0;
  span.classList.add("chosen");
  span.setAttribute("aria-current", "true");
  detail(index);
  if (!focus) return;
  span.focus();
  const n = own.indexOf(index), ratio = view.teacher[n] - view.student[n];
  $("live").textContent = `${visible(record.tokens[index])}: student ${percent(Math.exp(view.student[n]))}, teacher ${percent(Math.exp(view.teacher[n]))}, log-ratio ${signed(ratio)} nats`;
}

function detail(index) {
  const n = own.indexOf(index), token = element("code", {}, visible(record.tokens[index]));
  if (n < 0) return $("numbers").replaceChildren(element("p", {}, token, " is a tool's text: the student did not sample it, and nothing is learned on it."));
  const ratio = view.teacher[n] - view.student[n];
  const row = (title, ...cells) => element("tr", {}, element("th", {scope: "row"}, title), ...cells.map((cell) => element("td", {}, cell)));
  const head = (...titles) => element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", {scope: "col"}, title))));
  const options = view.alternatives[n].map(([text, student, teacher]) => row(element("code", {}, visible(text)), meter(student, "--student"), meter(teacher, "--teacher")));
  $("numbers").replaceChildren(
    element("p", {}, token, ` ${n + 1} of ${own.length}`),
    element("p", {id: "ratio"}, `log p(teacher) − log p(student) = ${signed(ratio)} nats; KL(teacher ‖ student) = ${nats(view.kl[n])} nats`),
    element("table", {}, head("this token", "student", "teacher"), element("tbody", {},
      row("probability", percent(Math.exp(view.student[n])), percent(Math.exp(view.teacher[n]))),
      row("log-prob, nats", nats(view.student[n]), nats(view.teacher[n])),
      row("entropy, nats", nats(view.student_entropy[n]), nats(view.teacher_entropy[n])))),
    element("table", {id: "options"}, head("likeliest here", "student", "teacher"), element("tbody", {}, ...options)));
}

function meter(p, colour) {
  const bar = element("span", {className: "meter"});
  bar.style.width = 100 * p + "%";
  bar.style.backgroundColor = `var(${colour})`;
  return element("div", {}, percent(p), bar);
}

function table() {
  const titles = ["token", "student", "teacher", "log-ratio", "entropy, student", "entropy, teacher", "KL"];
  const rows = own.map((index, n) => element("tr", {}, element("th", {scope: "row"}, element("code", {}, visible(record.tokens[index]))), ...[
    percent(Math.exp(view.student[n])), percent(Math.exp(view.teacher[n])), signed(view.teacher[n] - view.student[n]), nats(view.student_entropy[n]), nats(view.teacher_entropy[n]), nats(view.kl[n]),
  ].map((cell) => element("td", {}, cell))));
  $("table").querySelector("div").replaceChildren(element("table", {}, element("caption", {}, "The student's tokens; probabilities, and nats"),
    element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", {scope: "col"}, title)))), element("tbody", {}, ...rows)));
}

// ---- mouse, keyboard, clipboard ----
const at = (event) => spans.indexOf(event.target.closest("#attempt > span"));
["--student", "--teacher"].forEach((name, n) => document.documentElement.style.setProperty(name, data.colours[n]));
attempt.addEventListener("pointerover", (event) => { if (pinned < 0 && at(event) >= 0) detail(at(event)); });
attempt.addEventListener("pointerleave", () => detail(current));
attempt.addEventListener("click", (event) => {
  if (!record.mask[at(event)] || !getSelection().isCollapsed) return;
  pinned = pinned === at(event) ? -1 : at(event);
  select(at(event), true);
  remember();
});
attempt.addEventListener("focusin", (event) => { if (at(event) >= 0 && at(event) !== current) select(at(event), true); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input, textarea")) return;
  if (event.key === "n" || event.key === "p") return difference(event.key === "n" ? 1 : -1);
  if (event.key === "Escape") pinned = -1;
  const n = own.indexOf(current);
  const to = {ArrowRight: own[n + 1], ArrowLeft: own[n - 1]};
  if (attempt.contains(event.target)) Object.assign(to, {Home: own[0], End: own.at(-1), ArrowDown: line(n, 1), ArrowUp: line(n, -1)});
  if (!(event.key in to)) return;
  event.preventDefault();
  if (to[event.key] !== undefined) select(to[event.key], true);
});

// ---- a link to what is shown: #attempt=…&arm=…&step=…&token=… ----
function remember() {
  const link = new URLSearchParams({...chosen, token: own.indexOf(current)});
  try { history.replaceState(null, "", "#" + link); } catch { /* a frame without an address */ }
}

function recall() {
  const link = new URLSearchParams(location.hash.slice(1));
  const keys = Object.keys(chosen).filter((key) => link.has(key));
  if (!keys.length) return show();
  for (const key of keys) chosen[key] = link.get(key);
  show();
  if (own[link.get("token")] !== undefined) { pinned = own[link.get("token")]; select(pinned, true); }
}
addEventListener("hashchange", recall);

function line(n, way) {  // the nearest token of the next line above or below that holds one of the student's
  const box = (index) => spans[index].getClientRects()[0];
  const here = box(own[n]);
  let best, row;
  for (let i = n + way; i in own; i += way) {
    const there = box(own[i]);
    if (Math.abs(there.top - here.top) < 4) continue;
    row ??= there.top;
    if (Math.abs(there.top - row) >= 4) break;
    if (best === undefined || Math.abs(there.left - here.left) < Math.abs(box(best).left - here.left)) best = own[i];
  }
  return best;
}

function difference(way) {
  const n = own.indexOf(current);
  for (let i = n + way; i in own; i += way) if (Math.abs(view.teacher[i] - view.student[i]) >= 1) return select(own[i], true);
  $("live").textContent = "no further difference of 1 nat or more";
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // a sandboxed frame has no clipboard of its own: copy as the Copy key does
    const give = (event) => { event.clipboardData.setData("text/plain", text); event.preventDefault(); event.stopImmediatePropagation(); };
    document.addEventListener("copy", give, {capture: true, once: true});
    document.execCommand("copy");
    document.removeEventListener("copy", give, {capture: true});
  }
  $("live").textContent = "copied";
}

document.addEventListener("copy", (event) => {  // exactly the text's characters: a browser would drop some and add line ends of its own
  const range = getSelection().rangeCount ? getSelection().getRangeAt(0) : null;
  if (!range || range.collapsed || !attempt.contains(range.commonAncestorContainer)) return;
  event.clipboardData.setData("text/plain", range.toString());
  event.preventDefault();
});
$("copy").addEventListener("click", () => copy(record.tokens.join("")));
$("copy-file").addEventListener("click", () => copy(record.source));
$("previous").addEventListener("click", () => difference(-1));
$("next").addEventListener("click", () => difference(1));
$("table").addEventListener("toggle", () => { if ($("table").open) table(); });
recall();
