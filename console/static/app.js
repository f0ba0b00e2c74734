// The console in the browser. All pages work without it; with it confirm pages open in a dialog, lists follow the
// server, and the countdown runs. What is true is always the server's to say: nothing is decided here.
(() => {
  'use strict';
  const byID = (id) => document.getElementById(id);
  const dialog = byID('dialog');

  // Times are rendered on the server, in the zone that this cookie names.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === 'https:' ? '; Secure' : '';
    document.cookie = `curfew-tz=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  // A page that comes back from the back/forward cache may show what its reader may no longer see.
  addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });

  // Confirmation: the button works once the box beside it is ticked.
  function armButtons(root) {
    for (const button of root.querySelectorAll('[data-needs-tick]')) {
      button.disabled = !button.form.elements.confirm.checked;
    }
  }
  armButtons(document);
  document.addEventListener('change', (e) => { if (e.target.name === 'confirm') armButtons(document); });

  // Copy: to the clipboard or, where pages have none, which is over plain HTTP, by selecting what is to be copied.
  function offerCopy(root) {
    for (const button of root.querySelectorAll('[data-copy]')) button.hidden = false;
  }
  offerCopy(document);
  document.addEventListener('click', async (e) => {
    const button = e.target.closest('[data-copy]');
    if (!button) return;
    const source = byID(button.dataset.copy);
    getSelection().selectAllChildren(source);
    let done = 'Copied.';
    try { await navigator.clipboard.writeText(source.textContent); } catch { done = 'Selected. Copy it with Ctrl+C or ⌘C.'; }
    byID('copied').textContent = done;
  });

  // Notices go as they came, but not while somebody reads them.
  const toast = byID('toast');
  let toastTimer;
  function keepToast() {
    clearTimeout(toastTimer);
    toastTimer = setTimeout(() => toast.matches(':hover') ? keepToast() : toast.replaceChildren(), 8000);
  }
  function paragraph(text, name = '') {
    const p = document.createElement('p');
    p.className = name;
    p.textContent = text;
    return p;
  }
  function say(message, name) {
    toast.replaceChildren(paragraph(message, name));
    keepToast();
  }
  if (toast.firstElementChild) keepToast();

  const menu = document.querySelector('.menu');
  document.addEventListener('click', (e) => { if (menu?.open && !menu.contains(e.target)) menu.open = false; });
  document.addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || !menu?.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });

  // The part of an address after # reaches no server, but stays with the browser over the way to the sign-in page.
  function keepHash(form) {
    const { next } = form.elements;
    if (next && !next.value.includes('#')) next.value += location.hash;
  }

  const PASSIVE = { 'Curfew-Passive': '1' }; // for what nobody did: it does not count as activity

  // Whoever signs in in one tab, which its guard tells, need not do so in the others. A guard of another host is not heard here
  // though its session may be ours too, so whoever comes back to the page finds it looking. A password that is being typed is let be.
  const signIn = byID('signin');
  if (signIn) {
    const { here } = byID('view').dataset; // the server knows where it leads whoever is signed in
    const isTyping = () => signIn.elements.password.value !== '';
    const enter = () => {
      if (isTyping()) return;
      if (location.hash) location.reload(); // replacing an address by the same one, # and all, loads nothing
      else location.replace(here);
    };
    const look = async () => {
      if (document.hidden || isTyping()) return;
      const answer = await fetch(here, { cache: 'no-store', redirect: 'manual', headers: PASSIVE }).catch(() => undefined);
      if (answer?.type === 'opaqueredirect') enter();
    };
    keepHash(signIn);
    new BroadcastChannel('curfew-signin').addEventListener('message', enter);
    document.addEventListener('visibilitychange', look);
    addEventListener('focus', look);
  }

  if (!dialog) return; // nobody is signed in

  // A form that is the page, and not in the dialog, is answered by a page: or it would stand there twice.
  for (const form of document.querySelectorAll('#view > #panel form')) form.removeAttribute('hx-boost');

  // While the guard leaves, nothing else may navigate; an answer that leads to the sign-in page would.
  let leaving = false;
  document.addEventListener('curfew:leaving', (e) => { leaving = e.detail.leaving; });
  document.addEventListener('htmx:before:response', (e) => { if (leaving) e.preventDefault(); });

  // The dialog: htmx puts a page's panel into it.
  document.addEventListener('htmx:after:swap', (e) => {
    if (e.detail.ctx.target !== dialog) return;
    armButtons(dialog);
    offerCopy(dialog);
    // What is shown only once is not lost by a click beside it.
    dialog.setAttribute('closedby', dialog.querySelector('[data-stay]') ? 'closerequest' : 'any');
    if (dialog.open) return;
    const root = document.documentElement; // what it loses of its width while it can't scroll, it keeps as a gutter
    root.classList.toggle('scrolls', innerWidth > root.clientWidth);
    dialog.showModal();
  });
  // What goes on by itself ends with the dialog in which it does.
  document.addEventListener('htmx:before:swap', (e) => {
    const { ctx } = e.detail;
    if (ctx.target === dialog && ctx.sourceElement.matches('progress') && !ctx.sourceElement.isConnected) e.preventDefault();
  });
  dialog.addEventListener('click', (e) => {
    if (!e.target.closest('[data-close]')) return;
    e.preventDefault();
    dialog.close();
  });
  dialog.addEventListener('keydown', (e) => { // what closes the dialog looks like a button, so Space presses it
    const closer = e.target.closest('[data-close]');
    if (e.key !== ' ' || !closer) return;
    e.preventDefault();
    closer.click();
  });
  dialog.addEventListener('close', () => dialog.replaceChildren());
  document.addEventListener('curfew:done', async (e) => {
    dialog.close();
    // Else "Ended mia’s session" would stand there while her row still does. A list that is slow to come is not waited for.
    await Promise.race([refreshNow(), new Promise((late) => setTimeout(late, 1000))]);
    say(e.detail.message);
  });

  // A click that reaches no server says so: in the dialog if one is open, for the page behind it can't be read then.
  // A refresh that fails is known by the Live pill.
  document.addEventListener('htmx:error', (e) => {
    const { ctx } = e.detail;
    if (!ctx || ctx.refresh || ctx.text !== undefined || leaving) return;
    const message = 'Curfew can’t be reached. Try again in a moment.';
    if (!dialog.open) return say(message, 'bad');
    const p = paragraph(message, 'banner bad lost');
    p.setAttribute('role', 'alert');
    dialog.querySelector('.actions').before(p);
  });
  document.addEventListener('htmx:before:request', () => dialog.querySelector('.lost')?.remove());

  // What was typed outlives the session: it stays in this tab until the same person is back on the same page (WCAG
  // 2.2.5). Passwords and confirmations don't.
  const DRAFT = 'curfew-draft';
  const typed = 'input:not([type=password], [type=hidden], [name=confirm]), select, textarea';
  const page = () => location.pathname + location.search;
  const isBox = (field) => field.type === 'checkbox';
  document.addEventListener('curfew:state', (e) => { if (e.detail.state === 'ended') keepDraft(); });
  function keepDraft() {
    const form = (dialog.open ? dialog : byID('view')).querySelector('form[method=post]');
    if (!form) return;
    const fields = [...form.querySelectorAll(typed)].map((f) => [f.name, isBox(f) ? f.checked : f.value]);
    const draft = { user: document.body.dataset.user, page: page(), panel: dialog.open && form.getAttribute('action'), fields };
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  }
  async function restoreDraft() {
    const draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? 'null');
    sessionStorage.removeItem(DRAFT);
    if (draft?.user !== document.body.dataset.user || draft.page !== page()) return;
    if (draft.panel) await htmx.ajax('GET', draft.panel, { target: '#dialog', select: '#panel', swap: 'innerHTML ignoreTitle:true show:none' });
    const form = (draft.panel ? dialog : byID('view')).querySelector('form[method=post]');
    for (const [name, value] of draft.fields) {
      const field = form?.elements[name];
      if (!field) continue;
      field[isBox(field) ? 'checked' : 'value'] = value;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  }
  addEventListener('load', restoreDraft);

  // A bar for what takes long enough to wonder.
  let pending = 0;
  const bar = byID('bar');
  const count = (n) => (e) => {
    if (e.detail.ctx.refresh) return;
    pending += n;
    bar.hidden = pending < 1;
  };
  document.addEventListener('htmx:before:request', count(1));
  document.addEventListener('htmx:finally:request', count(-1));

  // The live view: the page GETs its own address again, at most once a second, and morphs what is new into what is
  // there.
  const here = () => byID('view').dataset.here;
  let timer = 0;
  let last = 0;
  function refresh() {
    if (timer || !byID('live')) return;
    timer = setTimeout(refreshNow, Math.max(0, last + 1000 - Date.now()));
  }
  let refreshing = Promise.resolve(); // htmx would drop what is asked for while it waits
  function refreshNow() {
    clearTimeout(timer);
    timer = 0;
    return refreshing = refreshing.then(load, load);
  }
  async function load() {
    if (leaving || !byID('live')) return;
    last = Date.now();
    await htmx.ajax('GET', here(), { target: '#view', select: '#view', swap: 'outerMorph', headers: PASSIVE, refresh: true });
  }
  document.addEventListener('curfew:sessions', refresh);
  document.addEventListener('curfew:changed', refresh);
  const refreshIfSeen = () => { if (!document.hidden) refresh(); };
  document.addEventListener('visibilitychange', refreshIfSeen);
  setInterval(refreshIfSeen, 30_000); // "42 min ago" stays true

  // Around a swap of the view: an error or an answer overtaken by a search changes nothing, new rows glow, and the
  // focus of a row that goes passes to its neighbour.
  const rows = () => [...document.querySelectorAll('#rows > tr')];
  let before = { ids: [], focus: -1 };
  document.addEventListener('htmx:before:swap', (e) => {
    const { ctx } = e.detail;
    if (ctx.target !== byID('view')) return;
    const late = ctx.refresh && ctx.request.action !== here();
    if (late || ctx.response.status >= 400) {
      e.preventDefault();
      if (late) refresh();
      return;
    }
    // htmx would focus such a field anew after each swap, while somebody types elsewhere.
    if (ctx.refresh) for (const e of byID('view').querySelectorAll('[autofocus]')) e.autofocus = false;
    const list = rows();
    before = { ids: list.map((r) => r.id), focus: list.findIndex((r) => r.contains(document.activeElement)) };
  });
  document.addEventListener('htmx:after:swap', (e) => {
    const { ctx } = e.detail;
    if (ctx.target !== byID('view')) return;
    readClock();
    if (ctx.refresh) glow();
    if (before.focus >= 0 && document.activeElement === document.body) focusNeighbour();
  });
  function glow() {
    for (const row of rows()) if (!before.ids.includes(row.id)) row.classList.add('fresh');
  }
  function focusNeighbour() {
    const { ids, focus } = before;
    const near = [...ids.slice(focus), ...ids.slice(0, focus).reverse()].map(byID).find(Boolean);
    (near?.querySelector('.icon-btn') ?? byID('view')).focus();
  }

  // The countdown runs by the server's clock, whatever this machine's says.
  let ends = 0;
  let ahead = 0; // the server's clock less ours, in milliseconds
  function setClock(endsAt, serverTime) {
    if (!endsAt || !serverTime) return;
    ends = Date.parse(endsAt);
    ahead = Date.parse(serverTime) - Date.now();
    tick();
  }
  function readClock() {
    const clock = byID('countdown');
    if (clock) setClock(clock.dataset.ends, clock.dataset.now);
  }
  document.addEventListener('curfew:state', (e) => setClock(e.detail.ends_at, e.detail.server_time));
  const two = (n) => String(n).padStart(2, '0');
  function left(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    const h = Math.floor(s / 3600);
    const m = Math.floor(s / 60) % 60;
    if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
    return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
  }
  function tick() {
    const clock = byID('countdown');
    if (clock && ends) clock.textContent = left(ends - Date.now() - ahead);
  }
  readClock();
  setInterval(tick, 1000);

  document.addEventListener('curfew:stream', (e) => {
    const live = byID('live');
    if (!live) return;
    live.hidden = false;
    live.classList.toggle('off', !e.detail.live);
    byID('live-text').textContent = e.detail.live ? 'Live' : 'Reconnecting…';
  });
})();
