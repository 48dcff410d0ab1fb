// What pages do beyond plain HTML: keep themselves up to date, select rows, copy texts. They work without it.
"use strict";
(() => {
  const live = document.getElementById("live");
  const store = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { /* private mode */ } },
  };

  // -- times that go on by themselves ---------------------------------------------------------------------------------
  const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const inWords = (seconds) => {
    if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
    if (seconds < 10) return `${Math.floor(seconds)}s`;
    const at = UNITS.findIndex(([, size]) => seconds >= size);
    const parts = [];
    for (const [unit, size] of UNITS.slice(at, at + 2)) {
      if (Math.floor(seconds / size)) parts.push(`${Math.floor(seconds / size)}${unit}`);
      seconds %= size;
    }
    return parts.join(" ");
  };
  const PARTS = { weekday: "short", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const here = new Intl.DateTimeFormat("en-GB", PARTS);
  const inZone = (moment) => {
    const part = Object.fromEntries(here.formatToParts(moment).map(({ type, value }) => [type, value]));
    return `${part.weekday} ${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
  };
  // The server's clock counts, not this machine's.
  let ahead = 0;
  const setClock = () => {
    const stamp = live?.querySelector("[data-now]")?.dataset.now;
    if (stamp) ahead = Date.parse(stamp) - Date.now();
  };
  const tick = () => {
    const now = Date.now() + ahead;
    for (const time of document.querySelectorAll("time[data-style=ago], time[data-style=since]")) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const words = inWords(Math.abs(seconds));
      const text = time.dataset.style === "since" ? words : seconds >= 0 ? `${words} ago` : `in ${words}`;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  const localize = () => {
    for (const time of document.querySelectorAll("time[data-style=local]")) time.textContent = inZone(Date.parse(time.dateTime));
  };

  // -- live updates ---------------------------------------------------------------------------------------------------
  const liveSwitch = document.getElementById("live-switch");
  const liveText = document.getElementById("live-text");
  let isOn = store.get("mongojobs-live") !== "off";
  let isAway = false;
  let isFetching = false;
  let etag = null;

  const isBusy = () =>
    live.querySelector("input:checked:not([data-keeps-live])") !== null ||
    live.querySelector("dialog[open]") !== null ||
    (live.contains(document.activeElement) && document.activeElement.matches("input:not([type=checkbox]), select, textarea"));

  const showLive = () => {
    if (!liveSwitch) return;
    const state = !isOn ? "off" : isAway ? "away" : isBusy() ? "waiting" : "on";
    liveSwitch.dataset.state = state;
    liveSwitch.setAttribute("aria-pressed", String(isOn));
    liveText.textContent = { off: "Paused", away: "No answer", waiting: "Waiting", on: "Live" }[state];
    liveSwitch.title = {
      off: "Updates are paused: press to go on",
      away: "The server does not answer; trying again",
      waiting: "Updates wait while something is selected here",
      on: "The page updates itself: press to pause",
    }[state];
  };

  const refresh = () => {
    showLive();
    if (!isOn || isFetching || document.hidden || isBusy()) return;
    isFetching = true;
    htmx.trigger(live, "refresh");
  };

  if (live && liveSwitch) {
    const every = Number(live.dataset.every) * 1000;
    document.addEventListener("htmx:config:request", (event) => {
      if (etag && event.target === live) event.detail.ctx.request.headers["If-None-Match"] = etag;
    });
    document.addEventListener("htmx:after:request", (event) => {
      const response = event.detail.ctx.response;
      isAway = response.status >= 400;
      if (isBusy()) event.preventDefault(); // somebody began to work here while the answer was on its way
      else if (response.status === 200) etag = response.headers.get("ETag");
    });
    document.addEventListener("htmx:error", () => { isAway = true; });
    document.addEventListener("htmx:finally:request", () => { isFetching = false; showLive(); });
    document.addEventListener("htmx:after:swap", () => { setClock(); tick(); localize(); showSelection(); window.mongojobsCharts?.draw(); });
    document.addEventListener("visibilitychange", refresh);
    liveSwitch.addEventListener("click", () => {
      isOn = !isOn;
      store.set("mongojobs-live", isOn ? "on" : "off");
      refresh();
    });
    if (every > 0) {
      liveSwitch.hidden = false;
      showLive();
      setInterval(refresh, every);
    }
  }

  // -- light and dark ---------------------------------------------------------------------------------------------------
  const themeSwitch = document.getElementById("theme-switch");
  if (themeSwitch) {
    themeSwitch.hidden = false;
    themeSwitch.addEventListener("click", () => {
      const root = document.documentElement;
      const isDark = (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
      root.dataset.theme = isDark ? "light" : "dark";
      store.set("mongojobs-theme", root.dataset.theme);
      window.mongojobsCharts?.draw({ anew: true });
    });
  }

  // -- selecting rows ---------------------------------------------------------------------------------------------------
  const rows = () => [...document.querySelectorAll("input[name=id]")];
  const showSelection = () => {
    const all = document.getElementById("select-page");
    if (!all) return;
    const boxes = rows();
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
    const matching = document.getElementById("select-matching");
    const text = document.getElementById("selection");
    if (text) text.textContent = matching?.checked ? matching.dataset.text : chosen ? `${chosen} selected` : "Nothing selected";
    for (const button of document.querySelectorAll("[data-needs-selection]")) button.disabled = !(chosen || matching?.checked);
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "select-page") for (const box of rows()) box.checked = event.target.checked;
    if (event.target.matches("#select-page, #select-matching, input[name=id]")) { showSelection(); showLive(); }
    if (event.target.matches("select[data-submits]")) event.target.form.requestSubmit();
  });
  document.addEventListener("reset", () => setTimeout(() => { showSelection(); showLive(); }));
  document.addEventListener("focusout", () => setTimeout(showLive));
  document.addEventListener("click", (event) => {
    // Shift selects all rows in between, as in a mail program.
    if (!event.target.matches?.("input[name=id]")) return;
    const boxes = rows();
    const last = boxes.findIndex((box) => box.dataset.last !== undefined);
    const at = boxes.indexOf(event.target);
    if (event.shiftKey && last >= 0) {
      for (const box of boxes.slice(Math.min(last, at), Math.max(last, at) + 1)) box.checked = event.target.checked;
      showSelection();
    }
    for (const box of boxes) delete box.dataset.last;
    event.target.dataset.last = "";
  });

  // -- copying ----------------------------------------------------------------------------------------------------------
  const announce = (text) => { document.getElementById("announcer").textContent = text; };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      button.dataset.done = "";
      announce("Copied");
      setTimeout(() => { delete button.dataset.done; }, 1500);
    } catch {
      getSelection().selectAllChildren(source); // no clipboard without TLS: then it is one key press
    }
  });
  for (const button of document.querySelectorAll("[data-copies]")) button.hidden = false;

  // -- changes of very many jobs, which go on by themselves -----------------------------------------------------------
  const goesOn = document.querySelector("form[data-goes-on]");
  if (goesOn) setTimeout(() => goesOn.requestSubmit(), 300);

  // -- keys ---------------------------------------------------------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select, textarea")) return;
    const link = document.getElementById("find-link");
    if (search) { event.preventDefault(); search.focus(); search.select(); }
    else if (link) { event.preventDefault(); location.assign(link.href); }
  });

  // -- completing what is looked for --------------------------------------------------------------------------------------
  const search = document.getElementById("q");
  const list = document.getElementById("suggestions");
  if (search && location.hash === "#q") search.focus();
  if (search && list) {
    const MOST = 8;
    const KEYS = ["queue:", "name:", "tag:", "priority:", "worker:", "schedule:", "error:", "arg.", "since:", "until:", "ended-since:", "is:retrying"];
    let known = null;
    let chosen = -1;

    // Names are asked for once somebody types, and without an answer nothing but the keys is completed.
    const learn = async () => {
      known = [];
      try {
        const answer = await fetch(search.dataset.known);
        if (answer.ok) known = await answer.json();
      } catch { return; }
      if (document.activeElement === search) suggest();
    };

    // What stands before the cursor since the last space; inside of quotes nothing is completed.
    const begun = () => {
      const before = search.value.slice(0, search.selectionStart);
      return before.split('"').length % 2 ? before.slice(before.lastIndexOf(" ") + 1) : "";
    };
    const fitting = (word) => {
      const [, key, part] = word.match(/^(name:|queue:)?(.*)$/);
      const sought = part.toLowerCase();
      const some = known.filter(({ term, text }) => term !== word && (key ? term.startsWith(key) : sought) && text.toLowerCase().includes(sought));
      return [...(key ? [] : KEYS.filter((one) => word && one !== word && one.startsWith(word))), ...some.map(({ term }) => term)].slice(0, MOST);
    };
    const mark = (at) => {
      const items = [...list.children];
      chosen = items.length ? (at + items.length) % items.length : -1;
      items.forEach((item, place) => item.setAttribute("aria-selected", String(place === chosen)));
      if (chosen < 0) search.removeAttribute("aria-activedescendant");
      else { search.setAttribute("aria-activedescendant", items[chosen].id); items[chosen].scrollIntoView({ block: "nearest" }); }
    };
    const close = () => {
      list.hidden = true;
      list.replaceChildren();
      chosen = -1;
      search.setAttribute("aria-expanded", "false");
      search.removeAttribute("aria-activedescendant");
    };
    const suggest = () => {
      if (known === null) learn();
      const word = begun();
      const terms = word ? fitting(word) : [];
      if (!terms.length) return close();
      list.replaceChildren(...terms.map((term, at) => {
        const item = document.createElement("li");
        item.id = `suggestion-${at}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        item.textContent = term;
        return item;
      }));
      chosen = -1;
      list.hidden = false;
      search.setAttribute("aria-expanded", "true");
      search.removeAttribute("aria-activedescendant");
    };
    const take = (term) => {
      const end = search.selectionStart;
      const from = end - begun().length;
      const space = /[:.]$/.test(term) ? "" : " ";
      search.value = `${search.value.slice(0, from)}${term}${space}${search.value.slice(end).trimStart()}`;
      search.setSelectionRange(from + term.length + space.length, from + term.length + space.length);
      search.focus();
      close();
      if (!space) suggest();
    };
    for (const [name, value] of Object.entries({ role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "suggestions" })) search.setAttribute(name, value);
    search.addEventListener("input", suggest);
    search.addEventListener("blur", () => setTimeout(close, 150));
    search.addEventListener("keydown", (event) => {
      if (list.hidden) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); mark(chosen < 0 && event.key === "ArrowUp" ? -1 : chosen + (event.key === "ArrowDown" ? 1 : -1)); }
      else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) { event.preventDefault(); take(list.children[chosen].textContent); }
      else if (event.key === "Escape") { event.preventDefault(); close(); }
    });
    list.addEventListener("pointerdown", (event) => {
      if (event.target.matches("li")) { event.preventDefault(); take(event.target.textContent); }
    });
  }

  setClock();
  localize();
  showSelection();
  setInterval(tick, 1000);
})();
