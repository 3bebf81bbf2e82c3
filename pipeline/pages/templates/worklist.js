"use strict";
// The page holds its whole night as JSON. Every text reaches the screen through textContent: nothing from the data is ever parsed as markup.
(() => {
  const night = JSON.parse(document.getElementById("night").textContent);
  const { words, strings, zones, decimals } = night;
  const locale = words.locale, DAY = 86400000, dayZero = Date.parse(night.as_of + "T00:00:00Z");

  // ---- words and figures -------------------------------------------------------------------------------------------------------------
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? values[key] : whole));
  const word = (section, key) => (words[section] && words[section][key]) || key;
  const whole = new Intl.NumberFormat(locale), oneDecimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  const percentOf = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }), finePercent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
  const pull = new Intl.NumberFormat(locale, { signDisplay: "exceptZero", minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const plain = new Intl.NumberFormat(locale, { maximumSignificantDigits: 5 });
  const formats = new Map();
  const money = (minor, currency, short) => {
    if (minor === null || minor === undefined) return "–";
    const places = decimals[currency] ?? 2, key = currency + (short ? "s" : "");
    if (!formats.has(key)) {
      formats.set(key, new Intl.NumberFormat(locale, { style: "currency", currency, minimumFractionDigits: short ? 0 : places, maximumFractionDigits: short ? 0 : places }));
    }
    return formats.get(key).format(minor / 10 ** places);
  };
  // What is only expected is said in whole units, what is owed to the last of them.
  const about = (minor, currency) => money(minor, currency, Math.abs(minor ?? 0) >= 10 * 10 ** (decimals[currency] ?? 2));
  const EXPECTED = new Set(["expected_recovery", "net_value", "added_value", "amount_if_recovered", "added_recovery", "proposal_value", "route_value"]);
  const share = (value) => (value === null || value === undefined ? "–" : (value > 0 && value < 0.095 ? finePercent : percentOf).format(value));
  const dayFormat = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
  const dayYearFormat = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
  const longFormat = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const clockFormat = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const instantFormat = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  // Days are counted back from the night: 0 is the night itself.
  const dateOf = (back) => new Date(dayZero - back * DAY);
  const day = (back) => (back === null || back === undefined ? "–" : (Math.abs(back) < 300 ? dayFormat : dayYearFormat).format(dateOf(back)));
  const monthFormat = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", timeZone: "UTC" });
  const shortDay = (back) => (Math.abs(back) < 300 ? dayFormat : monthFormat).format(dateOf(back));
  // French says "1er octobre", which the browser's own patterns do not know.
  const longDay = (iso) => { const text = longFormat.format(new Date(iso + "T00:00:00Z")); return locale.startsWith("fr") ? text.replace(/(^|\s)1 /, "$11er ") : text; };
  const hhmm = (minute) => String(Math.floor(minute / 60)).padStart(2, "0") + ":" + String(minute % 60).padStart(2, "0");
  const minuteOf = (text) => (text ? Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5)) : null);
  const onYourClock = (minute, zone) => new Date(dayZero + (minute - zones[zone]) * 60000);
  const columnWord = (name) => word("columns", name).replace(/_/g, " ");

  // ---- small builders ----------------------------------------------------------------------------------------------------------------
  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === false || value === null || value === undefined) continue;
      if (name === "class") node.className = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children) if (child !== null && child !== undefined) node.append(child);
    return node;
  };
  const svg = (tag, attributes, ...children) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children);
    return node;
  };
  const free = (text, className) => el("span", { class: "free" + (className ? " " + className : "") }, text);
  const byId = (id) => document.getElementById(id);

  // ---- columns: text comes as indexes into one table of strings --------------------------------------------------------------------------
  const unpack = (table) => {
    const out = { rows: table.rows, all: table.all ?? table.rows, names: table.columns.map((column) => column.name), kinds: {} };
    for (const column of table.columns) {
      out.kinds[column.name] = column.kind;
      out[column.name] = column.kind === "text" ? column.values.map((index) => strings[index]) : column.values;
    }
    return out;
  };
  const list = unpack(night.worklist), details = night.details, audit = unpack(night.audit), display = unpack(night.display);
  const shownOf = (i, name) => (display[name] && display[name][i]) || "";
  // A number to call is one that holds nothing else.
  const PHONE = /^\+?[\d\s().\/-]{5,30}$/;
  const phoneOf = (i) => (PHONE.test(shownOf(i, "display_phone").trim()) ? shownOf(i, "display_phone").trim() : "");
  const callLink = (i, className) => {
    const phone = phoneOf(i);
    return phone ? el("a", { class: className, href: "tel:" + phone.replace("(0)", "").replace(/[^\d+]/g, ""), title: fill(words.row.call, { phone }) }, phone) : null;
  };
  const moneyCurrency = (table, name, row) => (night.in_reporting.includes(name) ? (table.reporting_currency ? table.reporting_currency[row] : night.reporting) : table.currency ? table.currency[row] : night.reporting);
  const cellText = (table, name, row) => {
    const value = table[name][row], kind = table.kinds[name];
    if (value === null || value === undefined || value === "") return "–";
    if (kind === "money") return (EXPECTED.has(name) ? about : money)(value, moneyCurrency(table, name, row));
    if (kind === "date") return dayYearFormat.format(dateOf(value));
    if (kind === "share") return share(value);
    if (kind === "count") return whole.format(value);
    if (kind === "number") return (name === "days_to_pay" ? oneDecimal : plain).format(value);
    if (kind === "instant") return instantFormat.format(new Date(dayZero + value * 60000));
    const section = { channel: "channels", part_of_day: "parts", listed_by: "listed_by", effect: "effects", nothing_overdue: "nothing_overdue" }[name];
    if (section) return word(section, value);
    return value;
  };
  const from = list.contact_from.map(minuteOf), until = list.contact_until.map(minuteOf);
  const agreed = details.appointments;
  const sought = Array.from({ length: list.rows }, (_, i) =>
    [list.account_id[i], list.debtor_id[i], list.joined_accounts[i], list.queue[i], list.portfolio[i], list.product[i], list.currency[i], word("channels", list.channel[i]), list.reason_1[i], list.reason_2[i], list.reason_3[i], ...display.names.map((name) => display[name][i])].join("\n").toLowerCase());

  // ---- the clock -------------------------------------------------------------------------------------------------------------------------
  // state: 0 open now, 1 opens later, 2 closed, 3 not today
  const windowState = (i, now) => {
    const minute = Math.floor((now - dayZero) / 60000) + (zones[list.time_zone[i]] ?? 0);
    const earliest = from[i] ?? 0, latest = until[i] ?? 1440;
    if (minute < 0 || minute >= 1440) return 3;
    return minute < earliest ? 1 : minute < latest ? 0 : 2;
  };
  // A demonstration has one clock of its own, half past ten on the night's day; every other page goes by the reader's.
  const clock = () => (night.demonstration ? new Date(Number(night.as_of.slice(0, 4)), Number(night.as_of.slice(5, 7)) - 1, Number(night.as_of.slice(8)), 10, 30) : new Date());
  const localDay = (now) => new Date(now.getTime() - now.getTimezoneOffset() * 60000).toISOString().slice(0, 10);
  const tellTime = () => {
    const now = clock(), today = localDay(now), notice = byId("notice");
    const expired = today > night.valid_until, early = today < night.as_of;
    notice.hidden = !(expired || early || night.demonstration);
    notice.className = "notice" + (early ? " early" : night.demonstration ? " shown" : "");
    if (night.demonstration) notice.replaceChildren(el("b", {}, words.page.demonstration_title), fill(words.page.demonstration, { day: longDay(night.as_of), time: clockFormat.format(now) }));
    else if (!notice.hidden) notice.replaceChildren(el("b", {}, early ? words.page.early_title : words.page.expired_title), fill(early ? words.page.early : words.page.expired, { day: longDay(night.valid_until) }));
    let reachable = 0;
    for (let i = 0; i < list.rows; i++) if (windowState(i, now) === 0) reachable++;
    byId("reachable").textContent = expired || early ? "–" : whole.format(reachable);
    byId("clock").textContent = fill(words.page.reachable_note, { time: clockFormat.format(now) });
  };

  // ---- the list ----------------------------------------------------------------------------------------------------------------------------
  const state = { text: "", queue: "", portfolio: "", channel: "", now: false, agreed: false, sort: null, down: false, ticked: new Set(), opened: new Set() };
  let order = [], current = null;
  const netMost = Math.max(1, ...list.net_value.map((value) => value ?? 0).slice(0, 60000));
  const HEADS = [
    { key: "rank", label: "rank", end: true },
    { key: "account_id", label: "account" },
    { key: "portfolio", label: "book" },
    { key: "arrears", label: "arrears", end: true, down: true },
    { key: "days_past_due", label: "days", end: true, down: true },
    { key: "p_recovered", label: "chance", end: true, down: true },
    { key: "expected_recovery", label: "expected", end: true, down: true },
    { key: "net_value", label: "net_value", end: true, down: true },
    { key: "contact_from", label: "contact" },
    { key: "last_payment", label: "last" },
    { key: "reason_1", label: "why" },
  ];
  const compareText = new Intl.Collator(locale, { numeric: true }).compare;
  const inQueues = new Map();
  for (const queue of list.queue) inQueues.set(queue, (inQueues.get(queue) ?? 0) + 1);
  const inQueue = (i) => fill(words.row.in_queue, { n: whole.format(list.rank[i]), all: whole.format(inQueues.get(list.queue[i])), queue: list.queue[i] });
  const queues = [...inQueues.keys()], queuePlace = new Map(queues.map((queue, n) => [queue, n * 2 ** 32]));
  const sortValue = { rank: (i) => i, rank_total: (i) => queuePlace.get(list.queue[i]) + list.rank_total[i], contact_from: (i) => (agreed[i] !== null ? agreed[i] : (from[i] ?? 0) - (zones[list.time_zone[i]] ?? 0)) };
  const choose = () => {
    const now = clock(), text = state.text.trim().toLowerCase();
    order = [];
    for (let i = 0; i < list.rows; i++) {
      if (state.queue && list.queue[i] !== state.queue) continue;
      if (state.portfolio && list.portfolio[i] !== state.portfolio) continue;
      if (state.channel && list.channel[i] !== state.channel) continue;
      if (state.agreed && agreed[i] === null) continue;
      if (state.now && windowState(i, now) !== 0) continue;
      if (text && !sought[i].includes(text)) continue;
      order.push(i);
    }
    if (!state.sort) return;
    const values = list[state.sort], sign = state.down ? -1 : 1, value = sortValue[state.sort] || ((i) => values[i]);
    const isText = list.kinds[state.sort] === "text" && !sortValue[state.sort];
    order.sort((a, b) => {
      const left = value(a), right = value(b);
      if (left === right) return a - b;
      if (left === null || left === "") return 1;
      if (right === null || right === "") return -1;
      return (isText ? compareText(left, right) : left - right) * sign || a - b;
    });
  };
  const perCurrency = (rows, name) => {
    const sums = new Map();
    for (const i of rows) sums.set(list.currency[i], (sums.get(list.currency[i]) ?? 0) + (list[name][i] ?? 0));
    return [...sums].sort((a, b) => (a[0] < b[0] ? -1 : 1)).map(([currency, sum]) => about(sum, currency)).join(" · ") || "–";
  };
  const sums = () => {
    const ticked = order.filter((i) => state.ticked.has(i)), rows = ticked.length ? ticked : order;
    let net = 0;
    for (const i of rows) net += list.net_value[i] ?? 0;
    const shown = fill(words.tools.shown, { n: whole.format(order.length), all: whole.format(list.rows) });
    const filters = [[words.tools.queue, state.queue], [words.tools.portfolio, state.portfolio], [words.tools.channel, state.channel && word("channels", state.channel)], [words.tools.search, state.text.trim()], [words.tools.now, state.now ? "✓" : ""], [words.tools.agreed, state.agreed ? "✓" : ""]]
      .filter(([, value]) => value).map(([name, value]) => name + ": " + value).join(", ");
    byId("sums").replaceChildren(
      el("span", {}, el("b", { id: "sum-rows" }, ticked.length ? fill(words.tools.ticked, { n: whole.format(ticked.length) }) : shown)),
      ...[["sum_net", "sum-net", about(net, night.reporting)], ["sum_expected", "sum-expected", perCurrency(rows, "expected_recovery")], ["sum_arrears", "sum-arrears", perCurrency(rows, "arrears")], ["sum_balance", "sum-balance", perCurrency(rows, "balance")]]
        .map(([key, id, text]) => el("span", {}, words.tools[key] + " ", el("b", { id }, text))),
      ticked.length ? el("button", { type: "button", onclick: () => { state.ticked.clear(); redraw(); } }, words.tools.untick) : "",
      filters ? el("span", { class: "printed" }, words.tools.filters + " " + filters) : "");
    byId("said").textContent = ticked.length ? fill(words.tools.ticked, { n: ticked.length }) : shown;
  };

  const gauge = (part) => {
    const inner = el("i");
    inner.style.width = Math.max(0, Math.min(100, part * 100)) + "%";
    return el("span", { class: "gauge", "aria-hidden": "true" }, inner);
  };
  const two = (first, second, className) => [el("span", { class: "one" + (className ? " " + className : "") }, first), el("span", { class: "two" }, second)];
  const pullOf = (i, position) => {
    const found = [...(details.reasons[i] || []), ...(details.effects[i] || [])].find(([text]) => strings[text] === list["reason_" + position][i]);
    return found ? found[1] : 0;
  };
  // Whose identity is to be verified first: the sentence on pointing, and in full where the row is opened.
  const verifyBadge = (i) => (list.verify_identity && list.verify_identity[i] ? el("span", { class: "badge warn", title: list.verify_identity[i] }, words.row.verify) : null);
  const contactCell = (i, now) => {
    const left = list.contacts_left[i], name = word("channels", list.channel[i]), called = agreed[i] !== null;
    const badge = el("span", { class: "badge" + (called ? " warn" : windowState(i, now) === 0 ? " good" : "") },
      called ? fill(words.row.agreed, { channel: name, time: clockFormat.format(new Date(dayZero + agreed[i] * 60000)) }) : name);
    const span = from[i] === null ? words.row.no_window : hhmm(from[i]) + "–" + hhmm(until[i]);
    const first = el("span", { class: "one" }, badge, verifyBadge(i), left === null ? "" : " " + fill(words.row.left, { n: whole.format(left) }));
    return [first, callLink(i, "call"), el("span", { class: "two", title: list.time_zone[i] }, span + " " + (list.time_zone[i] || "").split("/").pop().replace(/_/g, " "))];
  };
  const reasonLine = (i, n, className) => {
    const text = list["reason_" + n][i], sign = text ? pullOf(i, n) : 0;
    const line = text ? free(text, className + (sign > 0 ? " up" : sign < 0 ? " down" : "")) : null;
    if (line) line.title = text; // in full on pointing
    return line;
  };
  const brokenBadge = (i) => (list.broken_promises[i] ? el("span", { class: "badge bad" }, list.broken_promises[i] === 1 ? words.row.broken_one : fill(words.row.broken, { n: list.broken_promises[i] })) : null);
  // Under the arrears: what to ask for where a charge is disputed, else a credit elsewhere, else the balance; all of it on pointing.
  const unlate = (i) => ({ charged_off: words.row.charged_off, placed: fill(words.row.placed, { day: audit.placed_on ? shortDay(audit.placed_on[i] ?? 0) : "" }) })[audit.nothing_overdue ? audit.nothing_overdue[i] : ""];
  const askedFor = (i, currency) => {
    const held = (name) => (audit[name] && audit[name][i] > 0 ? money(audit[name][i], currency) : null);
    const disputed = held("disputed"), credit = held("debtor_credit"), balance = fill(words.row.of_balance, { amount: money(list.balance[i], currency) });
    const why = unlate(i), asked = disputed && { amount: money(audit.asked[i], currency), disputed };
    const told = [why, asked && fill(words.row.asked_of, asked), credit && fill(words.row.credit_elsewhere, { amount: credit }), balance].filter(Boolean);
    return el("span", { class: "two", title: told.join(" · ") }, asked ? fill(words.row.asked, asked) : why ? why : credit ? fill(words.row.credit, { amount: credit }) : balance);
  };
  const drawRow = (i, now) => {
    const account = list.account_id[i], joined = list.joined_accounts[i] ? list.joined_accounts[i].split(" ").length : 0, currency = list.currency[i];
    const opener = el("button", { type: "button", class: "open", "aria-expanded": "false", "aria-label": fill(words.tools.open_row, { account }), tabindex: "-1" });
    const tick = el("input", { type: "checkbox", class: "tick", "aria-label": fill(words.tools.tick_row, { account }), tabindex: "-1" });
    tick.checked = state.ticked.has(i);
    const row = el("tr", { class: "row" + (tick.checked ? " ticked" : ""), "data-row": i },
      el("td", { class: "end count" }, tick, opener, el("b", {}, whole.format(i + 1)), queues.length > 1 ? el("span", { class: "two", title: inQueue(i) }, whole.format(list.rank[i]) + " / " + whole.format(inQueues.get(list.queue[i]))) : null),
      el("th", { scope: "row", class: "id" }, el("span", { class: "one free", title: account }, account),
        el("span", { class: "two", title: list.debtor_id[i] }, joined ? el("span", { class: "badge", title: list.joined_accounts[i] }, joined === 1 ? words.row.joined_one : fill(words.row.joined, { n: joined })) : null, free(shownOf(i, "display_name") || list.debtor_id[i]))),
      el("td", {}, el("span", { class: "one free", title: list.portfolio[i] }, list.portfolio[i]), el("span", { class: "two free", title: list.product[i] }, list.product[i])),
      el("td", { class: "end money" }, el("span", { class: "one" }, money(list.arrears[i], currency)), askedFor(i, currency)),
      el("td", { class: "end count" }, list.days_past_due[i] === null ? "–" : whole.format(list.days_past_due[i])),
      el("td", { class: "end count" }, share(list.p_recovered[i]), gauge(list.p_recovered[i] ?? 0)),
      el("td", { class: "end money" }, ...two(about(list.expected_recovery[i], currency), list.effect[i] && rung && toldApart ? fill(words.row.adds, { band: word("effects", list.effect[i]) }) : "")),
      el("td", { class: "end money" }, el("b", {}, about(list.net_value[i], list.reporting_currency[i])), gauge((list.net_value[i] ?? 0) / netMost)),
      el("td", {}, ...contactCell(i, now)),
      el("td", {}, ...two(list.last_payment[i] === null ? words.row.never_paid : fill(words.row.paid, { day: shortDay(list.last_payment[i]) }), list.last_right_party[i] === null ? words.row.never_spoke : fill(words.row.spoke, { day: shortDay(list.last_right_party[i]) }))),
      el("td", { class: "why" }, reasonLine(i, 1, "one"), el("span", { class: "two" }, brokenBadge(i), reasonLine(i, 2, ""))),
      el("td", { class: "paper" }));
    return row;
  };
  // Only the rows near the screen exist; two spacers stand for the rest. Every row has the same height, opened ones add their own.
  const place = new Int32Array(list.rows);
  let rows = new Map(), heights = new Map(), rowHeight = 48, table = null, body = null, above = null, below = null;
  const openedInOrder = () => [...state.opened].filter((i) => order[place[i]] === i).sort((a, b) => place[a] - place[b]);
  const offsetOf = (at, opened) => opened.reduce((sum, i) => sum + (place[i] < at ? heights.get(i) || 0 : 0), at * rowHeight);
  const placeAt = (y, opened) => {
    let low = 0, high = order.length;
    while (low < high) { const middle = (low + high) >> 1; if (offsetOf(middle + 1, opened) <= y) low = middle + 1; else high = middle; }
    return low;
  };
  const draw = (everything = false) => {
    if (!table || !document.contains(table)) return;
    const opened = openedInOrder(), seen = -above.getBoundingClientRect().top, margin = innerHeight;
    const first = everything ? 0 : Math.max(0, placeAt(seen - margin, opened)), last = everything ? order.length : Math.min(order.length, placeAt(seen + 2 * margin, opened) + 1);
    for (const [i, row] of rows) {
      if (order[place[i]] === i && place[i] >= first && place[i] < last) continue;
      if (state.opened.has(i)) row.nextElementSibling.remove();
      row.remove();
      rows.delete(i);
    }
    const now = clock();
    let cursor = body.firstChild;
    for (let at = first; at < last; at++) {
      const i = order[at];
      let row = rows.get(i);
      if (!row) {
        row = drawRow(i, now);
        rows.set(i, row);
        body.insertBefore(row, cursor);
        if (state.opened.has(i)) unfold(row, i);
        row.setAttribute("aria-rowindex", at + 2);
      }
      cursor = state.opened.has(i) ? row.nextElementSibling.nextElementSibling : row.nextElementSibling;
    }
    if (body.firstChild) rowHeight = body.firstChild.getBoundingClientRect().height || rowHeight;
    for (const i of opened) if (rows.has(i)) heights.set(i, rows.get(i).nextElementSibling.getBoundingClientRect().height);
    above.style.height = offsetOf(first, opened) + "px";
    below.style.height = offsetOf(order.length, opened) - offsetOf(last, opened) + "px";
    if (body.firstChild && !(current && body.contains(current))) enter(body.querySelector(".open"), false);
  };
  let waiting = false;
  const drawSoon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  };
  const redraw = () => {
    choose();
    sums();
    order.forEach((i, at) => { place[i] = at; });
    body.replaceChildren();
    rows = new Map();
    above.style.height = below.style.height = "0px";
    table.setAttribute("aria-rowcount", order.length + 1);
    byId("nothing").hidden = order.length > 0;
    table.hidden = order.length === 0;
    draw();
  };
  const enter = (opener, focus) => {
    if (current) for (const node of [current, current.previousElementSibling]) node.tabIndex = -1;
    current = opener;
    for (const node of [opener, opener.previousElementSibling]) node.tabIndex = 0;
    if (focus) opener.focus({ preventScroll: true });
  };
  const goTo = (at) => {
    const to = Math.max(0, Math.min(order.length - 1, at)), sticky = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--tools")) + table.tHead.offsetHeight;
    const opened = openedInOrder(), y = above.getBoundingClientRect().top + offsetOf(to, opened);
    if (y < sticky) scrollBy(0, y - sticky - 4);
    else if (y + rowHeight > innerHeight) scrollBy(0, y + rowHeight - innerHeight + 12);
    draw();
    enter(rows.get(order[to]).querySelector(".open"), true);
  };
  const unfold = (row, i) => {
    const opener = row.querySelector(".open"), id = "detail-" + i;
    opener.setAttribute("aria-expanded", "true");
    opener.setAttribute("aria-controls", id);
    row.classList.add("isopen");
    row.after(el("tr", { class: "detail", id }, el("td", { colspan: HEADS.length }, panes(i))));
  };
  const openRow = (row) => {
    const i = Number(row.dataset.row), opener = row.querySelector(".open");
    if (state.opened.has(i)) {
      state.opened.delete(i);
      row.nextElementSibling.remove();
      row.classList.remove("isopen");
      opener.setAttribute("aria-expanded", "false");
      opener.removeAttribute("aria-controls");
    } else {
      state.opened.add(i);
      unfold(row, i);
    }
    draw();
  };

  // ---- an opened row -----------------------------------------------------------------------------------------------------------------------
  const pane = (title, className, ...children) => el("div", { class: "pane" + (className ? " " + className : ""), role: "group", "aria-label": title }, el("h3", {}, title), ...children);
  const simpleTable = (heads, rows, classes = []) => el("table", { class: "plain" },
    el("thead", {}, el("tr", {}, ...heads.map((head, n) => el("th", { scope: "col", class: classes[n] }, head)))),
    el("tbody", {}, ...rows.map(({ cells, className }) => el("tr", { class: className }, ...cells.map((cell, n) => el("td", { class: (classes[n] || "") + " free" }, cell))))));
  // Bars that add up: the reasons shown, all else together, and their sum.
  const barsPane = (title, note, found, rest, sum, first) => {
    const bars = found.map(([text, size]) => [strings[text], size]);
    if (rest !== null && rest !== undefined) bars.push([words.detail.all_else, rest]);
    const most = Math.max(1e-9, ...bars.map(([, size]) => Math.abs(size ?? 0)));
    return pane(title, "", first, el("ul", { class: "pull" }, ...bars.map(([text, size]) => {
      const bar = el("i", { class: size > 0 ? "plus" : "minus" });
      bar.style.width = (Math.abs(size ?? 0) / most) * 50 + "%";
      return el("li", {}, free(text, "text"), el("span", { class: "axis", "aria-hidden": "true" }, size === null ? "" : bar),
        size === null ? el("span") : el("span", { class: "count", "aria-label": (size > 0 ? words.detail.raises : words.detail.lowers) + " " + pull.format(size) }, pull.format(size)));
    })), el("p", { class: "small" }, (sum === null || sum === undefined ? "" : fill(words.detail.adds_up, { sum: pull.format(sum) }) + ". ") + note));
  };
  const sumsOf = (i) => (details.sums[i] ? details.sums[i][0] : [null, null, null, null]);
  const reasonsPane = (i) => {
    const found = details.reasons[i] || [1, 2, 3].filter((n) => list["reason_" + n][i]).map((n) => [strings.indexOf(list["reason_" + n][i]), null]);
    return barsPane(words.detail.why, words.detail.why_note, found, sumsOf(i)[0], sumsOf(i)[1], null);
  };
  const rung = night.value.rung ? night.value.rung.state : "";
  const toldApart = rung !== "unproven" || night.value.bands;
  // Money is named once draws have proven the effect; before that a band, and never a harm.
  const addsText = (i) => {
    const band = word("effects", list.effect[i]), left = audit.p_if_left && audit.p_if_left[i];
    if (rung === "proven" && left !== undefined) return fill(words.detail.adds_proven, { money: money(list.added_value[i] + (audit.contact_cost[i] ?? 0), list.reporting_currency[i], true), left: share(left), worked: share(audit.p_if_worked[i]) });
    if (!toldApart) return words.detail.adds_unknown;
    return fill(rung === "unproven" ? words.detail.adds_band : words.detail.adds_plain, { band });
  };
  const effectsPane = (i) => {
    const [, , rest, sum] = sumsOf(i), likely = audit.p_if_left && audit.p_if_left[i] >= night.value.self_cure_from;
    return barsPane(words.detail.effects, sum === null ? "" : words.detail.effects_note, details.effects[i] || [], rest, sum, el("p", { class: "adds" }, likely && list.effect[i] === "little" ? words.detail.alone : addsText(i)));
  };
  const KIND_CLASS = { payment: "paid", reversal: "back", credit: "credit" };
  const moneyPane = (i) => {
    const currency = list.currency[i], points = triples(details.balances[i], 2), paid = triples(details.payments[i], 3);
    const children = [];
    if (points.length || paid.length) {
      const W = 600, H = 120, base = 84, first = Math.max(...points.map((p) => p[0]), ...paid.map((p) => p[0]), 30), last = 0;
      const x = (back) => ((first - back) / (first - last)) * W, top = Math.max(1, ...points.map((p) => p[1])), most = Math.max(1, ...paid.map((p) => p[1]));
      const y = (minor) => base - (Math.max(0, minor) / top) * (base - 10);
      let path = "", area = "";
      points.forEach(([back, minor], n) => { path += (n ? `H${x(back).toFixed(1)}V` : `M${x(back).toFixed(1)} `) + y(minor).toFixed(1); });
      if (points.length) { path += `H${W}`; area = `${path}V${base}H${x(points[0][0]).toFixed(1)}Z`; }
      const sum = paid.reduce((total, [, minor, kind]) => total + (strings[kind] === "payment" ? minor : strings[kind] === "reversal" ? -minor : 0), 0);
      const label = points.length ? fill(words.detail.chart, { first: money(points[0][1], currency), first_day: day(points[0][0]), last: money(points[points.length - 1][1], currency), last_day: day(points[points.length - 1][0]), n: paid.length, sum: money(sum, currency) }) : words.detail.money;
      children.push(svg("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
        svg("line", { x1: 0, x2: W, y1: base, y2: base }), svg("line", { x1: 0, x2: W, y1: H, y2: H }), ...(points.length ? [svg("path", { d: area, class: "area" }), svg("path", { d: path, class: "balance" })] : []),
        ...paid.map(([back, minor, kind]) => { const height = Math.max(3, (minor / most) * (H - base - 8)); return svg("rect", { x: Math.max(0, Math.min(W - 5, x(back) - 2.5)).toFixed(1), width: 5, y: (H - height).toFixed(1), height: height.toFixed(1), class: KIND_CLASS[strings[kind]] || "credit" }); })));
      children.push(el("p", { class: "key" }, el("span", {}, points.length ? fill(words.detail.at, { day: day(first), amount: money(points[0][1], currency) }) : day(first)), el("span", {}, el("i", { class: "k-balance" }), words.detail.balance), ...["payment", "reversal", "credit"].filter((kind) => kind === "payment" || paid.some((p) => strings[p[2]] === kind)).map((kind) => el("span", {}, el("i", { class: "k-" + KIND_CLASS[kind] }), words.detail[kind])), el("span", {}, points.length ? fill(words.detail.at, { day: day(last), amount: money(points[points.length - 1][1], currency) }) : day(last))));
    }
    if (paid.length) {
      children.push(simpleTable([words.detail.day, words.detail.amount, words.detail.kind], paid.slice(-4).reverse().map(([back, minor, kind]) => ({ cells: [day(back), money(minor, currency), words.detail[strings[kind]] || strings[kind]] })), ["", "count"]));
    } else children.push(el("p", { class: "small" }, words.detail.no_payments));
    return pane(words.detail.money, "", ...children);
  };
  const triples = (flat, size) => {
    const out = [];
    for (let n = 0; flat && n < flat.length; n += size) out.push(flat.slice(n, n + size));
    return out;
  };
  const contactsPane = (i) => {
    const spoken = triples(details.contacts[i], 5), promised = triples(details.promises[i], 4), currency = list.currency[i];
    const badge = (key) => el("span", { class: "badge " + ({ kept: "good", broken: "bad", open: "warn" }[key] || "") }, word("states", key));
    return pane(words.detail.contacts, "", list.verify_identity && list.verify_identity[i] ? el("p", { class: "adds" }, list.verify_identity[i]) : null,
      spoken.length ? simpleTable([words.detail.day, words.tools.channel, words.detail.direction, words.heads.outcome], spoken.map(([back, minute, channel, direction, outcome]) => ({ cells: [day(back) + (minute >= 0 ? " " + hhmm(minute) : ""), word("channels", strings[channel]), word("directions", strings[direction]), word("outcomes", strings[outcome])] }))) : el("p", { class: "small" }, words.detail.no_contacts),
      el("h3", {}, words.detail.promises),
      promised.length ? el("ul", { class: "promises" }, ...promised.map(([made, due, minor, key]) => el("li", {}, badge(strings[key]), " " + fill(words.detail.promised, { amount: money(minor, currency), due: day(due), made: day(made) })))) : el("p", { class: "small" }, words.detail.no_promises));
  };
  const spanText = (earliest, latest) => (earliest < 0 ? "–" : earliest === 0 && latest === 1440 ? words.detail.all_day : hhmm(earliest) + "–" + hhmm(latest));
  const yourSpan = (earliest, latest, zone) => (earliest === 0 && latest === 1440 ? words.detail.all_day : earliest < 0 || zones[zone] === undefined ? "–" : clockFormat.format(onYourClock(earliest, zone)) + "–" + clockFormat.format(onYourClock(latest, zone)));
  const whenPane = (i) => {
    const zone = list.time_zone[i], limits = details.limits[i] || [], channels = details.channel_tables[details.channels[i]] || [];
    // Channels that may be used alike share one line.
    const alike = new Map();
    for (const [channel, ...rest] of channels) {
      const key = JSON.stringify(rest);
      alike.set(key, [...(alike.get(key) || []), word("channels", strings[channel])]);
    }
    const rows = [...alike].map(([key, names]) => {
      const [verdict, rule, earliest, latest, left] = JSON.parse(key), permitted = strings[verdict] === "permitted";
      return {
        className: permitted ? "" : "no",
        cells: [names.join(", "), word("verdicts", strings[verdict]), spanText(earliest, latest), yourSpan(earliest, latest, zone), left === null || !permitted ? "–" : whole.format(left),
          strings[rule] ? el("span", { title: night.citations[rule] || "" }, strings[rule]) : ""],
      };
    });
    if (!rows.length) rows.push({ cells: [word("channels", list.channel[i]), word("verdicts", "permitted"), from[i] === null ? words.row.no_window : spanText(from[i], until[i]), from[i] === null ? "–" : yourSpan(from[i], until[i], zone), list.contacts_left[i] === null ? "–" : whole.format(list.contacts_left[i]), ""] });
    const part = audit.part_of_day && audit.part_of_day[i], narrowed = part && (audit.permitted_from[i] !== list.contact_from[i] || audit.permitted_until[i] !== list.contact_until[i]);
    return pane(words.detail.when, "wide",
      narrowed ? el("p", { class: "chosen" }, fill(words.detail.chosen, { from: list.contact_from[i], until: list.contact_until[i], part: word("parts", part), first: audit.permitted_from[i], last: audit.permitted_until[i] })) : null,
      ...(limits.length ? limits.map(([rule, text]) => el("p", { class: "limit" }, el("b", {}, words.detail.limited + " " + strings[rule]), " ", free(strings[text]), night.citations[rule] ? el("span", { class: "small" }, " (" + night.citations[rule] + ")") : "")) : [el("p", { class: "small" }, words.detail.not_limited)]),
      simpleTable([words.tools.channel, words.detail.verdict, words.detail.debtor_clock + (zone ? " · " + zone : ""), words.detail.your_clock, words.detail.contacts_left, words.detail.rule], rows, ["names", "keep", "keep", "keep", "keep"]));
  };
  // What is offered, by whom the account would be worked, and how the figures are made: nights under a treatment policy alone.
  const offerPane = (i) => {
    if (!details.treatment) return null;
    const lines = (details.treatment[i] || []).map(([line]) => strings[line]);
    return pane(words.detail.offer, "wide",
      ...[[list.proposal[i], list.proposal_terms[i]], [list.alternative[i]], [list.route[i]]].map((told) => told.filter(Boolean).join(" ")).filter(Boolean).map((text) => el("p", {}, free(text))),
      lines.length ? el("h3", {}, words.detail.formed) : null,
      lines.length ? el("p", { class: "formed" }, free(lines.join("\n"))) : null);
  };
  const facts = (table, row, names) => el("dl", { class: "terms" }, ...names.map((name) => el("div", {}, el("dt", {}, columnWord(name)), el("dd", { class: "free" }, cellText(table, name, row)))));
  const panes = (i) => {
    const shown = list.names.filter((name) => !/^(reason_\d|rank|contact_from|contact_until|channel|proposal|proposal_terms|alternative|route)$/.test(name));
    const terms = audit.rows ? audit.names.filter((name) => !list.names.includes(name) || name === "expected_recovery" || name === "net_value").filter((name) => name !== "account_id") : [];
    return el("div", { class: "panes" },
      list.effect[i] && rung ? effectsPane(i) : null, reasonsPane(i), moneyPane(i), contactsPane(i), whenPane(i), offerPane(i),
      terms.length ? pane(words.detail.value, "", facts(audit, i, terms)) : null,
      i >= night.detailed ? el("p", { class: "small pane full" }, words.detail.no_details) : null,
      pane(words.detail.facts, "full", display.names.length ? el("dl", { class: "terms" }, ...display.names.map((name) => el("div", {}, el("dt", {}, columnWord(name).replace(/^display /, "")), el("dd", { class: "free" }, (name === "display_phone" && callLink(i, "")) || shownOf(i, name) || "–")))) : null, facts(list, i, shown)));
  };

  // ---- the parts of the page ---------------------------------------------------------------------------------------------------------------
  const select = (label, key, values, show = (value) => value) => {
    const choices = [...new Set(values)].filter(Boolean).sort(compareText);
    return el("label", {}, label, el("select", { "data-key": key, onchange: (event) => { state[key] = event.target.value; redraw(); } }, el("option", { value: "" }, words.tools.any), ...choices.map((value) => el("option", { value }, show(value)))));
  };
  const check = (label, key) => el("label", { class: "check" }, el("input", { type: "checkbox", "data-key": key, onchange: (event) => { state[key] = event.target.checked; redraw(); } }), label);
  const emptyPage = () => el("div", { class: "pane", id: "empty" }, el("h3", {}, words.empty.title),
    night.counts.scorable ? el("p", {}, fill(words.empty.why, { n: whole.format(night.counts.scorable) })) : el("p", {}, words.empty.no_scorable),
    night.counts.scorable ? el("ul", {}, ...night.groups.filter((group) => night.counts[group]).map((group) => el("li", {}, el("b", {}, whole.format(night.counts[group])), " " + words.groups[group] + ". " + words.groups_help[group]))) : null);
  // Both orders of the same debtors, one click apart, and what each alone would bring within capacity.
  const inOrder = () => (state.sort === "rank_total" ? "total" : state.sort === null ? night.value.mode || "total" : "");
  const ordersLine = () => {
    const told = night.value.orders;
    if (!told) return null;
    const button = (name) => el("button", { type: "button", id: "by-" + name, "aria-pressed": String(inOrder() === name), onclick: () => { Object.assign(state, { sort: name === night.value.mode ? null : name === "total" ? "rank_total" : "added_value", down: name === "added" && name !== night.value.mode }); show("worklist"); } }, words.tools["by_" + name]);
    const sumsOfOrders = {};
    for (const name of ["added", "total"]) {
      sumsOfOrders["n_" + name] = whole.format(told[name].debtors);
      for (const part of ["returns", "adds"]) sumsOfOrders[part + "_" + name] = money(told[name][part], night.reporting, true);
    }
    return el("div", { class: "line orders" }, el("span", {}, words.tools.order + " "), button("added"), button("total"),
      el("p", { class: "small", id: "orders" }, fill(words.tools.brings, { ...sumsOfOrders, state: word("effect_states", rung) })));
  };
  const worklistPart = (panel) => {
    if (!list.rows) { panel.append(emptyPage()); return; }
    const search = el("input", { type: "search", id: "search", placeholder: words.tools.search_hint, "aria-label": words.tools.search, autocomplete: "off", value: state.text });
    let wait = 0;
    search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => { state.text = search.value; redraw(); }, 90); });
    const queues = new Set(list.queue), portfolios = new Set(list.portfolio), same = list.queue.every((queue, i) => queue === list.portfolio[i]);
    const tools = el("div", { class: "tools", role: "search" }, el("div", { class: "line" }, search,
      queues.size > 1 ? select(words.tools.queue, "queue", list.queue) : null, portfolios.size > 1 && !same ? select(words.tools.portfolio, "portfolio", list.portfolio) : null,
      select(words.tools.channel, "channel", list.channel, (value) => word("channels", value)), check(words.tools.now, "now"),
      agreed.some((value) => value !== null) ? check(words.tools.agreed, "agreed") : null,
      el("button", { type: "button", id: "reset", onclick: () => { Object.assign(state, { text: "", queue: "", portfolio: "", channel: "", now: false, agreed: false, sort: null }); show("worklist"); } }, words.tools.reset)),
      ordersLine(), el("div", { class: "sums", id: "sums" }));
    const heads = HEADS.map((head) => el("th", { scope: "col", class: head.end ? "end" : null, "data-key": head.key },
      el("button", { type: "button", "aria-label": fill(words.tools.sort_by, { column: words.heads[head.label] }), onclick: () => { if (state.sort === head.key) state.down = !state.down; else { state.sort = head.key; state.down = !!head.down; } markSort(); redraw(); } }, words.heads[head.label]), el("span", { class: "onpaper" }, words.heads[head.label])));
    const markSort = () => heads.forEach((th) => (th.dataset.key === state.sort ? th.setAttribute("aria-sort", state.down ? "descending" : "ascending") : th.removeAttribute("aria-sort")));
    const columns = el("colgroup", {}, ...HEADS.map(() => el("col")), el("col", { class: "paper" }));
    body = el("tbody");
    [above, below] = [0, 1].map(() => el("td", { colspan: HEADS.length }));
    table = el("table", { class: "list", id: "list" }, el("caption", { class: "hidden" }, words.page.title + " " + night.as_of), columns,
      el("thead", {}, el("tr", {}, ...heads, el("th", { scope: "col", class: "paper" }, el("span", {}, words.heads.outcome)))),
      el("tbody", { class: "space", "aria-hidden": "true" }, el("tr", {}, above)), body, el("tbody", { class: "space", "aria-hidden": "true" }, el("tr", {}, below)));
    table.addEventListener("click", (event) => {
      const row = event.target.closest("tr.row");
      if (!row) return;
      if (event.target.matches(".tick")) {
        const i = Number(row.dataset.row);
        if (event.target.checked) state.ticked.add(i); else state.ticked.delete(i);
        row.classList.toggle("ticked", event.target.checked);
        sums();
        return;
      }
      if (event.target.closest("a") || (!event.target.closest(".open") && String(getSelection()))) return;
      enter(row.querySelector(".open"), true);
      openRow(row);
    });
    table.addEventListener("focusin", (event) => { if (event.target.matches(".open")) enter(event.target, false); });
    table.addEventListener("keydown", (event) => {
      if (!event.target.matches(".open, .tick")) return;
      const row = event.target.closest("tr"), at = place[Number(row.dataset.row)];
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 12, PageUp: at - 12, Home: 0, End: order.length - 1 }[event.key];
      if (to !== undefined) { event.preventDefault(); goTo(to); }
      if (event.key === "Escape" && row.classList.contains("isopen")) openRow(row);
    });
    panel.append(tools, el("div", { class: "frame" }, table, el("p", { class: "nothing", id: "nothing", hidden: true }, words.tools.none_match)));
    for (const key of ["queue", "portfolio", "channel"]) { const box = tools.querySelector(`[data-key="${key}"]`); if (box) box.value = state[key]; }
    for (const key of ["now", "agreed"]) { const box = tools.querySelector(`[data-key="${key}"]`); if (box) box.checked = state[key]; }
    markSort();
    redraw();
    new ResizeObserver(() => document.documentElement.style.setProperty("--tools", tools.offsetHeight + "px")).observe(tools);
  };
  const laterPart = (name) => (panel) => {
    const table = unpack(night.later[name]);
    panel.append(el("p", { class: "lead" }, words.later[name]));
    if (!table.all) { panel.append(el("p", { class: "nothing" }, words.empty[name])); return; }
    const rules = night.later[name].rules;
    if (rules.length) panel.append(el("div", { class: "rules" }, simpleTable([words.columns.reason, words.columns.rule, words.columns.citation, words.later.accounts], rules.map(([rule, citation, text, count]) => ({ cells: [strings[text], strings[rule], strings[citation], whole.format(count)] })), ["", "", "", "count"])));
    const search = el("input", { type: "search", placeholder: words.tools.search, "aria-label": words.tools.search, autocomplete: "off" });
    const said = el("span", {}), holder = el("div", { class: "frame later" });
    const texts = Array.from({ length: table.rows }, (_, i) => table.names.map((column) => (table.kinds[column] === "text" ? table[column][i] : "")).join("\n").toLowerCase());
    const ends = table.names.map((column) => (["money", "share", "count", "number"].includes(table.kinds[column]) ? "end count" : ""));
    const draw = () => {
      const text = search.value.trim().toLowerCase(), rows = [];
      for (let i = 0; i < table.rows; i++) if (!text || texts[i].includes(text)) rows.push(i);
      said.textContent = whole.format(rows.length) + " / " + whole.format(table.all);
      holder.replaceChildren(el("table", {}, el("caption", { class: "hidden" }, words.tabs[name]), el("thead", {}, el("tr", {}, ...table.names.map((column, n) => el("th", { scope: "col", class: ends[n] }, el("span", {}, columnWord(column) + (table.kinds[column] === "instant" ? ", " + (words.grammar.small_nouns === "yes" ? words.detail.your_clock.toLowerCase() : words.detail.your_clock) : "")))))),
        el("tbody", {}, ...rows.slice(0, 500).map((i) => el("tr", {}, ...table.names.map((column, n) => el(n ? "td" : "th", { class: ends[n] + " free", scope: n ? null : "row" }, cellText(table, column, i))))))));
      if (rows.length > 500) holder.append(el("p", { class: "nothing" }, fill(words.later.cut, { n: whole.format(500), all: whole.format(rows.length), file: name + ".csv" })));
    };
    search.addEventListener("input", draw);
    panel.append(el("div", { class: "tools" }, el("div", { class: "line" }, search, said)), holder);
    if (table.rows < table.all) panel.append(el("p", { class: "small" }, fill(words.later.cut, { n: whole.format(table.rows), all: whole.format(table.all), file: name + ".csv" })));
    draw();
  };
  // Who waits, in the list's own form: what is worth knowing before a call fits a screen, and a phone; the file holds all.
  const nextPart = (panel) => {
    const table = unpack(night.later.next_in_line), said_of = words.heads;
    const heads = { place: words.columns.place, account_id: said_of.account, queue: words.columns.queue, arrears: said_of.arrears, days_past_due: said_of.days, p_recovered: said_of.chance, expected_recovery: said_of.expected, net_value: said_of.net_value, channel: said_of.contact, reason_1: said_of.why };
    panel.append(el("p", { class: "lead" }, words.later.next_in_line));
    if (!table.all) { panel.append(el("p", { class: "nothing" }, words.empty.next_in_line)); return; }
    const search = el("input", { type: "search", placeholder: words.tools.search, "aria-label": words.tools.search, autocomplete: "off" });
    const said = el("span", {}), holder = el("div", { class: "frame" });
    const texts = Array.from({ length: table.rows }, (_, i) => table.names.map((column) => (table.kinds[column] === "text" ? table[column][i] : "")).join("\n").toLowerCase());
    const ends = new Set(["place", "arrears", "days_past_due", "p_recovered", "expected_recovery", "net_value"]), more = (text) => el("span", { class: "two", title: text }, text);
    const cells = (i) => {
      const at = (name) => cellText(table, name, i), late = table.nothing_overdue[i], spoke = table.last_right_party[i], paid = table.last_payment[i];
      const call = (table.display_phone ? table.display_phone[i] : "").trim();
      return {
        place: [el("b", {}, at("place"))],
        account_id: [el("span", { class: "one free" }, at("account_id")), more((table.display_name && table.display_name[i]) || table.joined_to[i] || table.debtor_id[i])],
        queue: [el("span", { class: "one free" }, at("queue")), more(table.portfolio[i] === table.queue[i] ? at("product") : table.portfolio[i] + " · " + at("product"))],
        arrears: [el("span", { class: "one" }, at("arrears")), more(late ? word("nothing_overdue", late) : fill(words.row.of_balance, { amount: at("balance") }))],
        days_past_due: [at("days_past_due")],
        p_recovered: [at("p_recovered"), gauge(table.p_recovered[i] ?? 0)],
        expected_recovery: [at("expected_recovery")],
        net_value: [el("b", {}, at("net_value"))],
        channel: [el("span", { class: "badge" }, at("channel")), PHONE.test(call) ? el("a", { class: "call", href: "tel:" + call.replace("(0)", "").replace(/[^\d+]/g, "") }, call) : null,
          more((spoke === null ? words.row.never_spoke : fill(words.row.spoke, { day: shortDay(spoke) })) + " · " + (paid === null ? words.row.never_paid : fill(words.row.paid, { day: shortDay(paid) })))],
        reason_1: [free(table.reason_1[i] || "–")],
      };
    };
    const draw = () => {
      const text = search.value.trim().toLowerCase(), rows = [];
      for (let i = 0; i < table.rows; i++) if (!text || texts[i].includes(text)) rows.push(i);
      said.textContent = whole.format(rows.length) + " / " + whole.format(table.all);
      holder.replaceChildren(el("table", { class: "next" }, el("caption", { class: "hidden" }, words.tabs.next_in_line), el("thead", {}, el("tr", {}, ...Object.entries(heads).map(([name, text]) => el("th", { scope: "col", class: ends.has(name) ? "end" : null }, el("span", {}, text))))),
        el("tbody", {}, ...rows.slice(0, 500).map((i) => { const own = cells(i); return el("tr", {}, ...Object.keys(heads).map((name) => el(name === "account_id" ? "th" : "td", { class: (ends.has(name) ? "end count" : "") + " at-" + name, scope: name === "account_id" ? "row" : null }, ...own[name].filter(Boolean)))); }))));
      if (rows.length > 500) holder.append(el("p", { class: "nothing" }, fill(words.later.cut, { n: whole.format(500), all: whole.format(rows.length), file: "next_in_line.csv" })));
    };
    search.addEventListener("input", draw);
    panel.append(el("div", { class: "tools" }, el("div", { class: "line" }, search, said)), holder);
    if (table.rows < table.all) panel.append(el("p", { class: "small" }, fill(words.later.cut, { n: whole.format(table.rows), all: whole.format(table.all), file: "next_in_line.csv" })));
    draw();
  };
  const pairs = (entries) => el("dl", { class: "terms" }, ...entries.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", { class: "free" }, value))));
  const aboutPart = (panel) => {
    const said = (value) => (value === null || value === undefined ? "–" : typeof value === "number" ? plain.format(value) : Array.isArray(value) ? value.join(", ") : String(value));
    panel.append(el("div", { class: "about" },
      pane(words.about.reading, "full", el("ul", {}, ...["order", "value", "window", "once"].map((key) => el("li", {}, words.about[key])))),
      pane(words.about.counts, "", simpleTable([words.columns.group, words.about.accounts], [...night.groups, "scorable"].map((group) => ({ cells: [words.groups[group], whole.format(night.counts[group])] })), ["", "count"])),
      pane(words.about.totals, "", simpleTable([words.columns.currency, words.about.accounts, words.columns.balance, words.columns.arrears, words.columns.expected_recovery], Object.entries(night.totals.per_currency).map(([currency, sum]) => ({ cells: [currency, whole.format(sum.accounts), money(sum.balance, currency), money(sum.arrears, currency), money(sum.expected_recovery, currency)] })), ["", "count", "count", "count", "count"]),
        el("p", { class: "small" }, words.page.net_value + " " + money(night.totals.net_value, night.reporting))),
      pane(words.about.model, "", pairs(Object.entries(night.model).map(([key, value]) => [columnWord(key), said(value)]))),
      pane(words.about.data, "", simpleTable([words.about.table, words.about.through], night.complete_through.map(([table, back]) => ({ cells: [word("tables", table), dayYearFormat.format(dateOf(back))] })))),
      night.rates.length ? pane(words.about.rates, "", pairs(night.rates.map(([key, name, value]) => [columnWord(key) + (name ? " " + word(key === "costs" ? "channels" : "", name) : ""), said(value)]))) : null,
      pane(words.about.files, night.rates.length ? "" : "full", el("ul", {}, ...Object.entries(words.files).map(([file, text]) => el("li", {}, el("b", {}, file), " " + text))))));
  };

  const PARTS = { worklist: worklistPart, next_in_line: nextPart, deferred: laterPart("deferred"), excluded: laterPart("excluded"), self_cure: laterPart("self_cure"), about: aboutPart };
  const tabs = byId("tabs"), panel = byId("panel");
  for (const name of Object.keys(PARTS)) {
    const count = name === "about" ? null : el("small", {}, whole.format(night.counts[name === "next_in_line" ? "below_capacity" : name]));
    tabs.append(el("button", { type: "button", role: "tab", id: "tab-" + name, "aria-controls": "panel", onclick: () => show(name) }, words.tabs[name], count));
  }
  tabs.addEventListener("keydown", (event) => {
    const all = [...tabs.children], step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { const next = all[(all.indexOf(event.target) + step + all.length) % all.length]; next.focus(); next.click(); }
  });
  const show = (name) => {
    current = table = null;
    for (const tab of tabs.children) {
      const chosen = tab.id === "tab-" + name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", "tab-" + name);
    panel.replaceChildren();
    PARTS[name](panel);
  };

  // ---- the frame -----------------------------------------------------------------------------------------------------------------------------
  const dark = (yes) => document.documentElement.setAttribute("data-theme", yes ? "dark" : "light");
  const asked = new URLSearchParams(location.hash.slice(1)), prefersDark = matchMedia("(prefers-color-scheme: dark)");
  dark(asked.has("theme") ? asked.get("theme") === "dark" : prefersDark.matches);
  prefersDark.addEventListener("change", (event) => dark(event.matches));
  byId("theme").addEventListener("click", () => dark(document.documentElement.getAttribute("data-theme") !== "dark"));
  byId("print").addEventListener("click", () => print());
  addEventListener("scroll", drawSoon, { passive: true });
  addEventListener("resize", drawSoon);
  addEventListener("beforeprint", () => draw(true));
  addEventListener("afterprint", () => draw());
  addEventListener("keydown", (event) => {
    const search = panel.querySelector('input[type="search"]');
    if (event.key === "/" && search && !event.target.closest("input, select, textarea")) { event.preventDefault(); search.focus(); }
  });
  byId("total-net").textContent = about(night.totals.net_value, night.reporting);
  if (list.rows) byId("total-expected").replaceChildren(...Object.entries(night.totals.per_currency).map(([currency, sum]) => el("span", {}, about(sum.expected_recovery, currency))));
  byId("day").textContent = longDay(night.as_of);
  byId("valid").textContent = fill(words.page.valid, { day: longDay(night.valid_until) });
  for (const time of document.querySelectorAll(".facts time")) time.textContent = dayFormat.format(new Date(time.dateTime + "T00:00:00Z"));
  for (const group of night.groups) {
    const part = el("i", { "data-group": group });
    part.style.width = (night.counts[group] / Math.max(1, night.counts.scorable)) * 100 + "%";
    byId("went-bar").append(part);
    byId("went-list").querySelector(`[data-group="${group}"]`).toggleAttribute("data-zero", !night.counts[group]);
  }
  // A link to one account (#account=ID) shows it alone, opened.
  if (asked.has("account")) state.text = asked.get("account");
  show(Object.hasOwn(PARTS, asked.get("tab") ?? "") ? asked.get("tab") : "worklist");
  if (asked.has("account") && panel.querySelector("tr.row")) openRow(panel.querySelector("tr.row"));
  tellTime();
  setInterval(tellTime, 30000);
})();
