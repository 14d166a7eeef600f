// Keeps the page up to date: replaces the parts that the server says have changed, and lets ages tick.
// Every text in a part was escaped by the server; the page's policy allows no other script.
"use strict";
(() => {
  const SILENT_MS = 3000;
  const AGAIN_MS = 2000;
  const DATED_MS = 20 * 3600000;
  let heardAt = Date.now();
  let ahead = Number(document.body.dataset.now || Date.now()) - Date.now();
  let lost = false;
  let silentMs = SILENT_MS;

  const contact = (isLost) => {
    if (isLost === lost) return;
    lost = isLost;
    document.getElementById("contact")?.classList.toggle("lost", isLost);
    document.body.classList.toggle("lost-contact", isLost);
  };

  const lasting = (ms) => {
    const s = Math.max(0, ms) / 1000;
    for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (s >= size) return `${(s / size).toFixed(1)} ${unit}`;
    }
    return `${Math.floor(s)} s`;
  };

  const tick = () => {
    const now = Date.now() + ahead;
    for (const one of document.querySelectorAll("time[data-at]")) {
      const at = Number(one.dataset.at);
      const iso = new Date(at).toISOString();
      const clock = Math.abs(now - at) >= DATED_MS ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, 19);
      const words = now >= at ? `${lasting(now - at)} ago` : `in ${lasting(at - now)}`;
      const said = `${clock} UTC (${words})`;
      if (one.textContent !== said) one.textContent = said;
    }
    if (Date.now() - heardAt > silentMs) contact(true);
  };

  const made = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };

  const filter = () => {
    const wanted = (document.getElementById("search")?.value || "").trim().toUpperCase();
    for (const one of document.querySelectorAll("[id$='-rows'] > tr, [id$='-cards'] > article")) {
      one.hidden = wanted !== "" && !one.textContent.toUpperCase().includes(wanted);
    }
  };

  const show = (message) => {
    const parts = message.parts || {};
    const fresh = {};
    for (const [id, html] of Object.entries(parts)) {
      if (/^a\d+-/.test(id)) {
        const here = document.getElementById(id);
        if (here) here.innerHTML = html;
        continue;
      }
      fresh[id] = made(html);
      const here = document.getElementById(id);
      if (here && fresh[id]) {
        const focused = here.contains(document.activeElement);
        here.replaceWith(fresh[id]);
        if (focused) fresh[id].querySelector("a")?.focus({ preventScroll: true });
      }
    }
    for (const [list, ids] of Object.entries(message.orders || {})) {
      const here = document.getElementById(list);
      if (!here) continue;
      const children = ids.map((id) => document.getElementById(id) || fresh[id]).filter(Boolean);
      children.forEach((child, place) => {
        if (here.children[place] !== child) here.insertBefore(child, here.children[place] || null);
      });
      while (here.children.length > children.length) here.lastElementChild.remove();
    }
    if (message.parts || message.orders) filter();
  };

  const listen = () => {
    const source = new EventSource(`/stream?frame=${document.body.dataset.frame}`);
    source.onmessage = (event) => {
      const message = JSON.parse(event.data);
      heardAt = Date.now();
      ahead = message.at_ms - heardAt;
      contact(false);
      show(message);
      tick();
    };
    source.onerror = () => {
      contact(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
  };

  // A position's own page is asked for again as a whole; the answer is parsed, and no script in it would run.
  const askAgain = async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(SILENT_MS) });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const here = document.getElementById("position");
      const next = fresh.getElementById("position");
      const focused = here.contains(document.activeElement) && document.activeElement.getAttribute("href");
      here.replaceWith(document.adoptNode(next));
      if (focused) next.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      heardAt = Date.now();
      ahead = Number(fresh.body.dataset.now) - heardAt;
      contact(false);
      tick();
    } catch {
      contact(true);
    }
    setTimeout(askAgain, AGAIN_MS);
  };

  setInterval(tick, 1000);
  if (document.getElementById("accounts")) {
    document.getElementById("searching").hidden = false;
    document.getElementById("search").addEventListener("input", filter);
    listen();
  } else if (document.getElementById("position")) {
    silentMs = SILENT_MS + AGAIN_MS;
    setTimeout(askAgain, AGAIN_MS);
  }
})();
